"""Policies to compare with on GridWorld25v0: a planner that sees everything, and two that do not.

None of them knows of collisions. Each walks along x until it is level with its food, then along y,
and stays where it has no food to walk to.
"""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from qflock.core.environment import State
from qflock.core.steps import TimeStep

AGENTS = FOODS = 4
STAY, UP, DOWN, LEFT, RIGHT = range(5)
DISCOUNT = 0.95  # what the published returns are counted with
FAR = 10_000  # steps to a food that is gone: its discounted worth is 0


def _orders() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every ordered choice of foods one agent may gather, the empty one first.

    Returns:
        foods, shape (65, 4), padded with food 0; which entries count, the same shape; the set
        gathered as a number, food f counting 2**f, shape (65,).
    """
    orders = [order for length in range(FOODS + 1) for order in itertools.permutations(range(FOODS), length)]
    foods = np.array([order + (0,) * (FOODS - len(order)) for order in orders])
    counts = np.array([[k < len(order) for k in range(FOODS)] for order in orders])
    return foods, counts, (counts << foods).sum(1)


ORDERS, COUNTS, GATHERED = _orders()
SHARES = np.array(  # every way to share the foods out: the set of each agent, shape (256, 4)
    [
        [sum(1 << food for food in range(FOODS) if owner[food] == agent) for agent in range(AGENTS)]
        for owner in itertools.product(range(AGENTS), repeat=FOODS)
    ]
)


def oracle(key: PRNGKeyArray, state: State, timestep: TimeStep) -> Int[Array, "4"]:
    """Gather the foods in the order of largest discounted team return, collisions ignored.

    Plans anew at every step, over all ways to share the foods out and every agent's order of its
    share. With ``collisions=False`` no policy does better: an upper bound.

    Args:
        key: of chance; this policy uses none.
        state: the environment's, unbatched.
        timestep: what it shows now, leaves ``(A, ...)``.
    """
    del key, timestep
    agents, foods = state.agents.astype(jnp.int32), state.foods.astype(jnp.int32)
    gone = jnp.where(state.remaining, 0, FAR)
    walk = _distance(agents[:, None], foods) + gone  # (agent, food)
    onwards = _distance(foods[:, None], foods) + gone  # (from food, to food)
    legs = jnp.broadcast_to(onwards[ORDERS[:, :-1], ORDERS[:, 1:]], (AGENTS, len(ORDERS), FOODS - 1))
    arrival = jnp.cumsum(jnp.concatenate([walk[:, ORDERS[:, :1]], legs], -1), -1)
    worth = jnp.where(COUNTS, DISCOUNT ** (arrival - 1.0), 0.0).sum(-1)  # (agent, order)
    fits = np.arange(1 << FOODS)[:, None] == GATHERED  # (set, order)
    best = jnp.where(fits, worth[:, None, :], -jnp.inf).max(-1)  # (agent, set)
    team = sum(best[agent, SHARES[:, agent]] for agent in range(AGENTS))
    share = jnp.asarray(SHARES)[jnp.argmax(team)]
    order = jnp.argmax(jnp.where(share[:, None] == GATHERED, worth, -jnp.inf), -1)
    food = jnp.asarray(ORDERS[:, 0])[order]
    return _towards(agents, foods[food], (share > 0) & state.remaining[food])


def greedy_neighbour(key: PRNGKeyArray, state: State, timestep: TimeStep) -> Int[Array, "4"]:
    """Walk to the nearest visible food that the visible neighbour is not nearer to.

    Where the neighbour is nearer to every one, the nearest after all. Ties go to the first slot.
    Uses each agent's own observation only.

    Args:
        key: of chance; this policy uses none.
        state: the environment's, unbatched.
        timestep: what it shows now, leaves ``(A, ...)``.
    """
    del key, state
    own, neighbour, foods, present = _seen(timestep)
    mine, theirs = _distance(own[:, None], foods), _distance(neighbour[:, None], foods)
    return _nearest(own, foods, present, mine + jnp.where(theirs < mine, FAR // 2, 0))


def greedy(key: PRNGKeyArray, state: State, timestep: TimeStep) -> Int[Array, "4"]:
    """Walk to the nearest visible food; ties go to the first slot. Uses each agent's own observation only.

    Args:
        key: of chance; this policy uses none.
        state: the environment's, unbatched.
        timestep: what it shows now, leaves ``(A, ...)``.
    """
    del key, state
    own, _, foods, present = _seen(timestep)
    return _nearest(own, foods, present, _distance(own[:, None], foods))


def _seen(timestep: TimeStep) -> tuple[Array, Array, Array, Bool[Array, "4 3"]]:
    """Records of the observation: own cell, neighbour's cell, cells of visible foods, which exist."""
    records = timestep.observation.astype(jnp.int32).reshape(AGENTS, -1, 3)
    return records[:, 0, :2], records[:, 1, :2], records[:, 2:5, :2], records[:, 2:5, 2] > 0


def _nearest(own: Array, foods: Array, present: Array, cost: Int[Array, "4 3"]) -> Int[Array, "4"]:
    cost = jnp.where(present, cost, FAR)
    chosen = jnp.argmin(cost, -1)
    goal = jnp.take_along_axis(foods, chosen[:, None, None], 1)[:, 0]
    return _towards(own, goal, present.any(-1))


def _distance(first: Array, second: Array) -> Array:
    return jnp.abs(first - second).sum(-1)


def _towards(own: Int[Array, "4 2"], goal: Int[Array, "4 2"], goes: Bool[Array, "4"]) -> Int[Array, "4"]:
    """One step along x first, then along y; an agent that has no goal stays."""
    dx, dy = (goal - own)[:, 0], (goal - own)[:, 1]
    along_y = jnp.where(dy < 0, UP, jnp.where(dy > 0, DOWN, STAY))
    along = jnp.where(dx < 0, LEFT, jnp.where(dx > 0, RIGHT, along_y))
    return jnp.where(goes, along, STAY)
