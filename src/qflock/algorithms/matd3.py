"""MATD3: MADDPG with two critics, noise on targets and delayed policies (Ackermann et al. 2019)."""

from dataclasses import dataclass
from typing import Literal

from qflock.algorithms._off_policy.config import OffPolicyConfig
from qflock.algorithms._off_policy.learner import build

__all__ = ["ACTIONS", "Config", "build"]

ACTIONS = "continuous"


@dataclass(frozen=True)
class Config(OffPolicyConfig):
    """Two central critics, and no chance but noise."""

    policy: Literal["stochastic", "deterministic"] = "deterministic"
    """stochastic is SAC: a squashed Gaussian, whose entropy is paid; deterministic is DDPG or TD3."""
    others: Literal["current", "replay"] = "replay"
    """What others do while an agent learns (critic central): what they would do now, or what they did."""
    policy_delay: int = 2
    """Gradient steps of the critics for each one of the agents."""
    target_noise: float = 0.2
    """Deviation of noise on the actions that targets are made of: 0.2 in TD3 (deterministic)."""
