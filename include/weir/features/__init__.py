"""Window rows, validation against the suites, quarantine."""
