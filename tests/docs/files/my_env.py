"""The user's own environment that README names."""

from qflock.environments.two_step import Environment as MyEnv

__all__ = ["MyEnv"]
