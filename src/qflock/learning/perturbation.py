"""Gradients by simultaneous perturbation: two evaluations, however many weights there are (Spall 1992)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.flatten_util import ravel_pytree
from jaxtyping import PRNGKeyArray


def gradient(
    value: Callable[[Any], tuple[jax.Array, Any]], weights: Any, key: PRNGKeyArray, far: float
) -> tuple[Any, Any]:
    """An estimate of a gradient, along a random direction of entries +1 and -1, and means of what is told.

    Its mean is the gradient, but for terms of order ``far`` squared; its error grows with their number.

    Args:
        value: of weights: a scalar, and metrics.
        weights: where.
        key: of the direction.
        far: how far to either side the value is taken.
    """
    flat, tree_of = ravel_pytree(weights)
    way = jax.random.rademacher(key, flat.shape, flat.dtype)
    up, metrics = value(tree_of(flat + far * way))
    down, more = value(tree_of(flat - far * way))
    slope = tree_of(way * (up - down) / (2 * far))
    return slope, jax.tree.map(lambda a, b: (a + b) / 2, metrics, more)
