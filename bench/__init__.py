"""Measurements: commands whose result is a table."""
