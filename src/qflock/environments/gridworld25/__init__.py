"""GridWorld25v0: four agents gather four foods on a grid, exactly as in published results."""

from qflock.environments.gridworld25.game import Config, Environment

__all__ = ["Config", "Environment"]
