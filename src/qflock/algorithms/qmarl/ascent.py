"""What samplers must beat: gradient ascent on the same J by Adam, exact or by simultaneous perturbation."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.algorithms.qmarl.problem import Density, Problem, Sampler, none, objective
from qflock.core.steps import Metrics
from qflock.learning import groups
from qflock.search import blocks


class Climbers(NamedTuple):
    """Attributes:
    theta: C policies, ``(C, D)``.
    score: theirs.
    adam: the optimiser's state, leaves ``(C, ...)``.
    key: of the scenarios, the same for the whole run.
    """

    theta: Float[Array, "C D"]
    score: Float[Array, "C"]
    adam: Any
    key: PRNGKeyArray


class Slope(Protocol):
    """A gradient of J, or an estimate of it."""

    def __call__(self, value: Density, theta: Float[Array, "D"], key: PRNGKeyArray, /) -> Float[Array, "D"]:
        """The gradient.

        Args:
            value: J.
            theta: where, ``(D,)``.
            key: of what is drawn.
        """
        ...


def adam(problem: Problem) -> Sampler:
    """The sampler ``adam``: one sweep is ``sweep`` steps along the exact gradient."""
    return _climbing(problem, lambda value, theta, key: jax.grad(value)(theta), 1)


def spsa(problem: Problem) -> Sampler:
    """The sampler ``spsa``: steps along a difference to both sides in a random direction (Spall 1992)."""
    far = problem.config.sigma_proposal

    def slope(value: Density, theta: Float[Array, "D"], key: PRNGKeyArray) -> Float[Array, "D"]:
        way = jax.random.rademacher(key, theta.shape, jnp.float32)
        return way * (value(theta + far * way) - value(theta - far * way)) / (2 * far)

    return _climbing(problem, slope, 2)


def _rates(problem: Problem) -> float | Float[Array, "D"]:
    """Adam's step size, or that of each coordinate where groups of weights have their own."""
    config, shape = problem.config, problem.shape
    rates = groups.rates(config, config.search_lr)
    if len(set(rates.values())) == 1:
        return config.search_lr
    weights = shape.unravel(jnp.zeros(shape.size))
    groups.refuse_missing(config, weights)
    of = lambda leaf, group: jnp.full(leaf.shape, rates[group])
    return shape.ravel(jax.tree.map(of, weights, groups.labels(weights)))


def _climbing(problem: Problem, slope: Slope, scorings: int) -> Sampler:
    """Policies that climb side by side, with so many scorings in a step of each."""
    config, shape = problem.config, problem.shape
    optimiser = optax.adam(_rates(problem))  # pyright: ignore[reportArgumentType]

    def score(theta: Float[Array, "C D"], key: PRNGKeyArray) -> Float[Array, "C"]:
        return jax.vmap(objective(problem, key))(theta)

    def start(theta: Float[Array, "C D"], key: PRNGKeyArray, again: bool) -> Climbers:
        return Climbers(theta, score(theta, key), jax.vmap(optimiser.init)(theta), key)

    def sweep(s: Climbers, key: PRNGKeyArray) -> tuple[Climbers, Metrics, Array, Array]:
        value = objective(problem, s.key)

        def one(theta: Array, state: Any, key: PRNGKeyArray) -> tuple[Array, Any]:
            change, state = optimiser.update(-slope(value, theta, key), state)
            return blocks.wrap(shape, jnp.asarray(optax.apply_updates(theta, change))), state

        def step(carry: tuple[Array, Any], key: PRNGKeyArray) -> tuple[tuple[Array, Any], None]:
            return jax.vmap(one)(*carry, jax.random.split(key, config.n_chains)), None

        (theta, state), _ = jax.lax.scan(step, (s.theta, s.adam), jax.random.split(key, config.sweep))
        metrics = {"acceptance": none(), "sigma": jnp.float32(config.search_lr), "beta": none()}
        no = jnp.bool_(False)
        return Climbers(theta, score(theta, s.key), state, s.key), metrics, no, no

    return Sampler(
        config.n_chains,
        config.n_chains,
        config.n_chains * (scorings * config.sweep + 1),
        start,
        sweep,
        lambda s: s.theta,
        lambda s: (s.theta, s.score),
    )
