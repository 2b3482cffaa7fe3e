"""Settings of all Q-learners, with replay and without, and their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from qflock.algorithms._circuit_config import Circuit
from qflock.settings.ranges import at_least, between, check, need
from qflock.settings.shared import Agents, Experience, Optimiser
from qflock.settings.shares import of_steps


@dataclass(frozen=True)
class QConfig(Experience, Optimiser, Agents, Circuit):
    """Settings shared by all Q-learners. Frequencies count environment steps summed over copies."""

    mixer: str = "monotone"
    """How agents' values make the team's: none, sum, monotone, dueling, attention, circuit, subsets, or
    my.py:Mixer."""
    mixer_embed: Annotated[int, at_least(1)] = 32
    """Width of the mixing layer."""
    mixer_hyper: Annotated[int, at_least(1)] = 64
    """Width of the hypernetworks' hidden layer."""
    dueling: bool = False
    """Split the head into a value and advantages."""
    reward: Literal["team", "own"] = "team"
    """The reward that agents without a mixer learn from."""
    optimiser: Literal["adam", "radam"] = "adam"
    """Adam, or RAdam, which warms up by itself (Liu et al. 2020)."""
    td_lambda: Annotated[float, between(0, 1)] = 0.0
    """Lambda of the returns inside a row; 0 is one-step; above 0 exploration counts as if it were meant."""
    loss: Literal["mse", "huber"] = "mse"
    """What is minimised of the temporal-difference error."""
    epsilon_start: Annotated[float, between(0, 1)] = 1.0
    """Share of random actions at the start."""
    epsilon_end: Annotated[float, between(0, 1)] = 0.05
    """Share of random actions after epsilon_decay steps, and of `--sample` evaluation."""
    epsilon_decay: Annotated[int, at_least(0), of_steps] = 100_000
    """Environment steps over which epsilon falls, or their share of the run, 5%."""

    def __post_init__(self) -> None:
        check(self)
        need(
            self.circuit_head != "born",
            "circuit_head born gives chances of actions; this learner learns values: take scale or linear",
        )
        need(
            set(self.groups) == set(range(len(set(self.groups)))),
            f"groups is {self.groups}; number the groups 0, 1, ... without a gap",
        )
