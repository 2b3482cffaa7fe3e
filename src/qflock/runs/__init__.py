"""Runs: folder, checkpoints, policies, evaluation; training is in train/."""
