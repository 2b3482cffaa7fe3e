"""FACMAC: each agent's critic, mixed to the team's; all agents learn from it at once (Peng et al. 2021)."""

from dataclasses import dataclass
from typing import Literal

from qflock.algorithms._off_policy.config import OffPolicyConfig
from qflock.algorithms._off_policy.learner import build

__all__ = ["ACTIONS", "Config", "build"]

ACTIONS = "continuous"


@dataclass(frozen=True)
class Config(OffPolicyConfig):
    """Mixed critics, and no chance but noise."""

    policy: Literal["stochastic", "deterministic"] = "deterministic"
    """stochastic is SAC: a squashed Gaussian, whose entropy is paid; deterministic is DDPG or TD3."""
    critic: Literal["own", "central", "mixed"] = "mixed"
    """What critics see: each agent's observation and action; the state and all actions; or each agent's own,
    mixed as `mixer` says."""
    twin: bool = False
    """Two critics, of which the lower one counts."""
