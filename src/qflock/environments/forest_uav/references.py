"""The lawn-mower of ForestUAV: the planner that a learnt policy should approach."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from qflock.core.environment import State
from qflock.core.steps import TimeStep

STAY, UP, DOWN, LEFT, RIGHT = range(5)


def _snake(size: int) -> np.ndarray:
    """All cells ``(row, column)`` in boustrophedon order, shape (size * size, 2)."""
    return np.array([(r, c if r % 2 == 0 else size - 1 - c) for r in range(size) for c in range(size)])


def lawn_mower(key: PRNGKeyArray, state: State, timestep: TimeStep) -> Int[Array, "A"]:
    """Every agent sweeps its own strip: an equal stretch of the snake through all cells.

    It walks to the nearer of the first and the last cell of its strip that nobody has visited, along
    the row last; in mid-sweep that is the next cell of the snake. It stays when its strip is done.

    Args:
        key: of chance; this policy uses none.
        state: the environment's, unbatched.
        timestep: what it shows now, leaves ``(A, ...)``.
    """
    del key, timestep
    size, agents = state.visited.shape[0], state.agents.shape[0]
    path = jnp.asarray(_snake(size))
    place = np.arange(size * size)
    strips = place * agents // (size * size) == np.arange(agents)[:, None]  # (agent, place in the snake)
    left = strips & ~state.visited[path[:, 0], path[:, 1]]
    ends = jnp.stack([left.argmax(1), size * size - 1 - left[:, ::-1].argmax(1)])
    goals = path[ends]  # (end, agent, 2)
    steps = jnp.abs(goals - state.agents).sum(-1)
    goal = jnp.where((steps[0] <= steps[1])[:, None], goals[0], goals[1])
    down, right = (goal - state.agents)[:, 0], (goal - state.agents)[:, 1]
    along = jnp.where(right < 0, LEFT, jnp.where(right > 0, RIGHT, STAY))
    towards = jnp.where(down < 0, UP, jnp.where(down > 0, DOWN, along))
    # An agent that stands on its goal has not visited it (a start cell): it does so by staying.
    return jnp.where(left.any(1), towards, STAY)
