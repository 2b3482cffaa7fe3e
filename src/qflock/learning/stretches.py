"""Rows cut into stretches of equal length, as replay keeps them, and back."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from qflock.core.environment import Environment
from qflock.core.steps import Memory, Rows, TimeStep
from qflock.learning import actions as actions_of


def kept(timestep: TimeStep, state: bool) -> TimeStep:
    """What is kept of time steps: no measures, and the state only where something sees it.

    Args:
        timestep: leaves ``(...)``.
        state: whether the state is kept.
    """
    seen = timestep.state if state else timestep.state[..., :0]
    return timestep._replace(state=seen, measures={})


def example(env: Environment, memory: Memory, length: int, state: bool) -> Rows:
    """One stretch of zeros, as replay keeps it: leaves ``(length + 1, ...)`` and ``(length, ...)``.

    Args:
        memory: the team's at the start of an episode.
        length: transitions of a stretch.
        state: whether the state is kept.
    """
    # Its shapes alone: a reset that is run operation by operation takes a second and more.
    timestep = jax.eval_shape(lambda key: kept(env.reset(key)[1], state), jax.random.key(0))
    longer = lambda x: jnp.zeros((length + 1, *x.shape), x.dtype)
    kind = actions_of.of(env.spec.action)
    actions = kind.zeros(length, env.spec.agents).astype(kind.stored)
    return Rows(jax.tree.map(longer, timestep), actions, longer(timestep.terminated), memory, ())


def cut(rows: Rows, length: int, like: Rows, state: bool) -> Rows:
    """Stretches of rows: leaves ``(B * T / length, length + 1, ...)``, all environments' first stretch first.

    Args:
        rows: T transitions of B environments, T a multiple of ``length``.
        like: what `example` gave; actions get its type.
    """
    timestep = kept(rows.timestep, state)
    pieces = []
    for at in range(0, rows.actions.shape[0], length):
        part = lambda x, at=at: x[at : at + length + 1].swapaxes(0, 1)
        actions = rows.actions[at : at + length].swapaxes(0, 1).astype(like.actions.dtype)
        pieces.append(Rows(jax.tree.map(part, timestep), actions, part(rows.first), rows.memory, ()))
    return jax.tree.map(lambda *x: jnp.concatenate(x), *pieces)


def rows(stretches: Rows) -> Rows:
    """Stretches, leaves ``(N, length + 1, ...)``, as rows of N environments, time first."""
    swap = lambda x: jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), x)
    actions: Any = stretches.actions
    if jnp.issubdtype(actions.dtype, jnp.integer):
        actions = actions.astype(jnp.int32)
    return Rows(swap(stretches.timestep), swap(actions), swap(stretches.first), stretches.memory, ())
