"""QPLEX: any team value whose best joint action is the agents' best (Wang et al. 2021)."""

from dataclasses import dataclass

from qflock.algorithms._value.config import ValueConfig
from qflock.algorithms._value.learner import build

__all__ = ["Config", "build"]


@dataclass(frozen=True)
class Config(ValueConfig):
    """A value learner with the dueling mixer."""

    mixer: str = "dueling"
    """How agents' values make the team's: none, sum, monotone, dueling, attention, or my.py:Mixer."""
