"""Fields that several learners' settings have, each declared once. A learner's ``Config`` inherits them.

What a learner needs otherwise, a default or a word in the help, it declares anew; the range stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from qflock.settings.ranges import WIDTHS, above, at_least, between, need
from qflock.settings.shares import of_steps


@dataclass(frozen=True)
class Agents:
    """The agents' networks: what each is, who shares one, and what it sees."""

    network: str = "mlp"
    """The agents' network: mlp, gru, circuit, or a file and class, my.py:Net."""
    hidden: Annotated[tuple[int, ...], WIDTHS] = (128, 128)
    """Widths of the hidden layers."""
    layer_norm: bool = True
    """LayerNorm before each ReLU."""
    orthogonal: bool = True
    """Orthogonal initial weights."""
    share_parameters: bool = True
    """One network for all agents, told apart by a one-hot id; else one network each."""
    groups: tuple[int, ...] = ()
    """A group for each agent, 0,0,1: agents of a group share a network. Replaces share_parameters."""
    last_action: bool = False
    """Agents also see the action that they took last."""
    input_stage: Literal["relative", "raw"] = "relative"
    """What networks see of what is declared: offsets of entities and one-hot codes, or the raw numbers."""


@dataclass(frozen=True)
class Optimiser:
    """Gradient steps, as `qflock.learning.optimiser` makes them."""

    lr: Annotated[float, above(0)] = 5e-4
    """The optimiser's step size."""
    lr_final: Annotated[float, between(0, 1)] = 1.0
    """Fraction of lr left after lr_decay steps, reached in a straight line."""
    lr_decay: Annotated[int, at_least(0), of_steps] = 0
    """Environment steps over which lr falls, or their share of the run, 100%; 0 keeps it."""
    weight_decay: Annotated[float, at_least(0)] = 0.0
    """Decoupled weight decay (AdamW); 0 is Adam."""
    max_grad_norm: Annotated[float, above(0)] = 10.0
    """Gradients are clipped to this global norm."""


@dataclass(frozen=True)
class Experience:
    """How much is played between two learning phases, and how far ahead returns look."""

    gamma: Annotated[float, between(0, 1)] = 0.99
    """Discount."""
    num_envs: Annotated[int, at_least(1)] = 128
    """Environments stepped side by side."""
    num_steps: Annotated[int, at_least(1)] = 8
    """Steps of each copy between two learning phases."""


PACE = 128
"""Environment steps per gradient step, where nothing else is asked for."""


@dataclass(frozen=True)
class Replay(Experience):
    """Experience that is kept, and drawn from for every gradient step."""

    row_length: Annotated[int, at_least(1)] = 8
    """Transitions kept together in replay, over which returns run; divides num_steps."""
    buffer_capacity: int = 262_144
    """Transitions held in replay."""
    min_buffer_size: Annotated[int, at_least(0)] = 10_000
    """Transitions held before learning starts."""
    batch_size: Annotated[int, at_least(1)] = 256
    """Transitions of a gradient step; a multiple of row_length."""
    train_frequency: Annotated[int, at_least(0)] = 0
    """Environment steps per gradient step; divides num_envs x num_steps. 0 for about 128, or all of these."""

    def need_fitting_replay(self) -> None:
        """Raise a `UserError` where its sizes do not fit each other."""
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

    def need_whole_rows(self, remembers: bool) -> None:
        """Raise a `UserError` where agents remember and rows are cut shorter than what is collected.

        Args:
            remembers: whether agents have a memory.
        """
        need(
            not remembers or self.row_length == self.num_steps,
            f"row_length is {self.row_length} and num_steps {self.num_steps}; agents that remember "
            "need them equal, for replay keeps their memory at the start of what is collected",
        )

    @property
    def gradient_steps(self) -> int:
        """Gradient steps of one update."""
        block = self.num_envs * self.num_steps
        return block // self.train_frequency if self.train_frequency else max(1, round(block / PACE))

    @property
    def sequences(self) -> tuple[int, int]:
        """How many sequences replay holds, a multiple of those of one update; and how many start learning."""
        block = self.num_envs * self.num_steps
        capacity = self.buffer_capacity // block * (block // self.row_length)
        return capacity, min(-(-self.min_buffer_size // self.row_length), capacity)
