"""Slurm as the control host reaches it: the connection, its nodes' states."""
