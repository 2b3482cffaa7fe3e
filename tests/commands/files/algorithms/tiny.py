"""A learner for tests: settings of every type, nothing learnt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qflock.core.errors import UserError


@dataclass(frozen=True)
class Config:
    """Settings of every type."""

    lr: float = 1e-3
    """Step size."""
    batch_size: int = 32
    """Transitions of a gradient step."""
    double_q: bool = True
    """Whether to use two networks."""
    mixer: str = "sum"
    """A name, or a file and class."""
    loss: Literal["mse", "huber"] = "mse"
    """What is minimised."""
    clip: float | None = 10.0
    """Largest gradient; none for no limit."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    span: tuple[float, float] = (0.0, 1.0)
    """From and to."""
    teacher: Path | None = None
    """Weights to imitate."""

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise UserError(f"lr is {self.lr}; it must be above 0")


def build(config: Config, environment: Any) -> None:
    """Never called: the runner is replaced in these tests."""
