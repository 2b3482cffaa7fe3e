"""Advantages over packed rows, and running normalisation of values.

Row t+1 of a stream is always the true next time step, so an advantage bootstraps from it at a truncation
and at the end of the stretch, and from nothing at a termination (see `core.steps.Rows`).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from qflock.learning import targets
from qflock.learning.descend import masked_mean


def gae(
    reward: Float[Array, "T *X"],
    value: Float[Array, "T+1 *X"],
    terminated: Bool[Array, "T *X"],
    over: Bool[Array, "T *X"],
    discount: float,
    lambda_: float,
) -> Float[Array, "T *X"]:
    """Generalised advantage estimates (Schulman et al. 2016): lambda-returns less the values.

    Rows whose own time step is over have numbers without meaning: mask them.

    Args:
        reward: of the step from row t to row t+1.
        value: of every row, the one after the stretch included.
        terminated, over: whether row t+1 is terminal, and whether it is the last of its episode.
    """
    return targets.lambda_returns(reward, value[1:], terminated, over, discount, lambda_) - value[:-1]


def standardise(x: Float[Array, "*X"], mask: Array) -> Float[Array, "*X"]:
    """Mean 0 and deviation 1 over the entries of mask 1.

    Args:
        x: numbers.
        mask: 0 or 1, of the same shape.
    """
    mean = masked_mean(x, mask)
    variance = masked_mean(jnp.square(x - mean), mask)
    return (x - mean) / jnp.sqrt(variance + 1e-8)


class Scale(NamedTuple):
    """Running moments of returns, biased towards 0 by ``1 - weight``; scalars."""

    mean: Float[Array, ""]
    square: Float[Array, ""]
    weight: Float[Array, ""]

    @classmethod
    def start(cls) -> Scale:
        """Nothing seen: normalising changes nothing."""
        return cls(jnp.float32(0), jnp.float32(0), jnp.float32(0))

    def update(self, x: Float[Array, "*X"], mask: Array, keep: float = 0.99) -> Scale:
        """Blend a batch in; ``keep`` is the share of the old moments.

        Args:
            x: returns.
            mask: 0 or 1, of the same shape.
            keep: weight of the old moments, in [0, 1].
        """
        blend = lambda old, new: keep * old + (1 - keep) * new
        return Scale(
            blend(self.mean, masked_mean(x, mask)),
            blend(self.square, masked_mean(jnp.square(x), mask)),
            blend(self.weight, 1.0),
        )

    def moments(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean and standard deviation, without the bias; 0 and 1 at the start."""
        fresh = self.weight == 0
        weight = jnp.where(fresh, 1.0, self.weight)
        mean = self.mean / weight
        variance = jnp.where(fresh, 1.0, self.square / weight - jnp.square(mean))
        return mean, jnp.sqrt(jnp.maximum(variance, 1e-4))

    def normalise(self, x: Float[Array, "*X"]) -> Float[Array, "*X"]:
        """What a critic learns: returns with about mean 0 and deviation 1."""
        mean, deviation = self.moments()
        return (x - mean) / deviation

    def restore(self, x: Float[Array, "*X"]) -> Float[Array, "*X"]:
        """A critic's output as a return."""
        mean, deviation = self.moments()
        return x * deviation + mean
