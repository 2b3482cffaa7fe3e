"""Record whole episodes on the host: states, actions, rewards, and the numbers behind the choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.types import Environment, Learner, Memory, Parameters, TimeStep
from qflock.playing.evaluation import Choose
from qflock.playing.rollout import spread

Values = Callable[[Memory, TimeStep], Float[Array, "A U"]]
"""Of the agents' memories and a time step: the numbers behind every agent's choice."""
Weigh = Callable[[Float[Array, "A"], Float[Array, "S"]], Float[Array, "A"]]
"""Of the agents' chosen values and the state: how much each of them counts for the team's value."""


class Recording(NamedTuple):
    """An episode of T steps, leaves NumPy arrays.

    Attributes:
        states: the environment's states, from the reset's to the last: T+1 of them.
        timestep: what the environment showed, leaves (T+1, ...).
        actions: (T, A).
        values: (T, A, U) numbers behind the choices; None where the policy has none.
        weights: (T, A) what each agent counts for; None without a mixer.
    """

    states: list[Any]
    timestep: TimeStep
    actions: np.ndarray
    values: np.ndarray | None
    weights: np.ndarray | None


def recorder(
    env: Environment,
    choose: Choose,
    memory: Memory,
    values: Values | None = None,
    weigh: Weigh | None = None,
) -> Callable[[PRNGKeyArray], Recording]:
    """A function that plays and records the episode of a key; compiled once.

    Args:
        choose: a policy for one copy, see `parts.evaluation`.
        memory: one agent's memory at the start.
        values: the numbers behind a choice.
        weigh: what the agents count for; needs ``values``.
    """

    def tick(carry: Any, key: PRNGKeyArray) -> Any:
        state, now, memory = carry
        k_act, k_step = jax.random.split(key)
        shown = values(memory, now) if values else None
        memory, actions = choose(memory, state, now, k_act)
        weights = None
        if weigh is not None and shown is not None:
            chosen = jnp.take_along_axis(shown, actions[:, None], -1)[:, 0]
            weights = weigh(chosen, now.state)
        state, after = env.step(k_step, state, actions)
        return (state, after, memory), (state, after, actions, shown, weights)

    @jax.jit
    def play(key: PRNGKeyArray) -> Any:
        k_reset, k_play = jax.random.split(key)
        state, now = env.reset(k_reset)
        carry = (state, now, spread(memory, env.spec.agents))
        return (state, now), jax.lax.scan(tick, carry, jax.random.split(k_play, env.spec.horizon))[1]

    def record(key: PRNGKeyArray) -> Recording:
        (state, now), (states, later, actions, shown, weights) = jax.device_get(play(key))
        over = later.terminated | later.truncated
        length = int(np.argmax(over)) + 1 if over.any() else len(over)
        cut = lambda x: None if x is None else np.asarray(x[:length])
        join = lambda first, rest: np.concatenate([np.asarray(first)[None], rest[:length]])
        each = (jax.tree.map(lambda x, t=t: x[t], states) for t in range(length))
        timestep = jax.tree.map(join, now, later)
        return Recording([state, *each], timestep, np.asarray(actions[:length]), cut(shown), cut(weights))

    return record


def learner_values(learner: Learner, parameters: Parameters) -> Values:
    """The numbers behind a learner's choices, for all agents."""

    def values(memory: Memory, now: TimeStep) -> Float[Array, "A U"]:
        agents = jnp.arange(now.legal.shape[0])
        one = lambda agent, memory, seen: learner.values(parameters, agent, memory, seen)
        return jax.vmap(one)(agents, memory, now.observation)

    return values
