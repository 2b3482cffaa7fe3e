"""QMIX: a monotone mixing network makes the team's value from the agents' (Rashid et al. 2018)."""

from qflock.algorithms._value.config import ValueConfig as Config
from qflock.algorithms._value.learner import build

__all__ = ["Config", "build"]
