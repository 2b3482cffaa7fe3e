"""Views of different sizes as one array: flattened, padded with zeros at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


def padded(views: Sequence[Any], size: int, dtype: Any) -> Array:
    """Vectors of any lengths up to ``size``, stacked: ``(len(views), size)``.

    Args:
        views: arrays of any shapes, at most ``size`` numbers each.
        size: length of a row.
        dtype: of the result.
    """
    flat = [jnp.ravel(jnp.asarray(view, dtype)) for view in views]
    return jnp.stack([jnp.pad(x, (0, size - x.shape[0])) for x in flat])


def joined(views: Sequence[Any], dtype: Any) -> Array:
    """All views behind each other, in one vector, without padding.

    Args:
        views: arrays of any shapes.
        dtype: of the result.
    """
    return jnp.concatenate([jnp.ravel(jnp.asarray(view, dtype)) for view in views])


def typed(state: Any) -> Any:
    """A state in which what begins as a number of Python's is an array of its type from the reset on."""
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), state)


def at_least_one(legal: Array) -> Array:
    """A mask of actions ``(A, U)`` in which an agent without any may take action 0."""
    return legal.at[:, 0].set(legal[:, 0] | ~legal.any(-1))
