"""The family of detectors; a new member is one file and one line in the list."""
