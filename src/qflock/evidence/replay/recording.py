"""Record whole episodes on the host: states, actions, rewards, and the numbers behind the choices."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.environment import Environment
from qflock.core.learner import Policy
from qflock.core.steps import Memory, Parameters, TimeStep
from qflock.playing.evaluation import Choose


class Values(Protocol):
    """Of the team's memory and a time step: the numbers behind every agent's choice."""

    def __call__(self, memory: Memory, now: TimeStep, /) -> Float[Array, "A U"]: ...


class Weigh(Protocol):
    """Of the agents' chosen values and the state: how much each of them counts for the team's value."""

    def __call__(self, values: Float[Array, "A"], state: Float[Array, "S"], /) -> Float[Array, "A"]: ...


class Record(Protocol):
    """Plays and records the episode of a key."""

    def __call__(self, key: PRNGKeyArray, /) -> Recording: ...


class Recording(NamedTuple):
    """An episode of T steps, leaves NumPy arrays.

    Attributes:
        states: the environment's states, from the reset's to the last: T+1 of them.
        timestep: what the environment showed, leaves (T+1, ...).
        actions: (T, A), or (T, A, size) of a Box.
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
) -> Record:
    """A function that plays and records the episode of a key; compiled once.

    Args:
        choose: a policy for one copy, see `playing.evaluation`.
        memory: the team's memory at the start.
        values: the numbers behind a choice.
        weigh: what the agents count for; needs ``values``, of discrete actions.
    """

    def step(carry: Any, key: PRNGKeyArray) -> Any:
        state, now, memory = carry
        k_act, k_step = jax.random.split(key)
        scores = values(memory, now) if values else None
        memory, actions = choose(memory, state, now, k_act)
        weights = None
        if weigh is not None and scores is not None:
            of_actions = jnp.take_along_axis(scores, now.settled(actions)[:, None], -1)[:, 0]
            weights = weigh(of_actions, now.state)
        state, after = env.step(k_step, state, actions)
        return (state, after, memory), (state, after, actions, scores, weights)

    @jax.jit
    def play(key: PRNGKeyArray) -> Any:
        k_reset, k_play = jax.random.split(key)
        state, now = env.reset(k_reset)
        carry = (state, now, memory)
        return (state, now), jax.lax.scan(step, carry, jax.random.split(k_play, env.spec.horizon))[1]

    def record(key: PRNGKeyArray) -> Recording:
        (state, now), (states, later, actions, scores, weights) = jax.device_get(play(key))
        over = later.terminated | later.truncated
        length = int(np.argmax(over)) + 1 if over.any() else len(over)
        cut = lambda x: None if x is None else np.asarray(x[:length])
        join = lambda first, rest: np.concatenate([np.asarray(first)[None], rest[:length]])
        each = (jax.tree.map(lambda x, t=t: x[t], states) for t in range(length))
        timestep = jax.tree.map(join, now, later)
        return Recording([state, *each], timestep, np.asarray(actions[:length]), cut(scores), cut(weights))

    return record


def policy_values(policy: Policy, parameters: Parameters) -> Values | None:
    """The numbers behind a policy's choices, for all agents; None where it has none.

    Args:
        policy: a learner's.
        parameters: of one seed.
    """
    scores = policy.scores
    return None if scores is None else lambda memory, now: scores(parameters, memory, now.seen)
