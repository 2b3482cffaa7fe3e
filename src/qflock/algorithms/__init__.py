"""Algorithms by name: one file or package each; families share folders with a leading underscore."""
