"""A PettingZoo module whose agents give numbers, of different sizes and bounds, and which notes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

SPACES = {
    "arm": spaces.Box(np.array([[0.0], [-1.0]], np.float32), np.array([[1.0], [3.0]], np.float32)),
    "eye": spaces.Box(np.array([0.0], np.float64), np.array([1.0], np.float64), dtype=np.float64),
    "far": spaces.Box(np.array([0.0, -8.0, 5.0], np.float32), np.array([1.0, 8.0, 6.0], np.float32)),
    "chooser": spaces.Discrete(3),
    "endless": spaces.Box(-np.inf, np.inf, (1,), np.float32),
    "whole": spaces.Box(0, 9, (1,), np.int32),
}


class parallel_env:
    """Three steps; everybody sees zeros and is paid the sum of its numbers."""

    def __init__(self, who: str = "arm,eye,far", max_steps: int = 3) -> None:
        self.possible_agents = who.split(",")
        self.max_steps = max_steps
        self.given: list[dict[str, Any]] = []

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-1, 1, (2,), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        return SPACES[agent]

    def _seen(self) -> dict[str, Any]:
        return {agent: np.zeros(2, np.float32) for agent in self.agents}

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.agents, self.steps = list(self.possible_agents), 0
        return self._seen(), {}

    def step(self, actions: dict[str, Any]) -> Any:
        for agent, action in actions.items():
            assert SPACES[agent].contains(action), f"{agent} gave {action}"
        self.given.append(actions)
        self.steps += 1
        paid = {agent: float(np.sum(actions[agent])) for agent in self.agents}
        no = dict.fromkeys(self.agents, False)
        return self._seen(), paid, no, no, {}

    def close(self) -> None:
        pass
