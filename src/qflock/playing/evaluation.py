"""Play whole episodes with a fixed policy and score them. No exploration, replay, mixer or critic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.core.types import (
    Environment,
    Learner,
    Memory,
    Mode,
    Parameters,
    ReferencePolicy,
    TimeStep,
    team_reward,
)
from qflock.machine import mesh
from qflock.playing.rollout import spread

Choose = Callable[[Memory, Any, TimeStep, PRNGKeyArray], tuple[Memory, Int[Array, "A"]]]


class Scores(NamedTuple):
    """Of E episodes, each ``(E,)``: undiscounted and discounted team return, length, final measures."""

    episode_return: Float[Array, "E"]
    discounted: Float[Array, "E"]
    length: Int[Array, "E"]
    measures: dict[str, Float[Array, "E"]]


def decentralised(learner: Learner, parameters: Parameters, mode: Mode = "greedy") -> Choose:
    """A learnt policy: every agent by itself, from its own observation; or all of them as one draw, where
    a learner says that its agents' actions are drawn together."""

    def choose(memory: Memory, state: Any, now: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Array]:
        if learner.act_jointly is not None:
            return learner.act_jointly(parameters, memory, now.observation, now.legal, key, mode)
        agents = now.legal.shape[0]
        act = lambda *x: learner.act(parameters, *x, mode)
        return jax.vmap(act)(
            jnp.arange(agents), memory, now.observation, now.legal, jax.random.split(key, agents)
        )

    return choose


def of_reference(policy: ReferencePolicy) -> Choose:
    """A reference policy, which may see the state."""
    return lambda memory, state, now, key: (memory, policy(key, state, now))


def play(env: Environment, choose: Choose, memory: Memory, key: PRNGKeyArray, episodes: int) -> Scores:
    """Scores of ``episodes`` fresh episodes, one after its reset, until the last one is over.

    Args:
        choose: the policy for one copy.
        memory: one agent's memory at the start.
    """
    k_reset, k_play = jax.random.split(key)
    state, now = mesh.over_copies(jax.vmap(env.reset)(jax.random.split(k_reset, episodes)))
    zeros = jnp.zeros(episodes)
    scores = Scores(zeros, zeros, jnp.zeros(episodes, jnp.int32), now.measures)
    memories = spread(memory, episodes, env.spec.agents)

    def tick(carry: Any) -> Any:
        t, state, now, memories, scores = carry
        k_act, k_step = jax.random.split(jax.random.fold_in(k_play, t))
        memories, actions = jax.vmap(choose)(memories, state, now, jax.random.split(k_act, episodes))
        state, after = jax.vmap(env.step)(jax.random.split(k_step, episodes), state, actions)
        alive = ~now.over
        reward = jnp.where(alive, team_reward(env.spec, after.reward), 0.0)
        scores = Scores(
            scores.episode_return + reward,
            scores.discounted + env.spec.discount**t * reward,
            scores.length + alive,
            jax.tree.map(lambda new, old: jnp.where(alive, new, old), after.measures, scores.measures),
        )
        # An episode that is over stays over, whatever its further steps show.
        after = after._replace(
            terminated=after.terminated | now.terminated, truncated=after.truncated | now.truncated
        )
        return t + 1, state, after, memories, scores

    playing = lambda carry: ~carry[2].over.all() & (carry[0] < env.spec.horizon)
    return jax.lax.while_loop(playing, tick, (jnp.int32(0), state, now, memories, scores))[-1]


def random_policy(key: PRNGKeyArray, state: Any, now: TimeStep) -> Int[Array, "A"]:
    """The reference every environment has: uniform legal actions."""
    from qflock.learning.exploration import uniform

    return uniform(key, now.legal)
