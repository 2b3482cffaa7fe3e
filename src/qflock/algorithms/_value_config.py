"""Settings of the value-factorisation learners, with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qflock.errors import UserError


@dataclass(frozen=True)
class ValueConfig:
    """Settings shared by all value learners. Frequencies count environment steps summed over copies."""

    mixer: str = "monotone"
    """How agents' values make the team's: none, sum, monotone, or a file and class, my.py:Mixer."""
    mixer_embed: int = 32
    """Width of the mixing layer."""
    mixer_hyper: int = 64
    """Width of the hypernetworks' hidden layer."""
    network: str = "mlp"
    """The agents' network: mlp, or a file and class, my.py:Net."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the hidden layers."""
    layer_norm: bool = True
    """LayerNorm before each ReLU."""
    dueling: bool = False
    """Split the head into a value and advantages."""
    orthogonal: bool = True
    """Orthogonal initial weights."""
    share_parameters: bool = True
    """One network for all agents, told apart by a one-hot id; else one network each."""
    input_stage: Literal["relative", "raw"] = "relative"
    """What networks see of declared entities: offsets from the agent, or the raw numbers."""
    reward: Literal["team", "own"] = "team"
    """The reward that agents without a mixer learn from."""
    gamma: float = 0.99
    """Discount."""
    lr: float = 5e-4
    """Adam's step size."""
    lr_final: float = 1.0
    """Fraction of lr left after lr_decay steps, reached in a straight line."""
    lr_decay: int = 0
    """Environment steps over which lr falls; 0 keeps it."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW); 0 is Adam."""
    max_grad_norm: float = 10.0
    """Gradients are clipped to this global norm."""
    double_q: bool = True
    """Choose the next action with the online network, value it with the target network."""
    td_lambda: float = 0.6
    """Lambda of the returns inside a row; 0 is one-step."""
    n_step: int = 1
    """Rewards summed before bootstrapping; above 1 it replaces td_lambda."""
    loss: Literal["mse", "huber"] = "mse"
    """What is minimised of the temporal-difference error."""
    epsilon_start: float = 1.0
    """Share of random actions at the start."""
    epsilon_end: float = 0.05
    """Share of random actions after epsilon_decay steps, and of `--sample` evaluation."""
    epsilon_decay: int = 100_000
    """Environment steps over which epsilon falls."""
    copies: int = 128
    """Environments stepped side by side."""
    steps: int = 8
    """Steps of each copy between two learning phases."""
    row_length: int = 8
    """Transitions kept together in replay, over which returns run; divides steps."""
    buffer_capacity: int = 262_144
    """Transitions held in replay."""
    min_buffer_size: int = 10_000
    """Transitions held before learning starts."""
    batch_size: int = 1024
    """Transitions of a gradient step; a multiple of row_length."""
    train_frequency: int = 1024
    """Environment steps per gradient step; divides copies x steps."""
    target_update_interval: int = 10_000
    """Environment steps between updates of the target network."""
    target_tau: float = 1.0
    """Share of the online network taken over at a target update: 1 is hard, less is soft."""

    def __post_init__(self) -> None:
        def need(true: bool, message: str) -> None:
            if not true:
                raise UserError(message)

        for name in (
            "copies",
            "steps",
            "row_length",
            "batch_size",
            "train_frequency",
            "n_step",
            "mixer_embed",
        ):
            need(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("gamma", "td_lambda", "epsilon_start", "epsilon_end", "target_tau", "lr_final"):
            need(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}; it must lie in [0, 1]")
        for name in ("lr", "max_grad_norm"):
            need(getattr(self, name) > 0, f"{name} is {getattr(self, name)}; it must be above 0")
        for name in (
            "weight_decay",
            "lr_decay",
            "min_buffer_size",
            "target_update_interval",
            "epsilon_decay",
        ):
            need(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}; it must not be negative")
        block = self.copies * self.steps
        need(all(h >= 1 for h in self.hidden), f"hidden is {self.hidden}; widths must be at least 1")
        need(
            self.steps % self.row_length == 0,
            f"row_length {self.row_length} does not divide steps {self.steps}",
        )
        need(
            self.batch_size % self.row_length == 0,
            f"batch_size {self.batch_size} is no multiple of row_length {self.row_length}",
        )
        need(
            block % self.train_frequency == 0,
            f"train_frequency {self.train_frequency} does not divide copies x steps = {block}",
        )
        need(
            self.buffer_capacity >= max(block, self.min_buffer_size, self.batch_size),
            f"buffer_capacity {self.buffer_capacity} is smaller than copies x steps ({block}), "
            f"min_buffer_size ({self.min_buffer_size}) or batch_size ({self.batch_size})",
        )
