"""A policy to compare with on BoxPush: it sees everything, and plans for one box as if it were alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from qflock.core.environment import ReferencePolicy, State
from qflock.core.steps import TimeStep
from qflock.environments.box_push.rules import FORWARD, LEFT, RIGHT

STAY = 0
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)], np.int32)  # (x, y) by direction
FAR = 10_000  # steps to a cell that cannot be reached
PUSH = 100  # steps on foot that a push saved is worth


def greedy(grid_size: int, heavy: np.ndarray) -> ReferencePolicy:
    """Fewest pushes to an open goal, then the shortest walk to the cell behind the box.

    Agent k has the k-th light box that is not home; when all are, agents 0 and 1 push the heavy ones
    in line. Other boxes and idle agents count as walls, and everything moves on by replanning.

    Args:
        grid_size: cells along a side, walls included.
        heavy: which boxes are heavy, ``(B,)``.
    """
    wall = jnp.ones((grid_size, grid_size), bool).at[1:-1, 1:-1].set(False)
    rounds = 2 * grid_size  # longer ways than these boards need

    def spots(cells: Int[Array, "N 2"]) -> Bool[Array, "N G G"]:
        at = np.arange(grid_size)
        return (cells[:, 1, None, None] == at[:, None]) & (cells[:, 0, None, None] == at)

    def settle(ends: Bool[Array, "G G"], onwards: Bool[Array, "4 G G"]) -> Int[Array, "G G"]:
        """Fewest moves from every cell to an end, where ``onwards`` tells which moves a cell allows."""

        def again(_: int, steps: Array) -> Array:
            for allowed, way in zip(onwards, STEPS, strict=True):
                later = jnp.where(allowed, _shifted(steps, way) + 1, FAR)
                steps = jnp.minimum(steps, later.astype(steps.dtype))
            return steps

        first = jnp.where(ends, 0, FAR).astype(jnp.int16)  # half the bytes to go through in each round
        return jax.lax.fori_loop(0, rounds, again, first).astype(jnp.int32)

    def walks(end: Bool[Array, "G G"], free: Bool[Array, "G G"]) -> Int[Array, "G G"]:
        return settle(end, jnp.stack([_shifted(free, way) for way in STEPS]))

    def choose(key: PRNGKeyArray, state: State, timestep: TimeStep) -> Int[Array, "A"]:
        del key, timestep
        agents, boxes = spots(state.agents), spots(state.boxes)
        number = jnp.arange(len(state.agents))
        light = ~state.home & ~heavy
        strain = ~light.any()  # the heavy ones' turn
        open_goals = spots(state.goals).any(0) & ~(boxes & state.home[:, None, None]).any(0)
        rank = jnp.cumsum(light) - 1
        works = jnp.where(strain, number < 2, number < light.sum())
        mine = jnp.where(
            strain, jnp.argmax(~state.home & heavy), (light & (rank == number[:, None])).argmax(1)
        )
        reach = jax.vmap(walks, (0, None))(agents, ~(wall | boxes.any(0)))

        def act(k: Int[Array, ""]) -> Int[Array, ""]:
            box, cell, facing = state.boxes[mine[k]], state.agents[k], state.directions[k]
            others = boxes.any(0) & ~boxes[mine[k]]
            free = ~(wall | others | (agents & ~works[:, None, None]).any(0))
            pushable = [
                _shifted(free, way) & _shifted(free, -way) & (_shifted(free, -2 * way) | ~strain)
                for way in STEPS
            ]
            pushes = settle(open_goals, jnp.stack(pushable))
            ways = jnp.asarray(STEPS)
            first, second = box - ways, box - 2 * ways
            alone, both = _at(reach[k], first), _at(reach[0], first) + _at(reach[1], second)
            cost = PUSH * _at(pushes, box + ways) + jnp.where(strain, both, alone)
            allowed = jnp.stack([_at(x, box[None])[0] for x in pushable])
            way = jnp.where(allowed, cost, PUSH * FAR).argmin()
            behind = strain & (k == 1)
            stand = jnp.where(behind, second[way], first[way])
            led = ~behind | (state.agents[0] == first[way]).all()
            there = (cell == stand).all()

            passable = ~(wall | boxes.any(0) | (agents & (number != k)[:, None, None]).any(0))
            left = walks(spots(stand[None])[0], passable)
            turns = jnp.array([0, 1, 2, 1])[(jnp.arange(4) - facing) % 4]
            onwards = jnp.where(_at(passable, cell + ways), _at(left, cell + ways), FAR)
            step = (4 * onwards + turns).argmin()
            wanted = jnp.where(there, way, step)
            turn = jnp.array([FORWARD, RIGHT, RIGHT, LEFT])[(wanted - facing) % 4]
            waits = jnp.where(there, (wanted == facing) & ~led, onwards[step] >= FAR)
            return jnp.where(waits | ~works[k], STAY, turn)

        return jax.vmap(act)(number)

    return choose


def _shifted(grid: Array, way: np.ndarray) -> Array:
    """Each cell's neighbour that way; the walls around the board keep what wraps around out of the way."""
    return jnp.roll(grid, (-int(way[1]), -int(way[0])), (0, 1))


def _at(grid: Array, cells: Int[Array, "N 2"]) -> Array:
    return grid[cells[:, 1], cells[:, 0]]
