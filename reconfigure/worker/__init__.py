"""The long-running process that does what Slurm asks for."""
