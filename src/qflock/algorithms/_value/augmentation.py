"""Experience from replay as it would have looked from another side (`core.environment.Symmetric`)."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from qflock.core.environment import Environment, Symmetric
from qflock.core.errors import UserError
from qflock.core.steps import Memory, Rows
from qflock.networks.agents import Acted


def need_symmetries(env: Environment, memory: Memory) -> None:
    """Refuse what cannot be turned.

    Args:
        env: the environment.
        memory: the team's at the start of an episode.

    Raises:
        UserError: the environment has no symmetries, or agents have a hidden state: replay keeps it as it was
            computed from what was really seen.
    """
    if not isinstance(env, Symmetric):
        raise UserError(
            f"augment needs an environment with symmetries, and {env.spec.name} declares none; "
            "leave it out, or see `Symmetric` in the docs on environments"
        )
    if jax.tree.leaves(memory.network if isinstance(memory, Acted) else memory):
        raise UserError("augment is for agents without a hidden state: use --network mlp, or leave it out")


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
