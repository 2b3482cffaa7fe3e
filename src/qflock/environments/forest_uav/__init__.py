"""ForestUAV: UAVs cover a forest under partial observation and limited communication."""

from qflock.environments.forest_uav.game import Config, Environment

__all__ = ["Config", "Environment"]
