"""Our environments as PettingZoo's: a ``ParallelEnv`` for any learner that speaks that language."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import jax
import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from qflock.bridges import _options
from qflock.bridges._episodes import OnHost, Pure
from qflock.bridges.host.workers import HostEnvironment
from qflock.core.environment import Drawable, Environment
from qflock.core.errors import UserError
from qflock.core.spec import Box, Choices
from qflock.core.steps import TimeStep
from qflock.learning.actions import of
from qflock.settings import foreign


class AsPettingZoo(ParallelEnv):
    """One copy of an environment of ours, agents named ``agent_0`` ...

    Legal choices are in ``infos[agent]["action_mask"]``, the task's measures beside it. Where all agents are
    paid the same team reward, each gets all of it. Agents that leave early are terminated, or truncated
    where their own clock ran out. It can be pickled, in the middle of an episode too; one of PettingZoo's or
    Gymnasium's own then has to be reset.

    Args:
        env: an environment of ours.
        render_mode: "rgb_array" or "human" (a Matplotlib window), for environments that can be drawn.

    Raises:
        UserError: an unknown render mode, or one for an environment that cannot be drawn.
    """

    def __init__(self, env: Environment, render_mode: str | None = None) -> None:
        spec = env.spec
        self.environment = env
        modes = ["human", "rgb_array"] if isinstance(env, Drawable) else []
        if render_mode is not None and render_mode not in modes:
            there = ", ".join(modes) or f"{spec.name} cannot be drawn"
            raise UserError(f"no render mode {render_mode!r}; there are: {there}")
        self.render_mode = render_mode
        self.metadata = {"name": spec.name, "render_modes": modes, "is_parallelizable": True, "render_fps": 8}
        self.possible_agents = [f"agent_{i}" for i in range(spec.agents)]
        self.agents: list[str] = []
        self._episodes: Pure | OnHost = OnHost(env) if isinstance(env, HostEnvironment) else Pure(env)
        shown = jax.eval_shape(env.reset, jax.random.key(0))[1]
        self.observation_spaces = {
            a: _box(spec.observation, shown.observation.dtype) for a in self.possible_agents
        }
        self.action_spaces = {a: _action_space(spec.action) for a in self.possible_agents}
        self._idle = np.asarray(_idle(spec.action))
        self.state_space = _box(spec.state, shown.state.dtype)
        self._key: Any = None
        self._window: Any = None

    def observation_space(self, agent: str) -> spaces.Space:
        """The space of one agent's observations; always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space:
        """The space of one agent's actions; always the same object."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """A fresh episode. Without a seed it follows from the one before; ``options`` are not used.

        Args:
            seed: a whole number.
            options: not used.

        Returns:
            Observations and infos by agent.
        """
        if seed is not None:
            self._key = jax.random.key(seed)
        elif self._key is None:
            self._key = jax.random.key(np.random.SeedSequence().generate_state(1)[0])
        self._key, key = jax.random.split(self._key)
        self._now = self._episodes.reset(key)
        self.agents = [a for a, there in zip(self.possible_agents, self._now.active, strict=True) if there]
        return self._observations(self.agents), self._infos(self.agents)

    def step(self, actions: dict[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
        """One joint action; agents that are not named take choice 0, or the middle of a Box."""
        if not self.agents:
            return {}, {}, {}, {}, {}
        chosen = [np.asarray(actions.get(agent, self._idle)) for agent in self.possible_agents]
        self._key, key = jax.random.split(self._key)
        self._now = now = self._episodes.step(key, np.stack(chosen).astype(self._idle.dtype))
        there = dict(zip(self.possible_agents, now.active.tolist(), strict=True))
        live, over = self.agents, bool(now.terminated | now.truncated)
        alone = now.truncated_alone
        cut = dict(
            zip(self.possible_agents, np.zeros(len(there), bool) if alone is None else alone, strict=True)
        )
        truncated = {a: bool(now.truncated or cut[a]) for a in live}
        terminated = {a: bool(now.terminated) or not (there[a] or truncated[a]) for a in live}
        rewards = {a: float(now.reward[self.possible_agents.index(a)]) for a in live}
        self.agents = [] if over else [a for a in self.possible_agents if there[a]]
        shown = [*live, *(a for a in self.agents if a not in live)]
        if self.render_mode == "human":
            self.render()
        return self._observations(shown), rewards, terminated, truncated, self._infos(shown)

    def state(self) -> np.ndarray:
        """What a centralised critic or mixer may see."""
        return np.asarray(self._now.state)

    def render(self) -> np.ndarray | None:
        """A picture, or None where it goes to a window.

        Raises:
            UserError: the environment was made without a render mode.
        """
        if self.render_mode is None:
            raise UserError("nothing to render: make it with render_mode='rgb_array' or 'human'")
        assert isinstance(self.environment, Drawable)
        picture = self.environment.draw(self._episodes.state)
        if self.render_mode == "rgb_array":
            return picture
        self._show(picture)
        return None

    def close(self) -> None:
        """Close the window, if there is one, and what a host environment holds."""
        self._episodes.close()
        if self._window is not None:
            import matplotlib.pyplot as plt

            plt.close(self._window)
            self._window = None

    def __reduce__(self) -> Any:
        """As PettingZoo's ``EzPickle``, an environment is made again where it is unpickled; then goes on."""
        kept = {name: value for name, value in vars(self).items() if name in KEPT}
        kept["_key"] = None if self._key is None else np.asarray(jax.random.key_data(self._key))
        here = isinstance(self._episodes, Pure)
        state = self._episodes.state
        return _again, (type(self), _recipe(self.environment), self.render_mode), (kept, here, state)

    def __setstate__(self, content: tuple[dict[str, Any], bool, Any]) -> None:
        kept, here, state = content
        vars(self).update(kept)
        self._key = None if kept["_key"] is None else jax.random.wrap_key_data(kept["_key"])
        if here:
            self._episodes.state = state
        else:
            self.agents = []

    def _show(self, picture: np.ndarray) -> None:
        import matplotlib.pyplot as plt

        if self._window is None:
            self._window = plt.figure(self.environment.spec.name, frameon=False)
        self._window.clear()
        axes = self._window.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.imshow(picture)
        self._window.canvas.draw_idle()
        self._window.canvas.flush_events()

    def _observations(self, agents: list[str]) -> dict[str, np.ndarray]:
        seen = np.asarray(self._now.observation)
        return {a: seen[self.possible_agents.index(a)] for a in agents}

    def _infos(self, agents: list[str]) -> dict[str, dict[str, Any]]:
        now: TimeStep = self._now
        measures = {name: float(x) for name, x in now.measures.items()}
        if not self.environment.spec.masked:
            return {a: dict(measures) for a in agents}
        legal = np.asarray(now.legal, np.int8)
        return {a: {"action_mask": legal[self.possible_agents.index(a)], **measures} for a in agents}


KEPT = ("agents", "observation_spaces", "action_spaces", "state_space", "_now")
"""What is pickled beside the recipe: the episode, and the spaces, which draw by a generator of their own."""


def _recipe(env: Environment) -> Any:
    """An environment as it is pickled; of a class in a user's file, the file's name and the settings."""
    kind = type(env)
    if kind.__module__ not in foreign.GIVEN:
        return env
    settings = getattr(env, "config", None)
    name = f"{sys.modules[kind.__module__].__file__}:{kind.__qualname__}"
    return name, _options.values(settings) if dataclasses.is_dataclass(settings) else {}


def _again(kind: type[AsPettingZoo], recipe: Any, render_mode: str | None) -> AsPettingZoo:
    env = _options.again(*recipe) if isinstance(recipe, tuple) else recipe
    return kind(env, render_mode)


def _action_space(action: Choices | Box) -> spaces.Space:
    """One agent's actions as Gymnasium has them."""
    if isinstance(action, Choices):
        return spaces.Discrete(action.count)
    return spaces.Box(np.array(action.low, np.float32), np.array(action.high, np.float32), dtype=np.float32)


def _idle(action: Choices | Box) -> Any:
    """What an agent does that is told nothing."""
    can = of(action)
    return can.zeros() if isinstance(action, Choices) else can.none()


def _box(size: int, dtype: Any) -> spaces.Box:
    """All numbers of a type."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return spaces.Box(-np.inf, np.inf, (size,), dtype.type)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return spaces.Box(low, high, (size,), dtype.type)
