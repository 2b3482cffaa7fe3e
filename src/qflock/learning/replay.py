"""A ring of experience: a pytree whose leaves are ``(capacity, ...)``, written in blocks.

Written here because it is twenty lines; flashbax, the test's reference, brings 110 MB with it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from qflock.machine import mesh

CAPACITY = "buffer_capacity"
"""The setting that says how many transitions a learner's replay holds, for messages."""


class Replay(NamedTuple):
    """Attributes: ``data`` leaves (capacity, ...); ``at`` next place to write; ``filled`` items held."""

    data: Any
    at: Int[Array, ""]
    filled: Int[Array, ""]


def make(example: Any, capacity: int) -> Replay:
    """An empty ring for items like ``example`` (arrays or shape structs).

    Args:
        example: one item, leaves ``(...)``.
        capacity: items that the ring holds.
    """
    data = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), example)
    return Replay(data, jnp.int32(0), jnp.int32(0))


def add(replay: Replay, items: Any) -> Replay:
    """Write a block of items, leaves ``(n, ...)``, over the oldest ones.

    The capacity must be a multiple of n and n the same every time: the block is then one slice
    that XLA updates in place.

    Args:
        replay: the ring.
        items: leaves ``(n, ...)``.

    Raises:
        ValueError: n does not divide the capacity.
    """
    capacity, n = (jax.tree.leaves(x)[0].shape[0] for x in (replay.data, items))
    if capacity % n:
        raise ValueError(f"capacity {capacity} is no multiple of the block of {n}")
    write = lambda data, block: jax.lax.dynamic_update_slice_in_dim(data, block, replay.at, 0)
    data = mesh.whole(jax.tree.map(write, replay.data, items))
    return Replay(data, (replay.at + n) % capacity, jnp.minimum(replay.filled + n, capacity))


def sample(replay: Replay, key: PRNGKeyArray, n: int) -> Any:
    """``n`` items drawn uniformly with replacement from those held; leaves ``(n, ...)``.

    Args:
        replay: the ring.
        key: of the draw.
        n: how many items.
    """
    places = jax.random.randint(key, (n,), 0, jnp.maximum(replay.filled, 1))
    return mesh.over_copies(jax.tree.map(lambda data: data[places], replay.data))
