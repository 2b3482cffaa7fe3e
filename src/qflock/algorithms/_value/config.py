"""Settings of the value-factorisation learners with replay, and their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from qflock.algorithms._value.q_config import QConfig
from qflock.settings.ranges import at_least, between, need

PACE = 128
"""Environment steps per gradient step, where nothing else is asked for."""


@dataclass(frozen=True)
class ValueConfig(QConfig):
    """Settings shared by all value learners. Frequencies count environment steps summed over copies."""

    double_q: bool = True
    """Choose the next action with the online network, value it with the target network."""
    n_step: Annotated[int, at_least(1)] = 1
    """Rewards summed before bootstrapping; above 1 it replaces td_lambda."""
    row_length: Annotated[int, at_least(1)] = 8
    """Transitions kept together in replay, over which returns run; divides num_steps."""
    burn_in: int = 0
    """First transitions of a row that only wake an agent's memory and teach nothing."""
    buffer_capacity: int = 262_144
    """Transitions held in replay."""
    min_buffer_size: Annotated[int, at_least(0)] = 10_000
    """Transitions held before learning starts."""
    batch_size: Annotated[int, at_least(1)] = 256
    """Transitions of a gradient step; a multiple of row_length."""
    train_frequency: Annotated[int, at_least(0)] = 0
    """Environment steps per gradient step; divides num_envs x num_steps. 0 for about 128, or all of these."""
    augment: bool = False
    """Learn each sequence of replay as seen from a side drawn anew, where the environment has symmetries."""
    target_update_interval: Annotated[int, at_least(0)] = 10_000
    """Environment steps between updates of the target network; 0 for none: targets are the online one's."""
    target_tau: Annotated[float, between(0, 1)] = 1.0
    """Share of the online network taken over at a target update: 1 is hard, less is soft."""

    def __post_init__(self) -> None:
        super().__post_init__()
        need(
            0 <= self.burn_in < self.row_length,
            f"burn_in is {self.burn_in}; it must lie in [0, row_length), which is {self.row_length}",
        )
        block = self.num_envs * self.num_steps
        need(
            self.num_steps % self.row_length == 0,
            f"row_length {self.row_length} does not divide num_steps {self.num_steps}",
        )
        need(
            self.batch_size % self.row_length == 0,
            f"batch_size {self.batch_size} is no multiple of row_length {self.row_length}",
        )
        need(
            self.train_frequency == 0 or block % self.train_frequency == 0,
            f"train_frequency {self.train_frequency} does not divide num_envs x num_steps = {block}",
        )
        need(
            self.buffer_capacity >= max(block, self.min_buffer_size, self.batch_size),
            f"buffer_capacity {self.buffer_capacity} is smaller than num_envs x num_steps ({block}), "
            f"min_buffer_size ({self.min_buffer_size}) or batch_size ({self.batch_size})",
        )

    @property
    def gradient_steps(self) -> int:
        """Gradient steps of one update."""
        block = self.num_envs * self.num_steps
        return block // self.train_frequency if self.train_frequency else max(1, round(block / PACE))
