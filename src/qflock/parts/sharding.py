"""Where several devices share one seed's work: hints to the compiler, without effect on a single device.

Inside a program that is compiled for a mesh with an axis of copies, arrays are split along an axis of
theirs, or kept whole on each device. Results are the same up to the order of sums (XLA's partitioner, GSPMD:
Xu et al. 2021); random numbers do not depend on the split.
"""

from __future__ import annotations

from typing import Any

import jax
from jax.sharding import PartitionSpec

SEED, COPY = "seed", "copy"
"""Names of a mesh's axes: which devices train which seeds, and which share the copies of a seed."""


def over_copies(tree: Any) -> Any:
    """Split every leaf along its first axis; as it is where that does not divide, and without such a mesh."""
    parts = _parts()

    def split(x: jax.Array) -> jax.Array:
        return x if x.shape[0] % parts else jax.lax.with_sharding_constraint(x, PartitionSpec(COPY))

    return tree if parts == 1 else jax.tree.map(split, tree)


def whole(tree: Any) -> Any:
    """Every leaf whole on each device that shares the seed."""
    if _parts() == 1:
        return tree
    return jax.tree.map(lambda x: jax.lax.with_sharding_constraint(x, PartitionSpec()), tree)


def _parts() -> int:
    return dict(jax.sharding.get_abstract_mesh().shape).get(COPY, 1)
