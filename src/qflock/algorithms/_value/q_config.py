"""Settings of all Q-learners, with replay and without, and their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qflock.algorithms._circuit_config import CircuitConfig
from qflock.core.errors import UserError


@dataclass(frozen=True)
class QConfig(CircuitConfig):
    """Settings shared by all Q-learners. Frequencies count environment steps summed over copies."""

    mixer: str = "monotone"
    """How agents' values make the team's: none, sum, monotone, dueling, attention, or my.py:Mixer."""
    mixer_embed: int = 32
    """Width of the mixing layer."""
    mixer_hyper: int = 64
    """Width of the hypernetworks' hidden layer."""
    network: str = "mlp"
    """The agents' network: mlp, gru, circuit, or a file and class, my.py:Net."""
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
    groups: tuple[int, ...] = ()
    """A group for each agent, 0,0,1: agents of a group share a network. Replaces share_parameters."""
    last_action: bool = False
    """Agents also see the action that they took last."""
    input_stage: Literal["relative", "raw"] = "relative"
    """What networks see of what is declared: offsets of entities and one-hot codes, or the raw numbers."""
    reward: Literal["team", "own"] = "team"
    """The reward that agents without a mixer learn from."""
    gamma: float = 0.99
    """Discount."""
    optimiser: Literal["adam", "radam"] = "adam"
    """Adam, or RAdam, which warms up by itself (Liu et al. 2020)."""
    lr: float = 5e-4
    """The optimiser's step size."""
    lr_final: float = 1.0
    """Fraction of lr left after lr_decay steps, reached in a straight line."""
    lr_decay: int = 0
    """Environment steps over which lr falls; 0 keeps it."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW); 0 is Adam."""
    max_grad_norm: float = 10.0
    """Gradients are clipped to this global norm."""
    td_lambda: float = 0.6
    """Lambda of the returns inside a row; 0 is one-step."""
    loss: Literal["mse", "huber"] = "mse"
    """What is minimised of the temporal-difference error."""
    epsilon_start: float = 1.0
    """Share of random actions at the start."""
    epsilon_end: float = 0.05
    """Share of random actions after epsilon_decay steps, and of `--sample` evaluation."""
    epsilon_decay: int = 100_000
    """Environment steps over which epsilon falls."""
    num_envs: int = 128
    """Environments stepped side by side."""
    num_steps: int = 8
    """Steps of each copy between two learning phases."""

    def __post_init__(self) -> None:
        self.check_circuit()
        for name in ("num_envs", "num_steps", "mixer_embed", "mixer_hyper"):
            need(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("gamma", "td_lambda", "epsilon_start", "epsilon_end", "lr_final"):
            need(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}; it must lie in [0, 1]")
        for name in ("lr", "max_grad_norm"):
            need(getattr(self, name) > 0, f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("weight_decay", "lr_decay", "epsilon_decay"):
            need(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}; it must not be negative")
        need(all(h >= 1 for h in self.hidden), f"hidden is {self.hidden}; widths must be at least 1")
        need(
            set(self.groups) == set(range(len(set(self.groups)))),
            f"groups is {self.groups}; number the groups 0, 1, ... without a gap",
        )


def need(true: bool, message: str) -> None:
    """Refuse settings that cannot work.

    Raises:
        UserError: with the message, where the condition is not true.
    """
    if not true:
        raise UserError(message)
