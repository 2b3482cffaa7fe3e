"""Jumanji's games for a team as ours: ``jumanji:LevelBasedForaging-v0``, ``jumanji:Connector-v3`` ...

None of Jumanji's wrappers is used: they reset by themselves. Its time steps tell the end of the task and that
of the clock differently in each game (the robot warehouse calls both a termination), so each game gets one
step more than its limit and the clock is counted here: whatever ends before it is a termination.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from qflock.bridges import _arrays, _options
from qflock.bridges._jumanji_games import GAMES, Game
from qflock.core.errors import UserError, unknown
from qflock.core.spec import Box, Choices, Spec
from qflock.core.steps import Actions, TimeStep

EXTRA = "envs"


class State(NamedTuple):
    """Jumanji's state, whose own key drives chance, and the steps taken."""

    inner: Any
    step: Int[Array, ""]


class Bridged:
    """A game of Jumanji's; `environment_class` makes the class of each name."""

    Config: ClassVar[type]
    State = State
    target: ClassVar[str]
    game: ClassVar[Game]

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config
        settings = _options.values(self.config)
        limit = settings["time_limit"]
        if limit < 1:
            raise UserError(f"jumanji:{self.target}: time_limit is {limit}; it must be at least 1")
        try:
            self.inner = self.game.make(settings, limit + 1)
        except (AssertionError, ValueError, TypeError) as problem:
            reason = " ".join(str(problem).split())
            raise UserError(f"jumanji:{self.target} refuses its settings: {reason}") from problem
        seen = jax.eval_shape(self.inner.reset, jax.random.key(0))[1].observation
        views = jax.eval_shape(lambda x: self.game.observe(self.inner, x), seen)
        state = jax.eval_shape(lambda x: self.game.state(self.inner, x), views)
        names = self.game.actions
        self.action = names if isinstance(names, Box) else Choices(seen.action_mask.shape[-1], names)
        self.spec = Spec(
            name=f"jumanji:{self.target}",
            agents=views.shape[0],
            action=self.action,
            observation=views.shape[1],
            state=state.shape[0],
            horizon=limit,
            return_range=self.game.returns(settings),
            shared_reward=self.game.shared,
            **self.game.about(self.inner, settings),
        )

    def __reduce__(self) -> Any:
        return _options.again, (self.spec.name, _options.values(self.config))

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """A fresh episode."""
        inner, shown = self.inner.reset(key)
        inner = _arrays.typed(inner)
        return State(inner, jnp.int32(0)), self._timestep(inner, shown, jnp.bool_(False), jnp.bool_(False))

    def step(self, key: PRNGKeyArray, state: State, actions: Actions) -> tuple[State, TimeStep]:
        """One joint action. ``key`` is not used: the state has its own.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``, or ``(A, size)`` of a Box.
        """
        del key
        if isinstance(self.action, Box):
            actions = jnp.clip(actions, jnp.array(self.action.low), jnp.array(self.action.high))
        inner, shown = self.inner.step(state.inner, actions)
        count = state.step + 1
        terminated = shown.last()
        truncated = (count >= self.spec.horizon) & ~terminated
        return State(inner, count), self._timestep(inner, shown, terminated, truncated)

    def _legal(self, seen: Any) -> Bool[Array, "A U"]:
        if isinstance(self.action, Box):
            return jnp.ones((self.spec.agents, 0), bool)
        return _arrays.at_least_one(seen.action_mask.astype(bool))

    def _timestep(self, inner: Any, shown: Any, terminated: Array, truncated: Array) -> TimeStep:
        views = self.game.observe(self.inner, shown.observation)
        return TimeStep(
            observation=views,
            state=self.game.state(self.inner, views),
            legal=self._legal(shown.observation),
            active=jnp.ones(self.spec.agents, bool),
            reward=jnp.broadcast_to(shown.reward, (self.spec.agents,)).astype(jnp.float32),
            terminated=terminated,
            truncated=truncated,
            measures=self.game.measures(self.inner, inner),
        )


@functools.cache
def environment_class(target: str) -> type:
    """The class behind ``jumanji:<target>``.

    Raises:
        UserError: Jumanji is not installed, or the name is no game for a team.
    """
    _options.library("jumanji", EXTRA)
    if target not in GAMES:
        raise unknown("Jumanji game for a team", target, GAMES)
    config = _options.config_class(f"jumanji:{target}", GAMES[target].options)
    body = {"__doc__": f"Jumanji's {target}.", "Config": config, "target": target, "game": GAMES[target]}
    return type("Environment", (Bridged,), body)
