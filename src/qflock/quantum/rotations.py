"""Rotations of one qubit as unit quaternions, so that any sequence of them is one gate of four numbers.

The gate of (w, x, y, z) is w I - i (x X + y Y + z Z), an element of SU(2). Circuits are measured, so
phases of the whole state do not matter and Pauli errors are rotations by pi.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Gates(NamedTuple):
    """Single-qubit gates of any shape, by component."""

    w: Float[Array, "*G"]
    x: Float[Array, "*G"]
    y: Float[Array, "*G"]
    z: Float[Array, "*G"]

    @property
    def inverse(self) -> Gates:
        """The gates that undo these."""
        return Gates(self.w, -self.x, -self.y, -self.z)


def after(second: Gates, first: Gates) -> Gates:
    """The gates that act as ``first``, then ``second`` (the quaternions' product).

    Args:
        second: of any shape.
        first: of the same shape, or one that broadcasts.
    """
    a, b = second, first
    return Gates(
        a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z,
        a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
        a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x,
        a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w,
    )


def turn(axes: str, cosine: Float[Array, "*G K"], sine: Float[Array, "*G K"]) -> Gates:
    """One gate for rotations about K axes, given cosine and sine of half of each angle.

    Args:
        axes: one letter for each axis, of "xyz"; the first acts first.
        cosine: ``(..., K)``.
        sine: ``(..., K)``.
    """
    product = None
    for k, axis in enumerate(axes):
        c, s = cosine[..., k], sine[..., k]
        nothing = jnp.zeros_like(s)
        gate = Gates(c, *(s if axis == name else nothing for name in "xyz"))
        product = gate if product is None else after(gate, product)
    assert product is not None
    return product


def by_angle(axes: str, angles: Float[Array, "*G K"]) -> Gates:
    """One gate for rotations by ``angles`` about K axes, the first acting first.

    Args:
        axes: one letter for each axis, of "xyz".
        angles: ``(..., K)``, in radians.
    """
    return turn(axes, jnp.cos(angles / 2), jnp.sin(angles / 2))


def by_arctan(axes: str, tangents: Float[Array, "*G K"]) -> Gates:
    """As `by_angle` of arctan(tangents), without trigonometric functions.

    Args:
        axes: one letter for each axis, of "xyz".
        tangents: of the angles, ``(..., K)``.
    """
    whole = jax.lax.rsqrt(1 + tangents * tangents)  # the cosine of the angle
    cosine = jnp.sqrt((1 + whole) / 2)
    return turn(axes, cosine, tangents * whole / (2 * cosine))
