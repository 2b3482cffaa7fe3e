"""IPPO: PPO for every agent by itself, policy and critic seeing its own observation (de Witt et al. 2020)."""

from qflock.algorithms._actor_critic.config import ActorCriticConfig as Config
from qflock.algorithms._actor_critic.learner import build

__all__ = ["ACTIONS", "Config", "build"]

ACTIONS = "both"  # discrete, or continuous
