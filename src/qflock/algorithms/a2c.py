"""A2C: one plain policy-gradient step for each rollout; critics see observations (Mnih et al. 2016)."""

from dataclasses import dataclass
from typing import Literal

from qflock.algorithms._actor_critic.config import ActorCriticConfig
from qflock.algorithms._actor_critic.learner import build

__all__ = ["ACTIONS", "Config", "build"]

ACTIONS = "both"  # discrete, or continuous


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """An actor-critic without ratio, clipping or epochs."""

    update: Literal["ppo", "a2c"] = "a2c"
    """ppo clips the probability ratio over several epochs; a2c makes one plain policy-gradient step."""
    num_steps: int = 8
    """Steps of each copy between two learning phases: the length of a rollout."""
    lr: float = 1e-3
    """Adam's step size for the agents."""
    lr_critic: float = 1e-3
    """Adam's step size for the critic."""
