"""Scoring with an artifact, and the reasons for a score."""
