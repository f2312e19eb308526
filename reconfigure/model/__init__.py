"""The records that the parts exchange (docs/seams.md)."""
