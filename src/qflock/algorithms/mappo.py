"""MAPPO: PPO with a centralised critic on the state; policies see their observation (Yu et al. 2022)."""

from dataclasses import dataclass
from typing import Literal

from qflock.algorithms._actor_critic.config import ActorCriticConfig
from qflock.algorithms._actor_critic.learner import build

__all__ = ["ACTIONS", "Config", "build"]

ACTIONS = "both"  # discrete, or continuous


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """An actor-critic whose critic sees the state."""

    critic: Literal["observation", "state", "both"] = "state"
    """What the critic sees: each agent's observation, the state, or both (two networks, summed)."""
