"""Ways to hand out a partition's nodes."""
