"""ISAC: a soft actor-critic for every agent by itself (Haarnoja et al. 2018)."""

from dataclasses import dataclass
from typing import Literal

from qflock.algorithms._off_policy.config import OffPolicyConfig
from qflock.algorithms._off_policy.learner import build

__all__ = ["ACTIONS", "Config", "build"]

ACTIONS = "continuous"


@dataclass(frozen=True)
class Config(OffPolicyConfig):
    """Critics of each agent's own observation and action."""

    critic: Literal["own", "central", "mixed"] = "own"
    """What critics see: each agent's observation and action; the state and all actions; or each agent's own,
    mixed as `mixer` says."""
