"""A user's file: one class of PettingZoo's, whose constructor has names that the bridge has a use for too."""

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv


class Orchard(ParallelEnv):
    """Pickers get 1 for each apple; with `shared_reward` each gets what all have picked."""

    metadata = {"name": "orchard_v0"}  # noqa: RUF012

    def __init__(self, max_steps=30, workers=2, worker_count=1, shared_reward=True, state="dry"):
        self.possible_agents = [f"picker_{i}" for i in range(workers)]
        self.max_steps, self.worker_count = max_steps, worker_count
        self.shared_reward, self.weather = shared_reward, state

    def observation_space(self, agent):
        return spaces.Box(0, 1, (2,), np.float32)

    def action_space(self, agent):
        return spaces.Discrete(2)

    def _see(self):
        rain = float(self.weather == "wet")
        return {a: np.array([self.time / self.max_steps, rain], np.float32) for a in self.agents}

    def reset(self, seed=None, options=None):
        self.agents, self.time = list(self.possible_agents), 0
        return self._see(), {a: {} for a in self.agents}

    def step(self, actions):
        self.time += 1
        here, over = self.agents, self.time >= self.max_steps
        seen = self._see()
        own = {a: float(actions[a]) for a in here}
        paid = dict.fromkeys(here, sum(own.values())) if self.shared_reward else own
        self.agents = [] if over else here
        return seen, paid, dict.fromkeys(here, False), dict.fromkeys(here, over), {a: {} for a in here}
