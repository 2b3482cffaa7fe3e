"""A Beta distribution for each number of a Box (Chou, Maturana & Scherer 2017): nothing lies outside."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.special import betaln, digamma
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.spec import Box
from qflock.learning.actions import Actions
from qflock.learning.heads import bounded

EDGE = 1e-6
"""Shares of the width nearer to a bound count as this near: their density stays finite."""


def build(action: Box) -> Actions:
    """The head of a Box: two shapes for each number, both above 1, so that the density has one peak."""
    box = bounded.box(action)

    def shapes(outputs: Float[Array, "*X F"]) -> tuple[Float[Array, "*X D"], Float[Array, "*X D"]]:
        first, second = jnp.split(1 + jax.nn.softplus(outputs), 2, -1)
        return first, second

    def sample(key: PRNGKeyArray, outputs: Float[Array, "*X F"], legal: Array) -> Float[Array, "*X D"]:
        return box.inside(2 * jax.random.beta(key, *shapes(outputs)) - 1)

    def mode(outputs: Float[Array, "*X F"], legal: Array) -> Float[Array, "*X D"]:
        first, second = shapes(outputs)
        return box.inside(2 * (first - 1) / jnp.maximum(first + second - 2, EDGE) - 1)

    def log_prob(
        outputs: Float[Array, "*X F"], legal: Array, chosen: Float[Array, "*X D"]
    ) -> Float[Array, "*X"]:
        place = jnp.clip((box.unit(chosen) + 1) / 2, EDGE, 1 - EDGE)
        each = jax.scipy.stats.beta.logpdf(place, *shapes(outputs))
        return (each - box.log_width - jnp.log(2.0)).sum(-1)

    def entropy(outputs: Float[Array, "*X F"], legal: Array) -> Float[Array, "*X"]:
        a, b = shapes(outputs)
        each = betaln(a, b) - (a - 1) * digamma(a) - (b - 1) * digamma(b) + (a + b - 2) * digamma(a + b)
        return (each + box.log_width + jnp.log(2.0)).sum(-1)

    def deviation(outputs: Float[Array, "*X F"]) -> Float[Array, "*X D"]:
        a, b = shapes(outputs)
        return 2 * box.half * jnp.sqrt(a * b / (a + b + 1)) / (a + b)

    policy = {"sample": sample, "mode": mode, "log_prob": log_prob, "entropy": entropy}
    return bounded.actions(action, deviation, outputs=2 * action.size, **policy)
