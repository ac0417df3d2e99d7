"""Training of networks: torch lives here and nowhere else."""
