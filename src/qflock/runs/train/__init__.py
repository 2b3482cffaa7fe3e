"""Training a run: the loop, its programs, its books."""
