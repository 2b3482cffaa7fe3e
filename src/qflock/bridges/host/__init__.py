"""Environments that are ordinary Python: copies in worker processes."""
