"""Kiwi: book nodes of a shared cluster, run work on them and leave them clean."""

__version__ = "0.1.0"
