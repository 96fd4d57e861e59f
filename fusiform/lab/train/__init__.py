"""Training: the loop, its data and schedule, run folders, checkpoints, export."""
