"""Settings of Q-learning without replay, and their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from qflock.algorithms._value.q_config import QConfig
from qflock.settings.ranges import at_least, need

MINIBATCH, FEWEST = 256, 4
"""Transitions of a minibatch, and the fewest minibatches, where nothing else is asked for."""


@dataclass(frozen=True)
class PQNConfig(QConfig):
    """Settings of parallelised Q-learning. Frequencies count environment steps summed over copies."""

    optimiser: Literal["adam", "radam"] = "radam"
    """Adam, or RAdam, which warms up by itself (Liu et al. 2020)."""
    loss: Literal["mse", "huber"] = "huber"
    """What is minimised of the temporal-difference error; mse lets rare large ones drown the rest."""
    td_lambda: float = 0.65
    """Lambda of the returns inside a rollout; 0 is one-step."""
    num_steps: int = 32
    """Steps of each copy between two learning phases: the length of a rollout."""
    epochs: Annotated[int, at_least(1)] = 2
    """Passes over each rollout."""
    minibatches: Annotated[int, at_least(0)] = 0
    """Gradient steps of a pass; divides num_envs: copies stay whole. 0: four, or more of 256 transitions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        need(
            self.minibatches == 0 or self.num_envs % self.minibatches == 0,
            f"minibatches {self.minibatches} does not divide num_envs {self.num_envs}",
        )

    @property
    def gradient_steps(self) -> int:
        """Gradient steps of one pass."""
        if self.minibatches:
            return self.minibatches
        wanted = max(FEWEST, self.num_envs * self.num_steps // MINIBATCH)
        return max(n for n in range(1, min(wanted, self.num_envs) + 1) if self.num_envs % n == 0)
