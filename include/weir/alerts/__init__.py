"""Scores become grouped findings with reasons, evidence and lineage."""
