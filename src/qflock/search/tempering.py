"""Parallel tempering and annealing: the same target at several inverse temperatures."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray


def ladder(rungs: int, ratio: float) -> Float[Array, "R"]:
    """Inverse temperatures in a geometric ladder, the coldest first, as shares of it: 1, 1/ratio ...

    Args:
        rungs: how many, R.
        ratio: between neighbours, at least 1.
    """
    return ratio ** -jnp.arange(rungs, dtype=jnp.float32)


def anneal(start: float | Float[Array, ""], warmup: int, step: Int[Array, ""]) -> Float[Array, ""]:
    """The share of beta at a step of a stage: from ``start`` to 1 geometrically over the warm-up.

    Args:
        start: fraction of beta before the first step, in (0, 1].
        warmup: steps.
        step: steps done in the stage, scalar.
    """
    along = jnp.clip((step + 1) / max(warmup, 1), 0.0, 1.0)
    return jnp.asarray(start, jnp.float32) ** (1 - along)


def swap(
    key: PRNGKeyArray, beta: Float[Array, "R"], value: Float[Array, "R C"], odd: Array
) -> tuple[Int[Array, "R C"], Float[Array, ""]]:
    """Offer neighbouring rungs to exchange their positions; leaves the joint target invariant.

    Rungs r and r + 1 exchange with probability min(1, exp((beta_r - beta_{r+1})(J_{r+1} - J_r))); pairs start
    at r = 0, or at r = 1 for ``odd``, and are disjoint. Two rungs are one pair, offered either way. The prior
    cancels.

    Args:
        beta: of each rung.
        value: what beta multiplies, for C chains on each rung.
        odd: which pairs are offered.

    Returns:
        The rung from which each place takes its new position, and the mean acceptance probability.
    """
    rungs, chains = value.shape
    if rungs == 1:
        return jnp.zeros((1, chains), jnp.int32), jnp.zeros(())
    lower = jnp.arange(rungs - 1)
    chance = jnp.exp(jnp.minimum((beta[:-1] - beta[1:])[:, None] * (value[1:] - value[:-1]), 0.0))
    offered = ((lower % 2) == (odd if rungs > 2 else 0))[:, None]
    swapped = offered & (jax.random.uniform(key, chance.shape) < chance)
    edge = jnp.zeros((1, chains), bool)
    order = jnp.arange(rungs)[:, None]
    order = order + jnp.concatenate([swapped, edge]) - jnp.concatenate([edge, swapped])
    return order, jnp.where(offered, chance, 0.0).sum() / jnp.maximum(offered.sum() * chains, 1)
