"""PQN-IQL: parallelised Q-learning without replay, each agent from its own error (Gallici et al. 2025)."""

from dataclasses import dataclass

from qflock.algorithms._value.pqn import build
from qflock.algorithms._value.pqn_config import PQNConfig

__all__ = ["Config", "build"]


@dataclass(frozen=True)
class Config(PQNConfig):
    """Q-learning without replay or mixer."""

    mixer: str = "none"
    """How agents' values make the team's: none, sum, monotone, dueling, attention, or my.py:Mixer."""
