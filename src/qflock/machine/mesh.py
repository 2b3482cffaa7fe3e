"""Where several devices share one seed's work: hints to the compiler, without effect on a single device.

Inside a program that is compiled for a mesh with an axis of copies, arrays are split along an axis of
theirs, or kept whole on each device. Results are the same up to the order of sums (XLA's partitioner, GSPMD:
Xu et al. 2021); random numbers do not depend on the split. Where the partitioner would have devices talk too
often, `joined` and `gradient` say what is exchanged: on a CPU each exchange takes a tenth of a millisecond.
"""

from __future__ import annotations

import itertools
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
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


def joined(tree: Any, axes: Any) -> Any:
    """As `whole`, for leaves that are split along an axis: all in one exchange, for each takes time.

    Args:
        axes: the axis of each leaf, or of all leaves of a branch.
    """
    parts = _parts()
    leaves, structure = jax.tree.flatten(tree)
    at = jax.tree.leaves(jax.tree.broadcast(axes, tree))
    if parts == 1 or any(jnp.iscomplexobj(x) or x.shape[i] % parts for x, i in zip(leaves, at, strict=True)):
        return whole(tree)
    split = [jnp.moveaxis(x, i, 0) for x, i in zip(leaves, at, strict=True)]
    packed = [_bytes(x).reshape(x.shape[0], -1) for x in split]
    ends = list(itertools.accumulate(x.shape[1] for x in packed))[:-1]
    pieces = jnp.split(whole(over_copies(jnp.concatenate(packed, 1))), ends, 1)
    rebuilt = [_from_bytes(piece, like) for piece, like in zip(pieces, split, strict=True)]
    return jax.tree.unflatten(structure, [jnp.moveaxis(x, 0, i) for x, i in zip(rebuilt, at, strict=True)])


def _bytes(x: jax.Array) -> jax.Array:
    return jax.lax.bitcast_convert_type(x.astype(jnp.uint8) if x.dtype == bool else x, jnp.uint8)


def _from_bytes(data: jax.Array, like: jax.Array) -> jax.Array:
    if like.dtype == bool:
        return data.reshape(like.shape).astype(bool)
    size = (like.dtype.itemsize,) if like.dtype.itemsize > 1 else ()
    return jax.lax.bitcast_convert_type(data.reshape(*like.shape, *size), like.dtype)


class Loss(Protocol):
    """A cost of weights on a batch. All that it returns are sums over the batch, or are divided by what
    `total` makes of a sum over the batch."""

    def __call__(self, weights: Any, constants: Any, batch: Any, /) -> tuple[jax.Array, Any]:
        """The cost, and metrics.

        Args:
            weights: what is trained.
            constants: what is not, the same on each device.
            batch: leaves with the axis along which devices share it.
        """
        ...


class Gradient(Protocol):
    """The gradient of a `Loss` by its weights, and its metrics."""

    def __call__(self, weights: Any, constants: Any, batch: Any, /) -> tuple[Any, Any]:
        """The gradient, shaped as the weights, and the metrics.

        Args:
            weights: what is trained.
            constants: what is not, the same on each device.
            batch: leaves with the axis along which devices share it.
        """
        ...


def gradient(loss: Loss, axes: Any = 0) -> Gradient:
    """``jax.grad(loss, has_aux=True)``, every device with a part of the batch of its own.

    The devices talk once, to add up what they found; hints alone have them talk in every layer.

    Args:
        loss: what is differentiated.
        axes: the axis along which each leaf of the batch, or all leaves of a branch, are split: 0 for leaves
            ``(N, ...)``, 1 for ``(T, N, ...)``. Where the devices do not divide it, none is.
    """
    own_gradient = jax.grad(loss, has_aux=True)

    def of(weights: Any, constants: Any, batch: Any) -> tuple[Any, Any]:
        parts, at = _parts(), jax.tree.broadcast(axes, batch)
        uneven = jax.tree.map(lambda x, axis: x.shape[axis] % parts, batch, at)
        if parts == 1 or any(jax.tree.leaves(uneven)):
            return own_gradient(weights, constants, batch)

        def part(weights: Any, constants: Any, batch: Any) -> tuple[Any, Any]:
            flat, tree_of = ravel_pytree(own_gradient(weights, constants, batch))
            return tree_of(jax.lax.psum(flat, COPY))

        split = jax.tree.map(lambda axis: PartitionSpec(*[None] * axis, COPY), at)
        layout = (PartitionSpec(), PartitionSpec(), split)
        summed = jax.shard_map(
            part, in_specs=layout, out_specs=PartitionSpec(), axis_names={COPY}, check_vma=False
        )
        return summed(weights, constants, batch)

    return of


def total(part: jax.Array) -> jax.Array:
    """A sum over the whole batch from the sum over a device's part of it; see `gradient`."""
    return jax.lax.psum(part, COPY) if COPY in jax.sharding.get_abstract_mesh().manual_axes else part


def _parts() -> int:
    """Devices among which hints may split arrays; one inside a device's own part."""
    mesh = jax.sharding.get_abstract_mesh()
    return 1 if COPY in mesh.manual_axes else dict(mesh.shape).get(COPY, 1)
