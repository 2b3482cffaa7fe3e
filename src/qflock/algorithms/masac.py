"""MASAC: soft actor-critics whose critics see the state and all actions (Haarnoja et al. 2018)."""

from qflock.algorithms._off_policy.config import OffPolicyConfig as Config
from qflock.algorithms._off_policy.learner import build

__all__ = ["ACTIONS", "Config", "build"]

ACTIONS = "continuous"
