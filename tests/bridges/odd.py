"""A PettingZoo module and Gymnasium environments that do by the book what no argument changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

PAIR = spaces.Box(-9, 9, (2,), np.float32)


class parallel_env:
    """Two agents, three steps of reward 1, then a termination.

    Args:
        view: the space of observations; `see` gives one, else it is sampled.
        step, reset: change what ``step`` and ``reset`` return.
        world: gives the state; its space is that of the first one, as large as any number.
    """

    possible_agents = ("ash", "elm")

    def __init__(
        self,
        view: spaces.Space = PAIR,
        see: Callable[[int], Any] | None = None,
        step: Callable[..., Any] | None = None,
        reset: Callable[..., Any] | None = None,
        world: Callable[[int], Any] | None = None,
        choices: int = 2,
    ) -> None:
        self._view, self._see, self._step, self._reset = view, see, step, reset
        self._choices = choices
        self._view.seed(0)
        if world is not None:
            first = np.asarray(world(0))
            self.state_space = spaces.Box(-(2**40), 2**40, first.shape, first.dtype.type)
            self.state = lambda: world(self.steps)

    def observation_space(self, agent: str) -> spaces.Space:
        return self._view

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(self._choices)

    def _seen(self) -> dict[str, Any]:
        see = self._see or (lambda step: self._view.sample())
        return {agent: see(self.steps) for agent in self.possible_agents}

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.steps, self.agents = 0, list(self.possible_agents)
        answer = self._seen(), {agent: {} for agent in self.agents}
        return self._reset(*answer) if self._reset else answer

    def step(self, actions: dict[str, Any]) -> Any:
        self.steps += 1
        live, over = self.agents, self.steps == 3
        self.agents = [] if over else live
        flags, none = dict.fromkeys(live, over), dict.fromkeys(live, False)
        answer = self._seen(), dict.fromkeys(live, 1.0), flags, none, {agent: {} for agent in live}
        return self._step(*answer) if self._step else answer

    def close(self) -> None:
        pass


class Team(gymnasium.Env):
    """A Gymnasium environment: of one agent or, with a Tuple of actions, of a team.

    Args:
        view, acts: its spaces.
        see: what it shows after so many steps, else a sample.
        answer: changes ``(observation, reward, terminated, truncated, info)``.
        info: what is told beside each observation.
    """

    def __init__(
        self,
        view: Any = PAIR,
        acts: Any = None,
        see: Callable[[int], Any] | None = None,
        answer: Callable[..., Any] | None = None,
        info: Any = None,
        pay: Any = 1.0,
    ) -> None:
        self.observation_space, self.action_space = view, acts or spaces.Discrete(2)
        self._see, self._answer, self._info, self._pay = see, answer, info, pay
        self.acted: list[Any] = []

    def _seen(self) -> Any:
        return self._see(self.steps) if self._see else self.observation_space.sample()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.steps = 0
        return self._seen(), {} if self._info is None else self._info

    def step(self, action: Any) -> Any:
        self.steps += 1
        self.acted.append(action)
        answer = self._seen(), self._pay, self.steps == 4, False, {} if self._info is None else self._info
        return self._answer(*answer) if self._answer else answer
