"""JaxMARL's environments as ours: ``jaxmarl:MPE_simple_spread_v3``, ``jaxmarl:HeuristicEnemySMAX`` ...

Steps are JaxMARL's ``step_env``, which never resets. Observations are flattened and padded to the longest,
actions to the largest number, with the padding masked; boxes become one as `_boxes` says. The state is the
environment's own world state, what its family says, or all observations behind each other. The clock is
counted here: running out of it truncates, and only what `_jaxmarl_families` says terminates.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from qflock.bridges import (
    _adversaries,
    _arrays,
    _jaxmarl_actions,
    _jaxmarl_families,
    _jaxmarl_pictures,
    _options,
)
from qflock.bridges._jaxmarl_families import Family, Step
from qflock.core.environment import ReferencePolicy
from qflock.core.errors import UserError, unknown
from qflock.core.spec import Choices, Spec
from qflock.core.steps import Actions, TimeStep
from qflock.learning.actions import of as actions_of
from qflock.settings import foreign

EXTRA = "envs"
WORLD = "world_state"


class State(NamedTuple):
    """JaxMARL's state, the steps taken, and who is still in the episode."""

    inner: Any
    step: Int[Array, ""]
    active: Bool[Array, "A"]


class Bridged:
    """A JaxMARL environment; `environment_class` makes the class of each name."""

    Config: ClassVar[type]
    State = State
    target: ClassVar[str]
    family: ClassVar[Family]

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config
        settings = _options.values(self.config)
        self.inner = _make(self.target, self.family, settings)
        self._names = list(self.inner.agents)
        _adversaries.tell(f"jaxmarl:{self.target}", self._names)
        found = {name: self.inner.action_space(name) for name in self._names}
        self.action, self._own = _jaxmarl_actions.of_team(f"jaxmarl:{self.target}", found)
        self._zeros = actions_of(self.action).zeros(len(self._names))
        key = jax.random.key(0)
        views, inner = self._example(key)
        self._state_types = self._types_of_states(key, inner)
        self._dtype = jnp.result_type(*(views[name].dtype for name in self._names))
        self._size = max(views[name].size for name in self._names)
        self._masked = self._has_masks(inner)
        world = jax.eval_shape(self._world, views, inner).size
        self.spec = Spec(
            name=f"jaxmarl:{self.target}",
            agents=len(self._names),
            action=self.action,
            observation=self._size,
            state=world,
            horizon=int(self.family.horizon(self.inner, settings)),
            return_range=self.family.returns(self.inner, settings),
            shared_reward=self.family.shared(settings),
        )

    def _example(self, key: PRNGKeyArray) -> tuple[dict[str, Any], Any]:
        """Shapes and types of what a reset shows, and of the state.

        Raises:
            UserError: it shows its agents no arrays by their names.
        """
        try:
            views, inner = jax.eval_shape(self.inner.reset, key)
        except Exception as problem:
            raise UserError(
                f"jaxmarl:{self.target} fails at its reset: {foreign.words(problem)}"
            ) from problem
        shown = views if isinstance(views, Mapping) else {}
        if not all(isinstance(shown.get(name), jax.ShapeDtypeStruct) for name in self._names):
            raise UserError(
                f"jaxmarl:{self.target} shows its agents no dictionary of one array each, by their names, as "
                "this bridge reads it"
            )
        return dict(shown), inner

    def __reduce__(self) -> Any:
        return _options.again, (self.spec.name, _options.values(self.config))

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """A fresh episode."""
        views, inner = self.inner.reset(key)
        inner = self._typed(inner)
        state = State(inner, jnp.int32(0), jnp.ones(self.spec.agents, bool))
        no = jnp.bool_(False)
        measures = self.family.measures(self.inner, None)
        return state, self._timestep(views, state, jnp.zeros(self.spec.agents), no, no, measures)

    def step(self, key: PRNGKeyArray, state: State, actions: Actions) -> tuple[State, TimeStep]:
        """One joint action; a padded choice counts as the agent's last own one.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``, or ``(A, size)`` of a Box.
        """
        views, inner, rewards, dones, _ = self.inner.step_env(key, state.inner, self._chosen(actions))
        inner, count = self._typed(inner), state.step + 1
        outcome = Step(inner, dones["__all__"], count >= self.spec.horizon)
        terminated = jnp.bool_(self.family.terminated(self.inner, outcome))
        out = jnp.stack([jnp.bool_(dones[name]) for name in self._names])
        after = State(inner, count, state.active & (~out | dones["__all__"]))
        truncated = outcome.last & ~terminated
        reward = jnp.stack([jnp.asarray(rewards[name], jnp.float32) for name in self._names])
        measures = self.family.measures(self.inner, outcome)
        return after, self._timestep(views, after, reward, terminated, truncated, measures)

    def _chosen(self, actions: Actions) -> dict[str, Array]:
        """Actions by agent, as JaxMARL wants them."""
        return {
            name: own(actions[i]) for i, (name, own) in enumerate(zip(self._names, self._own, strict=True))
        }

    def references(self) -> dict[str, ReferencePolicy]:
        """The family's oracle, where it has one."""
        best = self.family.oracle
        return {} if best is None else {"oracle": lambda key, state, now: best(self.inner, state.inner)}

    def _timestep(
        self, views: dict, state: State, reward: Array, terminated: Array, truncated: Array, measures: dict
    ) -> TimeStep:
        own = [views[name] for name in self._names]
        return TimeStep(
            observation=_arrays.padded(own, self._size, self._dtype),
            state=self._world(views, state.inner),
            legal=self._legal(state.inner),
            active=state.active,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            measures=measures,
        )

    def _world(self, views: dict, inner: Any) -> Array:
        if WORLD in views:
            return jnp.ravel(views[WORLD])
        if self.family.world is not None:
            return self.family.world(self.inner, inner)
        return _arrays.joined([views[name] for name in self._names], self._dtype)

    def _legal(self, inner: Any) -> Bool[Array, "A U"]:
        if self.family.legal is not None:
            return self.family.legal(self.inner, inner)
        if not isinstance(self.action, Choices):
            return jnp.ones((len(self._names), 0), bool)
        if not self._masked:
            counts = [self.inner.action_space(name).n for name in self._names]
            return jnp.arange(self.action.count) < jnp.array(counts)[:, None]
        masks = getattr(self.inner, self._masked)(inner)
        return _arrays.at_least_one(
            _arrays.padded([masks[name] for name in self._names], self.action.count, bool)
        )

    def _has_masks(self, inner: Any) -> str:
        """The name of the function that tells legal actions; empty where there is none."""
        for name in ("get_legal_moves", "get_avail_actions"):
            try:
                jax.eval_shape(getattr(self.inner, name), inner)
                return name
            except (AttributeError, NotImplementedError):
                continue
        return ""

    def _types_of_states(self, key: PRNGKeyArray, inner: Any) -> Any:
        """One type for each part of the state: resets and steps of some environments differ."""
        chosen = self._chosen(self._zeros)
        after = jax.eval_shape(lambda: self.inner.step_env(key, self.inner.reset(key)[1], chosen)[1])
        return jax.tree.map(lambda a, b: jnp.result_type(a.dtype, b.dtype), inner, after)

    def _typed(self, inner: Any) -> Any:
        return jax.tree.map(lambda x, dtype: jnp.asarray(x, dtype), inner, self._state_types)


@functools.cache
def environment_class(target: str) -> type:
    """The class behind ``jaxmarl:<target>``.

    Raises:
        UserError: JaxMARL is not installed, or has no such environment.
    """
    library = _library()
    if target not in library.registered_envs:
        raise unknown("JaxMARL environment", target, library.registered_envs)
    family, maker = _jaxmarl_families.of(target), _maker(target)
    parameters = inspect.signature(maker).parameters
    _refuse_objects(target, parameters)
    kinds = _jaxmarl_actions.kinds(parameters)
    leave_out = (*family.leave_out, *kinds)
    own: dict[str, _options.Option] = {}
    for further in (maker, getattr(library.environments, family.inherits, None)):
        if further is not None:
            own = {**_options.of_constructor(further, leave_out, "JaxMARL"), **own}
    options = {**own, **kinds, **(family.options if parameters else {})}
    config = _options.config_class(f"jaxmarl:{target}", options)
    body = {"__doc__": f"JaxMARL's {target}.", "Config": config, "target": target, "family": family}
    body |= _jaxmarl_pictures.methods(target)
    return type("Environment", (Bridged,), body)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """JaxMARL prints when it is imported, and warns when an environment is made.

    Its print is silenced by name: a package that it imports puts the standard output back.
    """
    with mock.patch("builtins.print"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _library() -> Any:
    with _hushed():
        return _options.library("jaxmarl", EXTRA)


class _Called(Exception):
    """JaxMARL calls what makes an environment; the only argument is that."""


def _maker(target: str) -> Any:
    """The class or function that makes an environment: the registry is code, so it is run up to the call.

    Raises:
        UserError: the name is registered, but nothing that is installed makes it.
    """
    registration: Any = importlib.import_module("jaxmarl.registration")

    def stop(maker: Any) -> Any:
        def call(**settings: Any) -> Any:
            raise _Called(maker)

        return call

    own = {name: thing for name, thing in vars(registration).items() if name[0] != "_" and callable(thing)}
    with mock.patch.dict(vars(registration), {name: stop(thing) for name, thing in own.items()}):
        try:
            own["make"](target)
        except _Called as called:
            return called.args[0]
        except Exception as problem:
            reason = " ".join(str(problem).split())
            raise UserError(f"jaxmarl:{target} cannot be made by this JaxMARL: {reason}") from problem
    raise UserError(f"jaxmarl:{target} is registered by this JaxMARL, which makes nothing of that name")


def _refuse_objects(target: str, parameters: Mapping[str, inspect.Parameter]) -> None:
    """Refuse a constructor that cannot be called with settings alone."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    needed = [n for n, p in parameters.items() if p.default is inspect.Parameter.empty and p.kind in kinds]
    if needed:
        what = f"jaxmarl:{target} needs {' and '.join(needed)}"
        raise UserError(f"{what}, Python objects that no setting can hold")


def _make(target: str, family: Family, settings: dict[str, Any]) -> Any:
    library = _library()
    arguments = family.arguments(library, dict(settings))
    try:
        with _hushed():
            return library.make(target, **arguments)
    except Exception as problem:
        raise UserError(
            f"jaxmarl:{target} refuses its settings: {' '.join(str(problem).split())}"
        ) from problem
