"""Two trees held against each other: their structures and types, then their numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qflock.playing.conformance import episodes


def raw(tree: Any) -> Any:
    """NumPy arrays, with typed keys as their numbers.

    Args:
        tree: of arrays.
    """
    is_key = lambda x: jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return jax.device_get(jax.tree.map(lambda x: jax.random.key_data(x) if is_key(x) else x, tree))


def different(one: Any, two: Any, complaint: str) -> list[str]:
    """The complaint, with the first place where two trees are not close.

    Args:
        one, two: pairs of (State, TimeStep), as `raw` gives them.
        complaint: what it means.
    """
    leaves = jax.tree_util.tree_leaves_with_path(one)
    for (path, a), b in zip(leaves, jax.tree.leaves(two), strict=True):
        if not np.allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), 1e-4, 1e-5, equal_nan=True):
            return [f"{complaint}: first in {episodes.readable(path)}"]
    return []


def unlike(name: str, first: Any, later: Any, who: tuple[str, str] = ("reset", "step")) -> list[str]:
    """Where two trees have different structures, shapes or types.

    Args:
        name: of what they are.
        first, later: leaves need no more than ``shape`` and ``dtype``.
        who: gave them.
    """
    one, other = who
    if jax.tree.structure(first) != jax.tree.structure(later):
        return [f"{name}: {one} and {other} return different structures"]
    problems = []
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(first), jax.tree.leaves(later), strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            place = f"{name}{jax.tree_util.keystr(path)}"
            problems.append(
                f"{place}: {one} gives {a.dtype}{list(a.shape)}, {other} gives {b.dtype}{list(b.shape)}"
            )
    return problems
