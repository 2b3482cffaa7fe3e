"""Policies to compare with on CoinGame-2: the exact optimum, and one by each agent's own observation."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from qflock.core.environment import ReferencePolicy, State
from qflock.core.steps import TimeStep
from qflock.environments.coin_game.exact import ACTIONS, AGENTS, CELLS, SIDE, solve

UP, DOWN, LEFT, RIGHT = range(ACTIONS)


def optimal(steps: int) -> ReferencePolicy:
    """The best policy for episodes of ``steps`` steps; it sees the state and the time."""
    best = solve(steps).actions

    def oracle(key: PRNGKeyArray, state: State, timestep: TimeStep) -> Int[Array, "2"]:
        first, second = (_cell(cell) for cell in state.agents)
        number = ((CELLS * first + second) * CELLS + _cell(state.coin)) * AGENTS + state.owner
        joint = jnp.asarray(best)[state.step, number].astype(jnp.int32)
        return jnp.stack(jnp.divmod(joint, ACTIONS))

    return oracle


def own_coin(key: PRNGKeyArray, state: State, timestep: TimeStep) -> Int[Array, "2"]:
    """Walk to the own coin; where it is the other's, keep off it, waiting at a wall.

    Uses each agent's own observation only, and not where the other agent is.

    Args:
        key: of chance; this policy uses none.
        state: the environment's, unbatched.
        timestep: what it shows now, leaves ``(A, ...)``.
    """
    del key, state
    planes = timestep.observation.reshape(AGENTS, -1, CELLS)
    own, mine, others = (planes[:, plane].argmax(-1) for plane in (0, -2, -1))
    walk, wait = jnp.asarray(WALK), jnp.asarray(WAIT)
    return jnp.where(planes[:, -2].any(-1), walk[own, mine], wait[own, others])


def _cell(place: Int[Array, "2"]) -> Int[Array, ""]:
    return SIDE * place[0].astype(jnp.int32) + place[1]


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Actions by own cell and coin's cell, (9, 9) each: towards a coin, and away from it."""
    walk, wait = np.zeros((2, CELLS, CELLS), np.int32)
    for here, coin in np.ndindex(CELLS, CELLS):
        (x, y), (to_x, to_y) = divmod(here, SIDE), divmod(coin, SIDE)
        away_x, away_y = (RIGHT if to_x < x else LEFT), (UP if to_y < y else DOWN)
        walls = {LEFT: x == 0, RIGHT: x == SIDE - 1, DOWN: y == 0, UP: y == SIDE - 1}
        walls = [action for action, there in walls.items() if there]
        if here == coin:  # (it has just appeared here)
            walk[here, coin] = walls[0] if walls else UP
            wait[here, coin] = next(action for action in range(ACTIONS) if action not in walls)
        else:
            walk[here, coin] = (RIGHT if to_x > x else LEFT) if to_x != x else (UP if to_y > y else DOWN)
            wait[here, coin] = walls[0] if walls else away_x if to_x != x else away_y
    return walk, wait


WALK, WAIT = _tables()
