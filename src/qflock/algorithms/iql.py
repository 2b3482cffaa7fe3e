"""Independent Q-learning: every agent learns from its own error (Tan 1993)."""

from dataclasses import dataclass

from qflock.algorithms._value.config import ValueConfig
from qflock.algorithms._value.learner import build

__all__ = ["Config", "build"]


@dataclass(frozen=True)
class Config(ValueConfig):
    """A value learner without a mixer."""

    mixer: str = "none"
    """How agents' values make the team's: none, sum, monotone, dueling, attention, or my.py:Mixer."""
