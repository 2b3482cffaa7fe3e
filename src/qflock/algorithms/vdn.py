"""Value decomposition networks: the team's value is the sum of the agents' (Sunehag et al. 2018)."""

from dataclasses import dataclass

from qflock.algorithms._value.config import ValueConfig
from qflock.algorithms._value.learner import build

__all__ = ["Config", "build"]


@dataclass(frozen=True)
class Config(ValueConfig):
    """A value learner with the sum as its mixer."""

    mixer: str = "sum"
    """How agents' values make the team's: none, sum, monotone, dueling, attention, or my.py:Mixer."""
