"""A world for tests: nothing happens in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from qflock.core.spec import Spec


@dataclass(frozen=True)
class Settings:
    """Settings of the tiny world."""

    grid_size: int = 5
    """Cells along each side."""
    layout: Literal["random", "fixed"] = "random"
    """Where things stand."""
    wind: bool = False
    """Whether it blows."""

    def __post_init__(self) -> None:
        if self.grid_size < 2:
            raise ValueError(f"grid_size is {self.grid_size}; it must be at least 2")


class Environment:
    """Nothing happens."""

    Config = Settings

    def __init__(self, config: Settings = Settings()) -> None:
        self.config = config
        self.spec = Spec("tiny_world", agents=2, actions=3, observation=4, state=8, horizon=10)

    def references(self) -> dict[str, Any]:
        return {"oracle": None, "greedy": None}

    def draw(self, state: Any, size: int = 500) -> Any:
        raise NotImplementedError


class Bare:
    """A world without settings."""

    spec = Spec("bare", agents=1, actions=2, observation=1, state=1, horizon=3)
