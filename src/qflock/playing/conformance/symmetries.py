"""Whether an environment's symmetries are some: turned steps against steps that are turned afterwards."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qflock.core.environment import Symmetric
from qflock.core.steps import TimeStep
from qflock.playing.conformance import episodes

STEPS = 64
"""Steps that are compared, of each symmetry."""


def findings(env: Any, states: Any, shown: TimeStep, keys: Any, actions: Any) -> list[str]:
    """What is wrong; nothing for an environment that declares none.

    Args:
        env: the environment.
        states, shown: an episode's states and time steps, T + 1 of each.
        keys, actions: between them, T of each.

    Raises:
        Exception: whatever its methods raise.
    """
    step = env.step
    if not isinstance(env, Symmetric):
        return []
    if not env.symmetries > 0:
        return [f"symmetries is {env.symmetries}; wanted is how many there are, 1 or more"]
    over = np.flatnonzero(np.asarray(shown.over))
    played = min(STEPS, len(keys), *over.tolist())
    part = lambda tree, at: jax.tree.map(lambda x: x[at : at + played], tree)

    def both(which: Any, before: Any, key: Any, actions: Any, after: Any, seen: TimeStep) -> Any:
        turned = env.turned_state(which, before), env.turned_actions(which, actions)
        wanted = env.turned_state(which, after), env.turned(which, seen)
        return step(key, *turned), wanted

    over_steps = jax.vmap(both, (None, 0, 0, 0, 0, 0))
    which = jnp.arange(env.symmetries)
    along = (part(states, 0), part(keys, 0), part(actions, 0), part(states, 1), part(shown, 1))
    found, wanted = jax.jit(jax.vmap(over_steps, (0, *(None,) * 5)))(which, *along)
    problems = _unlike(found, wanted, "a step of the turned world is not the turned step")
    unchanged = jax.tree.map(lambda x: x[:, None], (states, shown))
    first = jax.vmap(lambda state, seen: (env.turned_state(which[0], state), env.turned(which[0], seen)))
    same = jax.tree.map(lambda x: x[:, None], first(states, shown))
    return problems + _unlike(same, unchanged, "number 0 must change nothing")


def _unlike(found: Any, wanted: Any, complaint: str) -> list[str]:
    """The complaint, with the first place where two trees are not close; leaves ``(K, T, ...)``."""
    if jax.tree.structure(found) != jax.tree.structure(wanted):
        return [f"symmetries: {complaint}: its parts are others"]
    leaves = jax.tree_util.tree_leaves_with_path(jax.device_get(found))
    for (path, a), b in zip(leaves, jax.tree.leaves(jax.device_get(wanted)), strict=True):
        where = episodes.readable(path)
        if a.shape != b.shape or a.dtype != b.dtype:
            return [f"symmetries: {complaint}: {where} is {a.dtype}{list(a.shape[2:])}, not {b.dtype}"]
        close = np.isclose(a.astype(np.float64), b.astype(np.float64), 1e-4, 1e-5, equal_nan=True)
        if not close.all():
            return [f"symmetries: {complaint}: first in {where}"]
    return []
