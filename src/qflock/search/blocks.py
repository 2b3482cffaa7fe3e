"""A policy's parameters as one flat vector: which coordinates are angles, and which move together.

A leaf named ``angles`` holds angles in radians; they live on the circle, where the prior is uniform and
proposals wrap around. All other leaves (scales, heads, weights, biases) have a Gaussian prior.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.core.steps import Parameters

Split = Literal["all", "leaf", "layer"]


class Ravel(Protocol):
    """Parameters as vectors, ``(..., D)``; leaves may have leading axes, over chains for example."""

    def __call__(self, parameters: Parameters, /) -> Float[Array, "*C D"]: ...


class Unravel(Protocol):
    """Vectors as parameters."""

    def __call__(self, theta: Float[Array, "*C D"], /) -> Parameters: ...


class Init(Protocol):
    """Parameters from a key."""

    def __call__(self, key: PRNGKeyArray, /) -> Parameters: ...


class Layout(NamedTuple):
    """Attributes:
    size: coordinates D.
    ravel, unravel: parameters as vectors, and back.
    circle: which coordinates are angles, ``(D,)``.
    block: the block of each coordinate, ``(D,)``.
    names: of the blocks.
    """

    size: int
    ravel: Ravel
    unravel: Unravel
    circle: np.ndarray
    block: np.ndarray
    names: tuple[str, ...]


def layout(init: Init, split: Split = "leaf") -> Layout:
    """The layout of parameters that ``init`` would make; nothing is computed.

    Args:
        init: makes parameters.
        split: one block of all coordinates, one for each leaf, or one for each row of a leaf named
            ``angles`` (a layer of a circuit) and for each other leaf.
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(jax.eval_shape(init, jax.random.key(0)))
    ends = np.cumsum([leaf.size for _, leaf in leaves])
    circle, block, names = [], [], []
    for path, leaf in leaves:
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        angles = name.rpartition(".")[2] == "angles"
        circle.append(np.full(leaf.size, angles))
        if split == "layer" and angles and leaf.ndim > 1:
            rows = leaf.shape[0]
            block.append(len(names) + np.repeat(np.arange(rows), leaf.size // rows))
            names += [f"{name}.{row}" for row in range(rows)]
        else:
            block.append(np.full(leaf.size, len(names)))
            names.append(name)
    index = np.concatenate(block)
    if split == "all":
        index, names = np.zeros(len(index), int), ["all"]

    def ravel(parameters: Parameters) -> Float[Array, "*C D"]:
        given = jax.tree.leaves(parameters)
        return jnp.concatenate(
            [
                x.reshape(*x.shape[: x.ndim - leaf.ndim], leaf.size)
                for x, (_, leaf) in zip(given, leaves, strict=True)
            ],
            -1,
        )

    def unravel(theta: Float[Array, "*C D"]) -> Parameters:
        parts = jnp.split(theta, ends[:-1], -1)
        shaped = [x.reshape(*x.shape[:-1], *leaf.shape) for x, (_, leaf) in zip(parts, leaves, strict=True)]
        return jax.tree.unflatten(tree, shaped)

    return Layout(int(ends[-1]), ravel, unravel, np.concatenate(circle), index, tuple(names))


def widest(shape: Layout) -> np.ndarray:
    """The largest scale of proposals in each block, ``(K,)``: half a circle where a block is of angles alone.

    A wider step is no other step there, and where the target is flat acceptance would let the scale grow for
    ever, until a wrapped angle has no digits left.

    Args:
        shape: of the parameters.
    """
    alone = [shape.circle[shape.block == block].all() for block in range(len(shape.names))]
    return np.where(alone, np.pi, np.inf).astype(np.float32)


def log_prior(shape: Layout, theta: Float[Array, "D"], sigma: float) -> Float[Array, ""]:
    """Log-density of the prior up to a constant: uniform angles, the others Gaussian around 0.

    Args:
        shape: of the parameters.
        theta: parameters as a vector, ``(D,)``.
        sigma: deviation of coordinates that are no angles.
    """
    return -0.5 * jnp.where(shape.circle, 0.0, jnp.square(theta / sigma)).sum()


def draw_prior(shape: Layout, key: PRNGKeyArray, sigma: float) -> Float[Array, "D"]:
    """Parameters drawn from the prior.

    Args:
        shape: of the parameters.
        key: of the draw.
        sigma: deviation of coordinates that are no angles.
    """
    k_angle, k_normal = jax.random.split(key)
    angles = jax.random.uniform(k_angle, (shape.size,), minval=-jnp.pi, maxval=jnp.pi)
    return jnp.where(shape.circle, angles, sigma * jax.random.normal(k_normal, (shape.size,)))


def wrap(shape: Layout, theta: Float[Array, "D"]) -> Float[Array, "D"]:
    """The same parameters with every angle in [-pi, pi).

    Args:
        shape: of the parameters.
        theta: parameters as a vector, ``(D,)``.
    """
    turned = jnp.mod(theta + jnp.pi, 2 * jnp.pi) - jnp.pi
    return jnp.where(shape.circle, turned, theta)


def propose(
    shape: Layout,
    key: PRNGKeyArray,
    theta: Float[Array, "D"],
    sigma: Float[Array, "K"],
    moving: Int[Array, ""],
) -> Float[Array, "D"]:
    """A symmetric proposal: Gaussian steps in one block, wrapped around the circle for angles.

    Args:
        sigma: scale of each block, ``(K,)``.
        moving: the block that moves.
    """
    step = sigma[shape.block] * jax.random.normal(key, theta.shape)
    return wrap(shape, theta + jnp.where(shape.block == moving, step, 0.0))
