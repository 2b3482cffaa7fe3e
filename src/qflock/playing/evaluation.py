"""Play whole episodes with a fixed policy and score them. No exploration, replay, mixer or critic."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.core.environment import Environment, ReferencePolicy, State
from qflock.core.learner import Policy
from qflock.core.spec import Spec
from qflock.core.steps import Actions, Memory, Mode, Parameters, TimeStep, team_reward
from qflock.core.trees import like, spread
from qflock.learning.actions import of
from qflock.machine import mesh
from qflock.playing.execution import renewed


class Choose(Protocol):
    """A policy for one copy of an environment, whose state a reference may see."""

    def __call__(
        self, memory: Memory, state: State, now: TimeStep, key: PRNGKeyArray, /
    ) -> tuple[Memory, Actions]:
        """One unbatched time step.

        Args:
            memory: the team's.
            state: the environment's.
            now: leaves ``(A, ...)``.
            key: of the policy's own chance.
        """
        ...


class Scores(NamedTuple):
    """Of E episodes, each ``(E,)``: undiscounted and discounted team return, length, final measures.

    Returns are ``(E, teams)`` where there are several.
    """

    episode_return: Float[Array, "E *teams"]
    discounted: Float[Array, "E *teams"]
    length: Int[Array, "E"]
    measures: dict[str, Float[Array, "E"]]


def of_policy(policy: Policy, parameters: Parameters, mode: Mode = "greedy") -> Choose:
    """A learnt policy, which sees of a time step what execution may see. Who is not there remembers nothing.

    Args:
        policy: a learner's.
        parameters: what execution needs.
        mode: "greedy" or "sample".
    """

    def choose(memory: Memory, state: State, now: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Actions]:
        memory, actions = policy.act(parameters, memory, now.seen, key, mode)
        return renewed(policy, memory, ~now.active), actions

    return choose


def of_reference(policy: ReferencePolicy) -> Choose:
    """A reference policy, which may see the state."""
    return lambda memory, state, now, key: (memory, policy(key, state, now))


def play(env: Environment, choose: Choose, memory: Memory, key: PRNGKeyArray, episodes: int) -> Scores:
    """Scores of ``episodes`` fresh episodes, one after its reset, until the last one is over.

    Args:
        choose: the policy for one copy.
        memory: the team's memory at the start.
    """
    k_reset, k_play = jax.random.split(key)
    state, now = mesh.over_copies(jax.vmap(env.reset)(jax.random.split(k_reset, episodes)))
    nothing = jnp.zeros(team_reward(env.spec, now.reward).shape)
    scores = Scores(nothing, nothing, jnp.zeros(episodes, jnp.int32), now.measures)
    memories = spread(memory, episodes)

    def advance(carry: Any) -> Any:
        t, state, now, memories, scores = carry
        k_act, k_step = jax.random.split(jax.random.fold_in(k_play, t))
        memories, actions = jax.vmap(choose)(memories, state, now, jax.random.split(k_act, episodes))
        state, after = jax.vmap(env.step)(jax.random.split(k_step, episodes), state, actions)
        alive = ~now.over
        reward = team_reward(env.spec, after.reward)
        reward = jnp.where(like(alive, reward), reward, 0.0)
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
    return jax.lax.while_loop(playing, advance, (jnp.int32(0), state, now, memories, scores))[-1]


def random_policy(spec: Spec) -> ReferencePolicy:
    """The reference every environment has: uniform legal actions, or uniform points of a Box."""
    random = of(spec.action).random
    return lambda key, state, now: random(key, now.legal)
