"""MADDPG: deterministic policies, a critic that sees the state and all actions (Lowe et al. 2017)."""

from dataclasses import dataclass
from typing import Literal

from qflock.algorithms._off_policy.config import OffPolicyConfig
from qflock.algorithms._off_policy.learner import build

__all__ = ["ACTIONS", "Config", "build"]

ACTIONS = "continuous"


@dataclass(frozen=True)
class Config(OffPolicyConfig):
    """One central critic, and no chance but noise."""

    policy: Literal["stochastic", "deterministic"] = "deterministic"
    """stochastic is SAC: a squashed Gaussian, whose entropy is paid; deterministic is DDPG or TD3."""
    twin: bool = False
    """Two critics, of which the lower one counts."""
    others: Literal["current", "replay"] = "replay"
    """What others do while an agent learns (critic central): what they would do now, or what they did."""
