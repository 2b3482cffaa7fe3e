"""Drones: flyers with momentum pass each other in the gap of a wall, and land on their pads."""

from qflock.environments.drones.game import Config, Environment

__all__ = ["Config", "Environment"]
