"""Losses on plain arrays, one entry each: learners weigh and average them (see `descend.masked_mean`)."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float


def td_loss(error: Float[Array, "*X"], kind: Literal["mse", "huber"]) -> Float[Array, "*X"]:
    """Of temporal-difference errors: their squares, or Huber's loss with delta 1 (Mnih et al. 2015).

    Args:
        error: of any shape, in the unit of returns.
        kind: "mse" or "huber".
    """
    return optax.losses.huber_loss(error) if kind == "huber" else jnp.square(error)


def clipped_surrogate(
    log_ratio: Float[Array, "*X"], advantage: Float[Array, "*X"], clip: float
) -> Float[Array, "*X"]:
    """PPO's surrogate, to be maximised (Schulman et al. 2017, equation 7).

    Args:
        log_ratio: log-probability of the action now, less that when it was taken.
        advantage: of the action.
        clip: how far the ratio may move from 1 before nothing more is gained.
    """
    ratio = jnp.exp(log_ratio)
    near = jnp.clip(ratio, 1 - clip, 1 + clip)
    return jnp.minimum(ratio * advantage, near * advantage)


def is_clipped(log_ratio: Float[Array, "*X"], clip: float) -> Bool[Array, "*X"]:
    """Whether a ratio lies outside the range that PPO trusts.

    Args:
        log_ratio: log-probability of the action now, less that when it was taken.
        clip: how far the ratio may lie from 1.
    """
    ratio = jnp.exp(log_ratio)
    return jnp.clip(ratio, 1 - clip, 1 + clip) != ratio


def approximate_kl(log_ratio: Float[Array, "*X"]) -> Float[Array, "*X"]:
    """An estimate of KL(old || new) that is never negative (Schulman 2020, "Approximating KL divergence")."""
    return jnp.exp(log_ratio) - 1 - log_ratio


def value_loss(
    value: Float[Array, "*X"],
    target: Float[Array, "*X"],
    old_value: Float[Array, "*X"] | None = None,
    clip: float = 0.0,
    huber: float = 0.0,
) -> Float[Array, "*X"]:
    """Squared error of a critic, not let off by values that moved further than ``clip`` (PPO2's).

    Args:
        value: what the critic says.
        target: what it should say.
        old_value: what it said when the action was taken; only read where ``clip`` is not 0.
        clip: 0 for the plain squared error.
        huber: the size from which errors count linearly (Huber's delta); 0 for never.
    """
    of = lambda error: 2 * optax.losses.huber_loss(error, delta=huber) if huber else jnp.square(error)
    error = of(value - target)
    if not clip or old_value is None:
        return error
    near = old_value + jnp.clip(value - old_value, -clip, clip)
    return jnp.maximum(error, of(near - target))


def optimistic_weights(
    total: Float[Array, "*X"], target: Float[Array, "*X"], weight: float
) -> Float[Array, "*X"]:
    """OW-QMIX: 1 where the target lies above the team's value (Rashid et al. 2020, equation 9).

    Args:
        total: the restricted team's value of the joint action taken.
        target: what it should be.
        weight: of all other errors.
    """
    return jnp.where(total < target, 1.0, weight)


def central_weights(
    target: Float[Array, "*X"],
    greedy_value: Float[Array, "*X"],
    is_greedy: Bool[Array, "*X"],
    weight: float,
) -> Float[Array, "*X"]:
    """CW-QMIX: 1 for the greedy joint action and for what beats it (Rashid et al. 2020, equation 10).

    Args:
        target: what the team's value should be.
        greedy_value: the central value of the greedy joint action.
        is_greedy: whether the joint action taken is the greedy one.
        weight: of all other errors.
    """
    return jnp.where((target > greedy_value) | is_greedy, 1.0, weight)
