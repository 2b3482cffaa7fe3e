"""QMIX: a monotone mixing network makes the team's value from the agents' (Rashid et al. 2018)."""

from qflock.algorithms._value import build
from qflock.algorithms._value_config import ValueConfig as Config

__all__ = ["Config", "build"]
