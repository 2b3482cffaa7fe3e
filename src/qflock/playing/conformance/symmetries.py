"""Whether an environment's symmetries are some: turned steps against steps that are turned afterwards."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qflock.core.environment import Symmetric
from qflock.core.steps import TimeStep
from qflock.playing.conformance import trees

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

    each = (jnp.arange(env.symmetries), part(states, 0), part(keys, 0), part(actions, 0))
    each = (*each, part(states, 1), part(shown, 1))
    found, wanted = jax.eval_shape(both, *jax.tree.map(lambda x: x[0], each))
    who = "the turned world", "turning afterwards"
    if problems := trees.unlike("symmetries", found, wanted, who):
        return problems
    over_steps = jax.vmap(both, (None, 0, 0, 0, 0, 0))
    found, wanted = jax.jit(jax.vmap(over_steps, (0, *(None,) * 5)))(*each)
    complaint = "symmetries: a step of the turned world is not the turned step"
    problems = trees.different(trees.raw(found), trees.raw(wanted), complaint)
    first = jax.vmap(lambda state, seen: (env.turned_state(each[0][0], state), env.turned(each[0][0], seen)))
    same, unchanged = trees.raw(first(states, shown)), trees.raw((states, shown))
    return problems + trees.different(same, unchanged, "symmetries: number 0 must change nothing")
