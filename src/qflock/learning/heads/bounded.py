"""What heads of a Box share: its bounds, uniform points of it, and its numbers as features."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from qflock.core.spec import Box
from qflock.learning.actions import Actions

DRAWS = 64
"""Actions from which the deviation is estimated of a head that does not say it."""


class Bounds(NamedTuple):
    """A Box as an affine map. Attributes: ``middle`` and ``half`` width of each number, ``(D,)``."""

    middle: Float[Array, "D"]
    half: Float[Array, "D"]

    @property
    def log_width(self) -> Float[Array, "D"]:
        """Logarithm of the half widths: what a density loses when [-1, 1] is stretched to the bounds."""
        return jnp.log(self.half)

    def inside(self, x: Float[Array, "*X D"]) -> Float[Array, "*X D"]:
        """Numbers of [-1, 1] as numbers between the bounds."""
        return self.middle + self.half * x

    def unit(self, x: Float[Array, "*X D"]) -> Float[Array, "*X D"]:
        """Numbers between the bounds as numbers of [-1, 1]."""
        return (x - self.middle) / self.half


def box(action: Box) -> Bounds:
    """The bounds of a Box."""
    low, high = jnp.array(action.low), jnp.array(action.high)
    return Bounds((low + high) / 2, (high - low) / 2)


class Deviation(Protocol):
    """The deviation of each number of an action, in its own unit."""

    def __call__(self, outputs: Float[Array, "*X F"], /) -> Float[Array, "*X D"]: ...


def actions(action: Box, deviation: Deviation | None = None, **policy: Any) -> Actions:
    """`Actions` of a Box, from what a head says of its policy.

    Args:
        action: the Box.
        deviation: of each number; estimated from `DRAWS` actions where there is no formula.
        **policy: ``outputs``, ``sample``, ``mode``, ``log_prob`` and ``entropy``, as `Actions` has them.
    """
    bounds = box(action)
    widest = jnp.log(2 * bounds.half).sum()
    mask_of = lambda outputs: jnp.ones((*outputs.shape[:-1], 0), bool)

    def drawn(outputs: Float[Array, "*X F"]) -> Float[Array, "*X D"]:
        keys = jax.random.split(jax.random.key(0), DRAWS)
        return jax.vmap(lambda key: policy["sample"](key, outputs, mask_of(outputs)))(keys).std(0)

    def normalised_entropy(outputs: Float[Array, "*X F"], legal: Bool[Array, "*X 0"]) -> Float[Array, "*X"]:
        return jnp.exp((policy["entropy"](outputs, legal) - widest) / action.size)

    def shown(outputs: Float[Array, "*X F"]) -> Float[Array, "*X S"]:
        likeliest = policy["mode"](outputs, mask_of(outputs))
        return jnp.concatenate([likeliest, (deviation or drawn)(outputs)], -1)

    def random(key: PRNGKeyArray, legal: Bool[Array, "*X 0"]) -> Float[Array, "*X D"]:
        return bounds.inside(jax.random.uniform(key, (*legal.shape[:-1], action.size), minval=-1, maxval=1))

    return Actions(
        **policy,
        normalised_entropy=normalised_entropy,
        shown=shown,
        random=random,
        encode=bounds.unit,
        encoded=action.size,
        none=lambda *axes: jnp.broadcast_to(bounds.middle, (*axes, action.size)),
        zeros=lambda *axes: jnp.zeros((*axes, action.size)),
        stored=jnp.float32,
    )
