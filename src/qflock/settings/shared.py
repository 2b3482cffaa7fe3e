"""Fields that several learners' settings have, each declared once. A learner's ``Config`` inherits them.

What a learner needs otherwise, a default or a word in the help, it declares anew; the range stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from qflock.settings.ranges import WIDTHS, above, at_least, between
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
