"""Samplers of parameters: Metropolis-Hastings, tempering, sequential Monte Carlo, and how they are judged."""
