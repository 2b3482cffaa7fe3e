"""Constructors as they are published: needed arguments, a mapping, a list, None for no limit."""

import enum
from typing import Any, Dict, List, Literal, Optional  # noqa: UP035

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv


class Stone(enum.Enum):
    SLATE = 1
    CHALK = 2


class Quarry(ParallelEnv):
    metadata = {"name": "quarry_v0"}  # noqa: RUF012

    def __init__(
        self,
        n_miners,
        depth: int,
        tool: Literal["pick", "drill"],
        plan: Any = None,
        config: Optional[Dict[str, int]] = None,  # noqa: UP006, UP045
        shifts=[1, 2],  # noqa: B006
        stone=Stone.SLATE,
        max_cycles: Optional[int] = None,  # noqa: UP045
        name="quarry",
    ):
        self.possible_agents = [f"miner_{i}" for i in range(n_miners)]
        self.depth, self.tool, self.shifts = depth, tool, list(shifts)
        self.width = (config or {}).get("width", 3)
        self.limit = max_cycles or 7

    def observation_space(self, agent):
        return spaces.Box(0, 100, (self.width,), np.float32)

    def action_space(self, agent):
        return spaces.Discrete(self.depth)

    def _see(self):
        return {a: np.full(self.width, self.time, np.float32) for a in self.agents}

    def reset(self, seed=None, options=None):
        self.agents, self.time = list(self.possible_agents), 0
        return self._see(), {a: {} for a in self.agents}

    def step(self, actions):
        self.time += 1
        here, over = self.agents, self.time >= self.limit
        seen = self._see()
        self.agents = [] if over else here
        flags = dict.fromkeys(here, False), dict.fromkeys(here, over)
        return seen, dict.fromkeys(here, 1.0), *flags, {a: {} for a in here}


class Mine(Quarry):
    """Needs a list of a type, and something that no option can hold."""

    def __init__(self, sizes: List[int], ore: Stone, width: int = 2):  # noqa: UP006
        super().__init__(len(sizes), sizes[0], "pick", config={"width": width})
        self.ore = ore


parallel_env = Quarry
