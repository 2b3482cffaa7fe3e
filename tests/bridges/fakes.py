"""A small PettingZoo module and Gymnasium environments whose every step is known."""

from __future__ import annotations

import os
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Walk(gymnasium.Env):
    """Counts: the observation is (episode's first number, steps). Terminates after `ends` steps, if set."""

    def __init__(self, ends: int = 0, fails_at: int = 0, dies_at: int = 0) -> None:
        self.observation_space = spaces.Box(0, 2**31, (2,), np.float64)
        self.action_space = spaces.Discrete(3, start=1)
        self.ends, self.fails_at, self.dies_at = ends, fails_at, dies_at

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.first, self.steps = (seed or 0) % 1000, 0
        return np.array([self.first, 0.0]), {"action_mask": np.array([1, 1, 0])}

    def step(self, action: int) -> Any:
        self.steps += 1
        assert action in (1, 2, 3)
        if self.steps == self.fails_at:
            raise ZeroDivisionError("the floor\nis gone")
        if self.steps == self.dies_at:
            os._exit(3)
        over = self.steps == self.ends
        return np.array([self.first, self.steps]), float(action), over, False, {}


class parallel_env:
    """Two agents of different sizes; b leaves after `leaves` steps; the clock stops a after `max_cycles`."""

    possible_agents = ("a", "b")

    def __init__(self, max_cycles: int = 4, leaves: int = 2, cut: bool = True) -> None:
        self.max_cycles, self.leaves, self.cut = max_cycles, leaves, cut
        self._views = {
            "a": spaces.Box(-1, 1, (3,), np.float32),
            "b": spaces.Dict({"observation": spaces.Discrete(2), "action_mask": spaces.MultiBinary(2)}),
        }
        self._choices = {"a": spaces.Discrete(4), "b": spaces.Discrete(2)}

    def observation_space(self, agent: str) -> spaces.Space:
        return self._views[agent]

    def action_space(self, agent: str) -> spaces.Space:
        return self._choices[agent]

    def _seen(self) -> dict[str, Any]:
        own = {
            "a": np.full(3, self.steps / 10, np.float32),
            "b": {"observation": self.steps % 2, "action_mask": np.array([0, 1])},
        }
        return {agent: own[agent] for agent in self.agents}

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.steps, self.agents = 0, ["a", "b"]
        return self._seen(), {}

    def step(self, actions: dict[str, int]) -> Any:
        assert set(actions) == set(self.agents)
        self.steps += 1
        rewards = {agent: float(actions[agent]) for agent in self.agents}
        seen = self._seen()
        clock = self.steps >= self.max_cycles
        terminations = {
            a: (a == "b" and self.steps >= self.leaves) or (clock and not self.cut) for a in self.agents
        }
        truncations = {a: clock and self.cut and not terminations[a] for a in self.agents}
        self.agents = [a for a in self.agents if not terminations[a] and not truncations[a]]
        return seen, rewards, terminations, truncations, {}

    def close(self) -> None:
        pass
