"""Keepers light lanterns in turn (AEC): there is an ``env`` in the module, and no ``parallel_env``."""

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv


class Lanterns(AECEnv):
    """The keeper whose turn it is gets its action as reward; over after six turns."""

    metadata = {"name": "lanterns_v0", "is_parallelizable": False}  # noqa: RUF012

    def __init__(self, brightness=1.0):
        super().__init__()
        self.possible_agents = ["north", "south"]
        self.brightness, self.render_mode = brightness, None

    def observation_space(self, agent):
        return spaces.Box(0, 10, (1,), np.float32)

    def action_space(self, agent):
        return spaces.Discrete(3)

    def observe(self, agent):
        return np.full(1, self.turn, np.float32)

    def reset(self, seed=None, options=None):
        self.agents, self.turn = list(self.possible_agents), 0
        self.rewards = self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {a: {} for a in self.agents}
        self.agent_selection = "north"

    def step(self, action):
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        self.rewards = dict.fromkeys(self.agents, 0.0) | {agent: self.brightness * action}
        self.turn += 1
        self.agent_selection = self.possible_agents[self.turn % 2]
        self.terminations = dict.fromkeys(self.agents, self.turn >= 6)


def env(brightness=1.0):
    return Lanterns(brightness)
