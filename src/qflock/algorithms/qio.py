"""QIO: an actor-critic whose policy passes a quantum-inspired operator, with a floor under its entropy.

Each part can be switched off: ``--operator none --entropy constant`` is the plain learner.

The published learner is A2C with this operator (`scripts/train_uav.py`, `configs/uav_default.yaml`);
by default the operator runs inside PPO.
"""

from dataclasses import dataclass
from typing import Literal

from qflock.algorithms._actor_critic.config import ActorCriticConfig
from qflock.algorithms._actor_critic.learner import build

__all__ = ["Config", "build"]


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """An actor-critic with the published operator and entropy weight."""

    lr: float = 3e-4
    """Adam's step size for the agents."""
    lr_critic: float = 3e-4
    """Adam's step size for the critic."""
    operator: Literal["none", "mean", "temperature", "rotation"] = "mean"
    """Quantum-inspired operator on the policy: mean changes what agents act with, rotation makes a target;
    temperature is the control of mean, a plain inverse temperature of the same entropy."""
    entropy: Literal["constant", "exponential", "quantum_inspired", "target"] = "quantum_inspired"
    """How the weight alpha of the policy's entropy (in nats) changes with the updates."""
    alpha0: float = 0.1
    """The entropy's first weight."""
    alpha_min: float = 0.01
    """Its least weight (exponential, quantum_inspired, target)."""
