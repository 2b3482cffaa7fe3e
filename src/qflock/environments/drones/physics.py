"""How drones fly and touch: thrust and drag, equal discs that bounce, walls with a gap, the way that is left.

The arena is the square [-1, 1] x [-1, 1]. Velocities are per step. A drone's top speed is at most its radius
(`Config` sees to it), so that nothing passes through anything between two steps.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

BOUNCE = 0.5
"""Share of the speed along the line of contact that is left after it."""
TINY = 1e-9


class Walls(NamedTuple):
    """Upright walls from edge to edge, each with one gap.

    Attributes:
        x: where they stand, rising.
        gaps: y of the middle of each one's gap.
        half: half the width of every gap.
    """

    x: Float[Array, "W"]
    gaps: Float[Array, "W"]
    half: float


def fly(
    position: Float[Array, "A 2"],
    velocity: Float[Array, "A 2"],
    thrust: Float[Array, "A 2"],
    speed: float,
    drag: float,
) -> tuple[Float[Array, "A 2"], Float[Array, "A 2"]]:
    """One step without contacts.

    Args:
        position, velocity: before the step.
        thrust: what is longer than 1 counts as 1.
        speed: that full thrust approaches.
        drag: share of the velocity that is lost.

    Returns:
        Position and velocity after it.
    """
    thrust = thrust / jnp.maximum(length(thrust), 1)[:, None]
    velocity = (1 - drag) * velocity + drag * speed * thrust
    return position + velocity, velocity


def touch_each_other(
    position: Float[Array, "A 2"], velocity: Float[Array, "A 2"], flying: Bool[Array, "A"], radius: float
) -> tuple[Float[Array, "A 2"], Float[Array, "A 2"], Bool[Array, "A"]]:
    """Discs that overlap are moved apart and bounce; both of a pair get the same, with opposite signs.

    Args:
        position, velocity: of the discs.
        flying: those that can be touched.
        radius: of every disc.

    Returns:
        Position, velocity, and who touches another one.
    """
    apart = position[:, None] - position
    distance = length(apart)
    others = ~jnp.eye(len(position), dtype=bool)
    touching = (distance < 2 * radius) & flying[:, None] & flying & others
    normal = apart / jnp.maximum(distance, TINY)[..., None]
    closing = jnp.maximum(-((velocity[:, None] - velocity) * normal).sum(-1), 0)
    impulse = jnp.where(touching, (1 + BOUNCE) / 2 * closing, 0)
    shift = jnp.where(touching, radius - distance / 2, 0)
    return (
        position + (shift[..., None] * normal).sum(1),
        velocity + (impulse[..., None] * normal).sum(1),
        touching.any(1),
    )


def touch_walls(
    position: Float[Array, "A 2"],
    velocity: Float[Array, "A 2"],
    before: Float[Array, "A"],
    walls: Walls,
    radius: float,
) -> tuple[Float[Array, "A 2"], Float[Array, "A 2"], Bool[Array, "A"]]:
    """Discs bounce off the walls, the ends of walls at their gaps, and the edge of the arena.

    Args:
        position, velocity: of the discs.
        before: their x at the last step; it tells on which side of a wall a disc is.
        walls: the walls.
        radius: of every disc.

    Returns:
        Position, velocity, and who touches.
    """
    side = jnp.where(before[:, None] < walls.x, -1.0, 1.0)
    across = side * (position[:, :1] - walls.x)
    beside = position[:, 1:] - walls.gaps
    opening = jnp.maximum(walls.half - jnp.abs(beside), 0)  # to the nearer end of the wall; 0 at the wall
    through = opening > 0
    distance = jnp.where(through, jnp.sqrt(across**2 + opening**2), across)
    scale = jnp.maximum(distance, TINY)
    normal = jnp.stack(
        [
            jnp.where(through, across / scale, 1.0) * side,
            jnp.where(through, -jnp.sign(beside) * opening / scale, 0.0),
        ],
        -1,
    )
    touching = distance < radius
    closing = jnp.maximum(-(velocity[:, None] * normal).sum(-1), 0)
    impulse = jnp.where(touching, (1 + BOUNCE) * closing, 0)
    shift = jnp.where(touching, radius - distance, 0)
    position = position + (shift[..., None] * normal).sum(1)
    velocity = velocity + (impulse[..., None] * normal).sum(1)
    inside = jnp.clip(position, radius - 1, 1 - radius)
    outwards = (inside != position) & (velocity * position > 0)
    velocity = jnp.where(outwards, -BOUNCE * velocity, velocity)
    return inside, velocity, touching.any(1) | (inside != position).any(1)


def way(
    position: Float[Array, "*X 2"], goal: Float[Array, "*X 2"], walls: Walls, radius: float
) -> tuple[Float[Array, "*X"], Float[Array, "*X 2"]]:
    """The way to the goal through the gaps between: straight, or past the nearer end of a wall.

    With one wall it is the shortest way of a disc's middle; with more, a little longer at most.

    Args:
        position: where it begins.
        goal: where it ends.
        walls: the walls.
        radius: that a gap's ends are kept away from.

    Returns:
        Its length, and the first point that it bends at (the goal where it does not).
    """
    (x, y), target = (position[..., 0], position[..., 1]), goal
    rightwards, walked = goal[..., 0] > x, jnp.zeros(x.shape)
    free = walls.half - radius
    number = len(walls.x)
    for k in range(number):  # the wall next to the goal first
        at, gap = (jnp.where(rightwards, w[number - 1 - k], w[k]) for w in (walls.x, walls.gaps))
        between = (at - x) * (goal[..., 0] - at) > 0
        run = jnp.where(between, target[..., 0] - x, 1.0)
        crossing = y + (target[..., 1] - y) * (at - x) / run
        bend = jnp.stack([jnp.broadcast_to(at, x.shape), jnp.clip(crossing, gap - free, gap + free)], -1)
        walked = walked + jnp.where(between, length(target - bend), 0)
        target = jnp.where(between[..., None], bend, target)
    return walked + length(target - position), target


def length(vector: Float[Array, "*X 2"]) -> Float[Array, "*X"]:
    """Euclidean."""
    return jnp.sqrt((vector**2).sum(-1))
