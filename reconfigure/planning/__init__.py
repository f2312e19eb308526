"""Decisions: what is observed and asked for becomes a plan."""
