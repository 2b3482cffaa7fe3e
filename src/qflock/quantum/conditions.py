"""What circuits are measured under, and how a training says so to every circuit in it.

A training's circuits are deep inside learners that need not know of them. So conditions hold for all circuits
that are traced while `training` is entered, as a mesh does (`machine.mesh`). The key stays explicit: it is
that of the step that is traced, and every evaluation of every example draws from one of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.quantum import mitigation
from qflock.quantum.noise import NONE, Noise


@dataclass(frozen=True)
class Conditions:
    """What a circuit is measured under.

    Attributes:
        shots: measurements of each evaluation; 0 for exact values.
        noise: Pauli errors.
        trajectories: drawn for each evaluation where there is noise and no device; at most as many as shots.
        device: one of PennyLane's, such as ``default.mixed``; empty for our simulator.
        zero_noise: scales of the noise from whose values those without it are extrapolated, each with as many
            shots; none for values as they are.

    Raises:
        UserError: a number below its least value; scales that extrapolate nothing.
    """

    shots: int = 0
    noise: Noise = NONE
    trajectories: int = 100
    device: str = ""
    zero_noise: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.zero_noise:
            mitigation.richardson(self.zero_noise)
            for scale in self.zero_noise:
                mitigation.amplified(self.noise, scale)
            if not self.noise.probability:
                raise UserError("zero_noise scales the noise that is given: add --noise depolarizing:0.01")
        if self.shots < 0 or self.trajectories < 1:
            raise UserError(
                f"shots is {self.shots} and trajectories {self.trajectories}; give 0 and 1 or more"
            )

    @property
    def measurements(self) -> int:
        """Of an evaluation, all scales of noise together."""
        return self.shots * max(1, len(self.zero_noise))

    @property
    def exact(self) -> bool:
        """Whether values are those of our simulator, without any error."""
        return not (self.shots or self.noise.probability or self.device)


class Training(NamedTuple):
    """How circuits are measured and differentiated in a training.

    Attributes:
        conditions: of every evaluation.
        spsa_step: how far simultaneous perturbation looks; 0 for gradients of circuits themselves.
    """

    conditions: Conditions
    spsa_step: float = 0.0


class _Now(NamedTuple):
    training: Training
    key: PRNGKeyArray
    places: Iterator[int]


_now: ContextVar[_Now | None] = ContextVar("training", default=None)


@contextmanager
def training(how: Training | None, key: PRNGKeyArray) -> Iterator[None]:
    """While it is entered, the circuits that are traced are measured so.

    Args:
        how: None leaves everything as it is.
        key: of all errors and measurements of what is traced.
    """
    if how is None:
        yield
        return
    token = _now.set(_Now(how, key, itertools.count()))
    try:
        yield
    finally:
        _now.reset(token)


@contextmanager
def step(number: Callable[[], Int[Array, ""]]) -> Iterator[Training | None]:
    """One pass of a loop that is traced once: what it draws is its own.

    Args:
        number: of the pass, scalar; asked for where there is a training.
    """
    now = _now.get()
    if now is None:
        yield None
        return
    with training(now.training, jax.random.fold_in(_key(now), number())):
        yield now.training


def current(example: Any) -> tuple[Conditions, PRNGKeyArray] | None:
    """What an evaluation is measured under, and its own key; None for exact values.

    Args:
        example: arrays that have each axis of the examples.
    """
    now = _now.get()
    if now is None or now.training.conditions.exact:
        return None
    return now.training.conditions, _of_example(_key(now), jax.lax.stop_gradient(example))


def key() -> PRNGKeyArray:
    """A key of a place in what is traced, where `step` gave a training."""
    now = _now.get()
    assert now is not None
    return _key(now)


def _key(now: _Now) -> PRNGKeyArray:
    """A key for each place in the traced program."""
    return jax.random.fold_in(now.key, next(now.places))


@jax.custom_batching.custom_vmap
def _of_example(key: PRNGKeyArray, example: Any) -> PRNGKeyArray:
    """The same key; under ``vmap`` another one for each example."""
    return key


@_of_example.def_vmap
def _(size: int, batched: Any, key: PRNGKeyArray, example: Any) -> tuple[PRNGKeyArray, bool]:
    has_key, has_example = batched
    first = jax.tree.map(lambda x, has: x[0] if has else x, example, has_example)
    key = _of_example(key, first)  # for the axes outside of this one
    if has_key:
        return key, True
    flat = key.reshape(-1)
    each = lambda number: jax.vmap(lambda k: jax.random.fold_in(k, number))(flat).reshape(key.shape)
    return jax.vmap(each)(jnp.arange(size)), True
