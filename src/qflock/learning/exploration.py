"""Choosing actions from values: greedily, and with exploration."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray


def greedy(values: Float[Array, "*X U"], legal: Bool[Array, "*X U"]) -> Int[Array, "*X"]:
    """The legal action of highest value; the first of equals.

    Args:
        values: action values, ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
    """
    return jnp.where(legal, values, -jnp.inf).argmax(-1)


def uniform(key: PRNGKeyArray, legal: Bool[Array, "*X U"]) -> Int[Array, "*X"]:
    """A legal action drawn uniformly: the k-th legal one, k uniform. One random number each.

    Args:
        key: of the draw.
        legal: mask of legal actions, ``(..., U)``.
    """
    count = legal.sum(-1)
    k = jnp.floor(jax.random.uniform(key, count.shape) * count).astype(jnp.int32)
    return (jnp.cumsum(legal, -1) <= k[..., None]).sum(-1).astype(jnp.int32)


def epsilon_greedy(
    key: PRNGKeyArray,
    values: Float[Array, "*X U"],
    legal: Bool[Array, "*X U"],
    epsilon: Float[Array, ""] | float,
) -> Int[Array, "*X"]:
    """With probability epsilon, independently for each agent, a uniform legal action.

    Args:
        key: of the draw.
        values: action values, ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
        epsilon: probability of a uniform action, in [0, 1].
    """
    k_coin, k_action = jax.random.split(key)
    explore = jax.random.uniform(k_coin, legal.shape[:-1]) < epsilon
    return jnp.where(explore, uniform(k_action, legal), greedy(values, legal))


def linear(start: float, end: float, over: float, at: Int[Array, ""]) -> Float[Array, ""]:
    """From ``start`` to ``end`` in a straight line over the first ``over`` environment steps.

    Args:
        start: value at 0.
        end: value from ``over`` on.
        over: environment steps.
        at: environment steps so far, scalar.
    """
    return start + (end - start) * jnp.clip(at / jnp.maximum(over, 1), 0.0, 1.0)
