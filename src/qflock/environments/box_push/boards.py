"""Start boards of BoxPush: drawn cell by cell, with no sorting and no rejection.

Goals stand on every other cell of the inner board, so none is walled in by others: whoever pushes
past would leave the box there. Boxes keep off the walls, from where they could never be pushed away
again. Up to three boxes cannot lock each other. So every board can be solved (the tests search).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray, UInt32

GAP, HEAVY_GAP = 2, 3  # least distance of light boxes and goals, and of heavy boxes, to the walls


def lattice(grid_size: int) -> int:
    """Cells along one axis on which goals can stand at once."""
    return max(0, (grid_size - 2 * GAP + 1) // 2)


def board(
    key: PRNGKeyArray, grid_size: int, n_agents: int, n_light: int, n_heavy: int, start_near: int
) -> tuple[Int[Array, "A 2"], Int[Array, "A"], Int[Array, "B 2"], Int[Array, "B 2"]]:
    """Agents, their directions, boxes (light ones first) and goals, on distinct cells.

    Args:
        start_near: 0 draws all over the board; else box k starts at most so many cells, along each
            axis, from goal k, and agents at most one more from the last box (a heavy one if there is any).
    """
    boxes = n_light + n_heavy
    bits = jax.random.bits(key, (2 * boxes + 2 * n_agents + 2,), jnp.uint32)
    draws = iter(bits)
    last = grid_size - 1

    per_side = lattice(grid_size)
    slack = grid_size - 2 * GAP - (2 * per_side - 1)
    shift = jnp.stack([next(draws), next(draws)]) % jnp.uint32(slack + 1)
    points: list[Array] = []
    for _ in range(boxes):
        points.append(_pick(next(draws), *_square(0, per_side - 1), points))
    goals = [GAP + shift.astype(jnp.int32) + 2 * point for point in points]

    placed: dict[int, Array] = {}
    for k in reversed(range(boxes)):  # heavy ones have fewer cells to go to: they choose first
        gap = GAP if k < n_light else HEAVY_GAP
        low, high = _square(gap, last - gap)
        taken = [*goals, *placed.values()]
        if start_near:
            low, high = _near(goals[k], start_near, low, high, taken)
        placed[k] = _pick(next(draws), low, high, taken)

    agents: list[Array] = []
    for _ in range(n_agents):
        low, high = _square(1, last - 1)
        taken = [*goals, *placed.values(), *agents]
        if start_near:
            low, high = _near(placed[boxes - 1], start_near + 1, low, high, taken)
        agents.append(_pick(next(draws), low, high, taken))
    directions = (jnp.stack(list(draws)) % 4).astype(jnp.int32)
    return jnp.stack(agents), directions, jnp.stack([placed[k] for k in range(boxes)]), jnp.stack(goals)


def line_up(
    key: PRNGKeyArray,
    grid_size: int,
    probability: float,
    agents: Int[Array, "A 2"],
    directions: Int[Array, "A"],
    boxes: Int[Array, "B 2"],
    goals: Int[Array, "B 2"],
) -> tuple[Int[Array, "A 2"], Int[Array, "A"]]:
    """Agents and directions, the first two agents moved to the line that can push the last box.

    The line stands behind the box, along an axis on which its goal is off; who is in front is drawn. Each
    of the two takes its place with probability ``probability``, if nothing stands there.

    Args:
        key: of chance.
        grid_size: cells along a side, walls included.
        probability: that an agent takes its place, in [0, 1].
        agents: cells ``(x, y)``, ``(A, 2)``.
        directions: ``(A,)``, 0 to 3.
        boxes: cells, ``(B, 2)``.
        goals: cells, ``(B, 2)``, in the order of the boxes.
    """
    axis, front, *takes = jax.random.split(key, 4)
    off = goals[-1] - boxes[-1]
    across = jnp.where((off != 0).all(), jax.random.bernoulli(axis), off[0] == 0)  # or along x
    sign = jnp.sign(jnp.where(across, off[1], off[0]))
    way = jnp.where(across, jnp.stack([0 * sign, sign]), jnp.stack([sign, 0 * sign]))
    facing = jnp.where(across, 2 - sign, 1 - sign)
    first = jax.random.bernoulli(front).astype(jnp.int32)  # the agent in front
    for agent, take in enumerate(takes):
        place = boxes[-1] - way * jnp.where(agent == first, 1, 2)
        free = ~(jnp.concatenate([boxes, agents]) == place).all(-1).any() & (place >= 1).all()
        moves = free & (place <= grid_size - 2).all() & jax.random.bernoulli(take, probability)
        agents = agents.at[agent].set(jnp.where(moves, place, agents[agent]))
        directions = directions.at[agent].set(jnp.where(moves, facing, directions[agent]))
    return agents, directions


def _square(low: int, high: int) -> tuple[Array, Array]:
    return jnp.full(2, low, jnp.int32), jnp.full(2, high, jnp.int32)


def _near(
    cell: Int[Array, "2"], reach: int, low: Array, high: Array, taken: list[Array]
) -> tuple[Array, Array]:
    """The part of a rectangle at most ``reach`` from a cell along each axis; all of it if that is full."""
    near = jnp.maximum(low, cell - reach), jnp.minimum(high, cell + reach)
    _, free = _ranks(*near, taken)
    return jnp.where(free > 0, near[0], low), jnp.where(free > 0, near[1], high)


def _ranks(low: Array, high: Array, taken: list[Array]) -> tuple[Int[Array, "N"], Int[Array, ""]]:
    """The taken cells' numbers, by row, in a rectangle (beyond all, where outside), and how many are free."""
    width = high - low + 1
    if not taken:
        return jnp.zeros(0, jnp.int32), width.prod()
    cells = jnp.stack(taken)
    inside = ((cells >= low) & (cells <= high)).all(-1)
    number = (cells[:, 1] - low[1]) * width[0] + cells[:, 0] - low[0]
    return jnp.where(inside, number, np.iinfo(np.int32).max), width.prod() - inside.sum()


def _pick(bits: UInt32[Array, ""], low: Array, high: Array, taken: list[Array]) -> Int[Array, "2"]:
    """A free cell of the rectangle from ``low`` to ``high``, all equally likely.

    The k-th free one: its number is k and one more for every taken one before it, which settles in as
    many rounds as there are taken ones. (A remainder of 32 random bits favours no cell by more
    than the number of cells / 2**32.)
    """
    ranks, free = _ranks(low, high, taken)
    k = (bits % free.astype(jnp.uint32)).astype(jnp.int32)
    number = k
    for _ in taken:
        number = k + (ranks <= number).sum()
    width = high[0] - low[0] + 1
    return low + jnp.stack([number % width, number // width])
