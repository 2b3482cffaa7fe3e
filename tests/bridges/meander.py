"""A Gymnasium environment whose episodes differ in length, by the seed, and pay the number of the action."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Meander(gymnasium.Env):
    """Ends after 1 to 8 steps; the observation says how many are left."""

    observation_space = spaces.Box(0, 8, (1,), np.float32)
    action_space = spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.left = 1 + (seed or 0) % 8
        return np.array([self.left], np.float32), {}

    def step(self, action: int) -> Any:
        self.left -= 1
        return np.array([self.left], np.float32), float(action), self.left == 0, False, {}
