"""Weir: packets → flows → features → models → scores → alerts → reports.

Importing this package loads nothing heavy, so that the scoring function starts quickly.
"""
