"""Sealed capture segments, from the sensor's spool into the store and found again."""
