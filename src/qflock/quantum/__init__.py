"""Quantum circuits: their description, a state-vector simulator in JAX, and a bridge to PennyLane."""
