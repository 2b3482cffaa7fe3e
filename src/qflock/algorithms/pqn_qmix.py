"""PQN-QMIX: parallelised Q-learning without replay, with QMIX's monotone mixer (ours)."""

from dataclasses import dataclass

from qflock.algorithms._value.pqn import build
from qflock.algorithms._value.pqn_config import PQNConfig

__all__ = ["Config", "build"]


@dataclass(frozen=True)
class Config(PQNConfig):
    """Q-learning without replay, with QMIX's monotone mixer."""

    mixer: str = "monotone"
    """How agents' values make the team's: none, sum, monotone, dueling, attention, or my.py:Mixer."""
