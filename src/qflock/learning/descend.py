"""Gradient steps, on one device or on several that share a batch: no learner knows which.

A loss is a cost and metrics, both made of `masked_mean`s over the batch. Where devices share it, each has a
part: `masked_mean` divides by the count of the whole batch, and the parts are added up with the gradients, in
one exchange.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.steps import Metrics
from qflock.learning import perturbation
from qflock.learning.optimiser import Optimiser
from qflock.machine import mesh
from qflock.quantum import conditions
from qflock.quantum.circuit import among


class Loss(Protocol):
    """What is minimised, and metrics."""

    def __call__(self, weights: Any, constants: Any, batch: Any, /) -> tuple[Float[Array, ""], Metrics]:
        """Cost and metrics of (a part of) a batch.

        Args:
            weights: what is trained.
            constants: what is not, the same for the whole batch.
            batch: any pytree; every leaf has the axis along which devices share it.

        Returns:
            Both linear in `masked_mean`s over the batch.
        """
        ...


class Step(Protocol):
    """One gradient step: new weights, the optimiser's new state, and the metrics before the step."""

    def __call__(
        self, weights: Any, state: Any, constants: Any, batch: Any, env_steps: Int[Array, ""], /
    ) -> tuple[Any, Any, Metrics]:
        """One step on one batch.

        Args:
            weights: what is trained.
            state: the optimiser's.
            constants: see `Loss`.
            batch: see `Loss`.
            env_steps: environment steps so far, on which the step size depends; scalar.
        """
        ...


class Descent(NamedTuple):
    """Attributes: ``init(weights) -> state`` of the optimiser; ``step``."""

    init: Any
    step: Step


def descend(loss: Loss, optimiser: Optimiser, axes: Any = 0) -> Descent:
    """Descend a loss.

    Args:
        loss: cost and metrics of a batch.
        optimiser: turns gradients into steps.
        axes: the axis along which devices share the batch, of each leaf, or of all leaves of a branch.

    Circuits whose training is measured draw anew in every step, see `quantum.conditions`; where it asks for
    that, the gradient of weights with circuits among them is an estimate by simultaneous perturbation.
    """
    gradient_of = mesh.gradient(loss, axes)

    def step(
        weights: Any, state: Any, constants: Any, batch: Any, env_steps: Int[Array, ""]
    ) -> tuple[Any, Any, Metrics]:
        with conditions.step(lambda: _number(state)) as how:
            if how is not None and how.spsa_step and among(weights):
                value = lambda weights: loss(weights, constants, batch)
                gradient, metrics = perturbation.gradient(value, weights, conditions.key(), how.spsa_step)
            else:
                gradient, metrics = gradient_of(weights, constants, batch)
        weights, state = optimiser.step(gradient, state, weights, env_steps)
        return weights, state, metrics

    return Descent(optimiser.init, step)


def _number(state: Any) -> Int[Array, ""]:
    """A number that grows with every step of an optimiser: the sum of what its parts count."""
    counts = [x.sum() for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.integer)]
    return jnp.asarray(sum(counts), jnp.int32)


class GradientStep(Protocol):
    """One gradient step of a learner with replay."""

    def __call__(self, learnt: Any, key: PRNGKeyArray, /) -> tuple[Any, Metrics]:
        """What is learnt after it, and its metrics.

        Args:
            learnt: weights and whatever else moves with them.
            key: of this step's randomness.
        """
        ...


def steps_once(
    ready: Bool[Array, ""], step: GradientStep, learnt: Any, keys: PRNGKeyArray
) -> tuple[Any, Metrics]:
    """Gradient steps one after another, which change nothing before a learner is ready.

    Args:
        ready: whether replay is filled enough.
        step: one of them.
        learnt: as it takes it.
        keys: of each step, ``(G,)``.

    Returns:
        What is learnt, and the metrics' means over the steps; NaN where nothing was learnt.
    """

    def one(learnt: Any, key: PRNGKeyArray) -> tuple[Any, Metrics]:
        changed, metrics = step(learnt, key)
        return jax.tree.map(lambda new, old: jnp.where(ready, new, old), changed, learnt), metrics

    learnt, metrics = jax.lax.scan(one, learnt, keys)
    return learnt, jax.tree.map(lambda x: jnp.where(ready, x.mean(), jnp.nan), metrics)


def masked_mean(x: Float[Array, "*X"], mask: Array, axis: Any = None) -> Float[Array, "*Y"]:
    """Mean over the entries of mask 1 (or True) of the whole batch; 0 where there are none.

    Args:
        x: numbers; those of mask 0 may be anything.
        mask: 0 or 1, of the same shape.
        axis: axes to average over, among them the batch's; all by default.
    """
    count = mesh.total(mask.sum(axis))
    return jnp.where(mask > 0, x * mask, 0.0).sum(axis) / jnp.maximum(count, 1)


def epochs(key: jax.Array, num_envs: int, epochs: int, minibatches: int) -> Int[Array, "G N"]:
    """Which environments' rows each gradient step learns from: each once in an epoch, in a new order.

    Args:
        key: of the orders.
        num_envs: how many environments the rows are of.
        epochs: passes over all rows.
        minibatches: gradient steps of a pass; they divide ``num_envs``.

    Returns:
        Indices, ``(epochs * minibatches, num_envs // minibatches)``.
    """
    orders = jax.vmap(lambda k: jax.random.permutation(k, num_envs))(jax.random.split(key, epochs))
    return orders.reshape(epochs * minibatches, num_envs // minibatches)
