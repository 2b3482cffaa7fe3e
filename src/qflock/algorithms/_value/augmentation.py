"""Experience from replay as it would have looked from another side (`core.environment.Symmetric`)."""

from __future__ import annotations

import warnings
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from qflock.core.environment import Environment, Symmetric
from qflock.core.errors import Notice, UserError
from qflock.core.steps import Memory, Rows
from qflock.networks.agents import Acted


def possible(env: Environment, memory: Memory) -> bool:
    """Whether experience can be turned. Agents with a hidden state learn from what they saw alone, for replay
    keeps it as it was computed then; a notice says so.

    Args:
        env: the environment.
        memory: the team's at the start of an episode.

    Raises:
        UserError: the environment has no symmetries.
    """
    if not isinstance(env, Symmetric):
        raise UserError(
            f"augment needs an environment with symmetries, and {env.spec.name} declares none; "
            "leave it out, or see `symmetries` in docs/own_environment.md"
        )
    hidden = jax.tree.leaves(memory.network if isinstance(memory, Acted) else memory)
    if hidden:
        said = "augment does nothing here: agents with a hidden state learn from what they saw alone"
        warnings.warn(said, Notice, stacklevel=2)
    return not hidden


def augmented(env: Any, key: PRNGKeyArray, batch: Rows) -> Rows:
    """Each sequence turned by a symmetry of its own, drawn uniformly.

    Args:
        env: the environment, `Symmetric`.
        key: of the draw.
        batch: N sequences, leaves ``(N, T+1, ...)`` and ``(N, T, ...)``.
    """

    def one(which: Any, rows: Rows) -> Rows:
        turned = jax.vmap(env.turned, in_axes=(None, 0))(which, rows.timestep)
        actions = jax.vmap(env.turned_actions, in_axes=(None, 0))(which, rows.actions)
        memory = rows.memory
        if isinstance(memory, Acted):
            memory = memory._replace(action=env.turned_actions(which, memory.action))
        return rows._replace(timestep=turned, actions=actions, memory=memory)

    which = jax.random.randint(key, (batch.first.shape[0],), 0, env.symmetries)
    return jax.vmap(one)(which, batch)
