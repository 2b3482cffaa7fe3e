"""How agents and boxes of BoxPush move in one step: pushes, claims, who follows whom.

A cell is ``(x, y)``, y downwards; a direction is MiniGrid's: 0 right, 1 down, 2 left, 3 up.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

ACTIONS = ("stay", "left", "right", "forward")
LEFT, RIGHT, FORWARD = 1, 2, 3


def ahead(directions: Int[Array, "A"]) -> Int[Array, "A 2"]:
    """The step ``(x, y)`` that leads forward."""
    even = directions % 2 == 0
    return jnp.stack([jnp.where(even, 1 - directions, 0), jnp.where(even, 0, 2 - directions)], -1)


def move(
    grid_size: int,
    heavy: np.ndarray,
    agents: Int[Array, "A 2"],
    directions: Int[Array, "A"],
    boxes: Int[Array, "B 2"],
    home: Bool[Array, "B"],
    actions: Int[Array, "A"],
) -> tuple[Int[Array, "A 2"], Int[Array, "A"], Int[Array, "B 2"]]:
    """Agents, directions and boxes after one joint action; an unknown action id means staying.

    The board decides first whose step forward is possible: not into a wall or a box that is home; a
    box goes along if the cell behind it is free of walls, boxes and agents; a heavy one needs a
    second agent right behind the first that goes forward in the same direction. Each such agent
    claims the cell it enters and, when pushing, the cell that the box enters. Agents that claim one
    cell stay, and so do two that would change places. Whoever would enter the cell of an agent that
    stays, stays too; so does who pushes a heavy box with an agent that stays.

    Args:
        heavy: which boxes are heavy, shape (B,).
    """
    forward = actions == FORWARD
    turned = (directions + (actions == RIGHT) - (actions == LEFT)) % 4
    step = ahead(directions)
    target = agents + step
    beyond = target + step  # where a pushed box would go
    meets = _same(target, boxes) & forward[:, None]
    pushes = (meets & ~home).any(1)
    strains = (meets & ~home & heavy).any(1)
    room = _inside(beyond, grid_size) & ~_same(beyond, boxes).any(1) & ~_same(beyond, agents).any(1)
    helps = _same(agents - step, agents) & (directions[:, None] == directions) & forward  # (first, second)
    can = forward & _inside(target, grid_size) & ~(meets & home).any(1)
    can &= (~pushes | room) & (~strains | helps.any(1))

    others = can[:, None] & can & ~np.eye(len(agents), dtype=bool)
    enters = _same(beyond, target) & pushes[:, None]
    clash = _same(target, target) | enters | enters.T
    clash |= _same(beyond, beyond) & pushes[:, None] & pushes
    follows = _same(target, agents)
    goes = can & ~((clash | (follows & follows.T)) & others).any(1)
    needs = follows | (helps & strains[:, None])
    for _ in range(len(agents)):
        goes &= ~(needs & ~goes).any(1)

    moved = (meets & (goes & pushes)[:, None] & ~home).T  # (box, agent)
    shift = (moved[:, :, None] * step).sum(1)
    return jnp.where(goes[:, None], target, agents), turned, boxes + shift


def _same(first: Int[Array, "N 2"], second: Int[Array, "M 2"]) -> Bool[Array, "N M"]:
    return (first[:, None] == second).all(-1)


def _inside(cells: Int[Array, "N 2"], grid_size: int) -> Bool[Array, "N"]:
    return ((cells >= 1) & (cells <= grid_size - 2)).all(-1)
