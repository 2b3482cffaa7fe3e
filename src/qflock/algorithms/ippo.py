"""IPPO: PPO for every agent by itself, policy and critic seeing its own observation (de Witt et al. 2020)."""

from qflock.algorithms._actor_critic import build
from qflock.algorithms._actor_critic_config import ActorCriticConfig as Config

__all__ = ["Config", "build"]
