"""The ways to hand out a partition's nodes."""
