"""Comparing runs: fairness, estimates with intervals, tables, figures."""
