"""What each party remembers, and when it may forget it. SQL lives here and nowhere else."""
