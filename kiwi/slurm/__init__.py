"""Slurm's jobs and nodes, in plain words."""
