"""Settings of the value-factorisation learners with replay, and their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from qflock.algorithms._value.q_config import QConfig
from qflock.settings.ranges import at_least, between, need
from qflock.settings.shared import Replay


@dataclass(frozen=True)
class ValueConfig(QConfig, Replay):
    """Settings shared by all value learners. Frequencies count environment steps summed over copies."""

    double_q: bool = True
    """Choose the next action with the online network, value it with the target network."""
    n_step: Annotated[int, at_least(1)] = 1
    """Rewards summed before bootstrapping; above 1 it replaces td_lambda."""
    burn_in: int = 0
    """First transitions of a row that only wake an agent's memory and teach nothing."""
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
        self.need_fitting_replay()
