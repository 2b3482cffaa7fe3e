"""Pytrees of arrays with leading axes, and keys by purpose."""

from __future__ import annotations

import zlib
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray


def like(x: Array, y: Array) -> Array:
    """``x`` with axes of length 1 appended, so that it broadcasts over the trailing axes of ``y``.

    Args:
        x: an array.
        y: an array with as many axes or more.
    """
    return x.reshape(*x.shape, *[1] * (y.ndim - x.ndim))


def where(mask: Bool[Array, "B"], yes: Any, no: Any) -> Any:
    """``jnp.where`` over pytrees whose leaves start with the axis of ``mask``.

    Args:
        mask: ``(B,)``.
        yes: leaves ``(B, ...)``.
        no: as ``yes``.
    """
    return jax.tree.map(lambda y, n: jnp.where(like(mask, n), y, n), yes, no)


def spread(tree: Any, *axes: int) -> Any:
    """Every leaf, repeated over leading axes of these lengths.

    Args:
        tree: any pytree of arrays.
        *axes: lengths of the new leading axes.
    """
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (*axes, *jnp.shape(x))), tree)


def named(key: PRNGKeyArray, purpose: str) -> PRNGKeyArray:
    """A key for a purpose; keys of different purposes are independent.

    Args:
        key: what to derive it from.
        purpose: any text.
    """
    return jax.random.fold_in(key, zlib.crc32(purpose.encode()))
