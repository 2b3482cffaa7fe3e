"""What drones see, and how it looks in a turned arena."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from qflock.environments.drones.physics import Walls

OWN, OTHER = 6, 5
"""Numbers of an observation about the drone itself, and about each of its neighbours."""


def observe(state: Any, walls: Walls, speed: float, radius: float, neighbours: int) -> Float[Array, "A O"]:
    """Velocity, offsets of the pad and of the next gap; then of the nearest flying drones the direction, as
    long as the drone is near, velocity relative to the own one, and 1; zeros where there are fewer.

    Velocities count in top speeds. A direction's length is two radii by the distance: 1 for two that touch.

    Args:
        state: of the environment, unbatched.
        walls: the walls.
        speed: top speed.
        radius: of a drone.
        neighbours: how many of the nearest drones are seen.
    """
    agents = len(state.position)
    parts = [state.velocity / speed, state.pads - state.position, _next_gap(state, walls)]
    apart = state.position - state.position[:, None]  # (observer, other)
    drift = (state.velocity - state.velocity[:, None]) / speed
    square = (apart**2).sum(-1)
    towards = 2 * radius * apart / jnp.maximum(square, radius**2)[..., None]
    record = jnp.concatenate([towards, drift, jnp.ones((agents, agents, 1))], -1)
    unseen = state.landed | np.eye(agents, dtype=bool)
    away = jnp.where(unseen, jnp.inf, square)
    for _ in range(neighbours):
        nearest = (np.arange(agents) == away.argmin(1)[:, None]) & jnp.isfinite(away)
        parts.append(jnp.where(nearest[..., None], record, 0).sum(1))
        away = jnp.where(nearest, jnp.inf, away)
    return jnp.concatenate(parts, -1)


def _next_gap(state: Any, walls: Walls) -> Float[Array, "A 2"]:
    """From each drone to the middle of the next gap on its way; 0 where no wall is left."""
    number = len(walls.x)
    if not number:
        return jnp.zeros_like(state.position)
    across = walls.x - state.position[:, :1]
    ahead = across * (state.pads[:, :1] - walls.x) > 0
    first = (np.arange(number) == jnp.where(ahead, jnp.abs(across), jnp.inf).argmin(1)[:, None]) & ahead
    offset = jnp.stack([across, walls.gaps - state.position[:, 1:]], -1)
    return jnp.where(first[..., None], offset, 0).sum(1)


def flip(which: Int[Array, ""]) -> Float[Array, "2"]:
    """The signs of x and y in a turned arena: 0 as it is, 1 upside down, 2 left and right swapped, 3 both."""
    return 1.0 - 2.0 * jnp.stack([which // 2, which % 2])


def turned_gaps(which: Int[Array, ""], gaps: Float[Array, "W"]) -> Float[Array, "W"]:
    """Middles of the gaps, of walls from left to right, in a turned arena.

    Args:
        which: number of the symmetry.
        gaps: as they are.
    """
    right, up = flip(which)
    return jnp.where(right < 0, gaps[::-1], gaps) * up


def turned_observation(which: Int[Array, ""], observation: Float[Array, "A O"]) -> Float[Array, "A O"]:
    """What is seen in a turned arena.

    Args:
        which: number of the symmetry.
        observation: as `observe` gives it.
    """
    agents, signs = len(observation), flip(which)
    own = observation[:, :OWN].reshape(agents, OWN // 2, 2) * signs
    others = observation[:, OWN:].reshape(agents, -1, OTHER) * jnp.concatenate([signs, signs, jnp.ones(1)])
    return jnp.concatenate([own.reshape(agents, -1), others.reshape(agents, -1)], -1)


def turned_state(which: Int[Array, ""], agents: int, state: Float[Array, "S"]) -> Float[Array, "S"]:
    """What a critic sees of a turned arena; nothing where that is left out.

    Args:
        which: number of the symmetry.
        agents: drones.
        state: of a time step: of each drone place, velocity, pad and whether it flies; gaps; the clock.
    """
    if not state.size:
        return state
    signs = flip(which)
    drones, rest = state[: 7 * agents].reshape(agents, 7), state[7 * agents :]
    drones = drones * jnp.concatenate([signs, signs, signs, jnp.ones(1)])
    return jnp.concatenate([drones.ravel(), turned_gaps(which, rest[:-1]), rest[-1:]])
