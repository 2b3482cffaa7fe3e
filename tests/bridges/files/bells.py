"""A module that registers Gymnasium environments when it is imported, in two versions."""

import gymnasium
import numpy as np
from gymnasium import spaces


class Bell(gymnasium.Env):
    def __init__(self, loudness, tower, max_steps=12, notes=("c", "d")):
        self.observation_space, self.action_space = spaces.Box(0, 100, (1,), np.float32), spaces.Discrete(2)
        self.max_steps, self.loudness = max_steps, loudness

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.time += 1
        seen = np.full(1, self.time, np.float32)
        return seen, self.loudness * float(action), False, self.time >= self.max_steps, {}


gymnasium.register("Bell-v2", entry_point=Bell, kwargs={"loudness": 1, "tower": None})
gymnasium.register("Bell-v3", entry_point="bells:Bell", kwargs={"loudness": 2, "tower": None, "max_steps": 9})
gymnasium.register("Tower/Bell-v0", entry_point=lambda: Bell(3, "old"), max_episode_steps=5)
gymnasium.register("Short-v1", entry_point=Bell, kwargs={"loudness": 1, "tower": 0}, max_episode_steps=5)
