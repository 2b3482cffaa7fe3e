"""Environments by name: one file or folder each."""
