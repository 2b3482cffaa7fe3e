"""CAMAR's maps as ours: ``camar:random_grid``, ``camar:caves_cont`` ... (Pshenitsyn et al. 2025).

Agents with momentum must each reach a goal without touching what stands around. The clock is counted here:
running out of it truncates, and the episode terminates when all are at their goals.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from qflock.bridges import _arrays, _options
from qflock.bridges._options import Option
from qflock.core.errors import UserError, unknown
from qflock.core.spec import Box, Spec
from qflock.core.steps import Actions, TimeStep

OURS = ("map_generator", "map_kwargs", "dynamic", "dynamic_kwargs", "lifelong")
"""Parameters of CAMAR's ``make_env`` that are no settings here as they are."""
DYNAMIC = Option(
    str, "HolonomicDynamic", "How agents move: HolonomicDynamic, or DiffDriveDynamic for wheels."
)


class State(NamedTuple):
    """CAMAR's state, and the steps taken."""

    inner: Any
    step: Int[Array, ""]


class Bridged:
    """A map of CAMAR's; `environment_class` makes the class of each name."""

    Config: ClassVar[type]
    State = State
    target: ClassVar[str]
    of_map: ClassVar[tuple[str, ...]]

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config
        settings = _options.values(self.config)
        dynamics = _registries().DYNAMIC_REGISTRY
        if settings["dynamic"] not in dynamics:
            raise unknown("CAMAR dynamic", settings["dynamic"], dynamics)
        its_own = {name: settings.pop(name) for name in self.of_map}
        try:
            self.inner = _library().camar_v0(map_generator=self.target, map_kwargs=its_own, **settings)
        except Exception as problem:
            reason = " ".join(str(problem).split())
            raise UserError(f"camar:{self.target} refuses its settings: {reason}") from problem
        agents, numbers, seen = self.inner.num_agents, self.inner.action_size, self.inner.observation_size
        self.spec = Spec(
            name=f"camar:{self.target}",
            agents=agents,
            action=Box(numbers, (-1.0,) * numbers, (1.0,) * numbers),
            observation=seen,
            state=agents * (seen + 4),
            horizon=int(settings["max_steps"]),
            return_range=(-float("inf"), float("inf")),
        )

    def __reduce__(self) -> Any:
        return _options.again, (self.spec.name, _options.values(self.config))

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """A fresh episode."""
        views, inner = self.inner.reset(key)
        state = State(_arrays.typed(inner), jnp.int32(0))
        return state, self._timestep(views, state, jnp.zeros(self.spec.agents), jnp.bool_(False))

    def step(self, key: PRNGKeyArray, state: State, actions: Actions) -> tuple[State, TimeStep]:
        """One joint action.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A, size)``.
        """
        views, inner, reward, _, _ = self.inner.step(key, state.inner, jnp.clip(actions, -1.0, 1.0))
        after = State(inner, state.step + 1)
        return after, self._timestep(views, after, reward.reshape(-1), inner.on_goal.all())

    def _timestep(self, views: Array, state: State, reward: Array, terminated: Array) -> TimeStep:
        inner, agents = state.inner, self.spec.agents
        there = inner.on_goal
        world = (inner.physical_state.agent_pos, inner.goal_pos, views)
        return TimeStep(
            observation=views,
            state=jnp.concatenate([part.reshape(-1) for part in world]),
            legal=jnp.ones((agents, 0), bool),
            active=jnp.ones(agents, bool),
            reward=reward.astype(jnp.float32),
            terminated=terminated,
            truncated=(state.step >= self.spec.horizon) & ~terminated,
            measures={
                "solved": there.all().astype(jnp.float32),
                "arrived": there.mean(dtype=jnp.float32),
                "collided": inner.is_collision.mean(dtype=jnp.float32),
            },
        )


@functools.cache
def environment_class(target: str) -> type:
    """The class behind ``camar:<target>``.

    Raises:
        UserError: CAMAR is not installed, or has no such map.
    """
    library, maps = _library(), _registries().MAP_REGISTRY
    if target not in maps:
        raise unknown("CAMAR map", target, maps)
    of_map = _options.of_constructor(maps[target], owner="CAMAR")
    rest = _options.of_constructor(library.camar_v0, OURS, "CAMAR")
    config = _options.config_class(f"camar:{target}", {**rest, "dynamic": DYNAMIC, **of_map})
    body = {"__doc__": f"CAMAR's {target}.", "Config": config, "target": target, "of_map": tuple(of_map)}
    return type("Environment", (Bridged,), body)


def _library() -> Any:
    return _options.library("camar")


def _registries() -> Any:
    _library()
    return importlib.import_module("camar.registry")
