"""The symmetries of the square board: flipped, mirrored and turned, it is the same game."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Shaped

SYMMETRIES = tuple(itertools.product((False, True), repeat=3))
"""Whether x is mirrored, whether y is, and whether then x and y change places. The first changes nothing."""
_FLIPPED = np.array([pair[:2] for pair in SYMMETRIES])
_SWAPPED = np.array([pair[2] for pair in SYMMETRIES])


def cells(which: Int[Array, ""], places: Shaped[Array, "*N 2"], extent: int) -> Shaped[Array, "*N 2"]:
    """Where cells ``(x, y)`` come to lie.

    Args:
        which: number of the symmetry.
        places: cells, any leading axes.
        extent: the largest coordinate.
    """
    flipped = jnp.where(jnp.asarray(_FLIPPED)[which], jnp.asarray(extent, places.dtype) - places, places)
    return jnp.where(jnp.asarray(_SWAPPED)[which], flipped[..., ::-1], flipped)


def records(which: Int[Array, ""], seen: Shaped[Array, "*N"], extent: int) -> Shaped[Array, "*N"]:
    """What is seen of the board when it is turned: records ``(x, y, there)``, empty ones all zero.

    Args:
        which: number of the symmetry.
        seen: records one after the other along the last axis.
        extent: the largest coordinate.
    """
    each = seen.reshape(*seen.shape[:-1], -1, 3)
    there = each[..., 2:]
    turned = cells(which, each[..., :2], extent) * there
    return jnp.concatenate([turned, there], -1).reshape(seen.shape)


def action_table(moves: np.ndarray, actions: int) -> np.ndarray:
    """The action that does in the turned world what an action does in this one, ``(symmetries, actions)``.

    Args:
        moves: the step ``(x, y)`` of each of the first actions; all others point nowhere.
        actions: how many there are.
    """
    signs = 1 - 2 * _FLIPPED
    table = np.tile(np.arange(actions), (len(SYMMETRIES), 1))
    for k, (sign, swapped) in enumerate(zip(signs, _SWAPPED, strict=True)):
        turned = (moves * sign)[:, ::-1] if swapped else moves * sign
        table[k, : len(moves)] = [next(i for i, m in enumerate(moves) if (m == t).all()) for t in turned]
    return table
