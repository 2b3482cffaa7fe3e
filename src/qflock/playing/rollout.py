"""Run a policy in copies of an environment. This is the one place that resets."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.environment import Environment
from qflock.core.steps import Actions, Memory, Rows, TimeStep, team_reward
from qflock.core.trees import like, spread, where
from qflock.machine import mesh


class Behave(Protocol):
    """The behaviour policy for a batch: `core.learner.Explore` with its training state."""

    def __call__(self, memory: Memory, now: TimeStep, key: PRNGKeyArray, /) -> tuple[Memory, Actions, Any]:
        """Memory, actions, and what the learner wants kept; see `core.learner.Explore`.

        Args:
            memory: the teams', leaves ``(B, ...)``.
            now: leaves ``(B, ...)``.
            key: of the actions drawn.
        """
        ...


class Renew(Protocol):
    """The memory of teams in which some agents begin, see `execution.renewed`."""

    def __call__(self, memory: Memory, anew: Any, /) -> Memory:
        """The memory with that of a start for some agents.

        Args:
            memory: leaves ``(..., A, ...)``.
            anew: the agents that begin, ``(..., A)``.
        """
        ...


class Running(NamedTuple):
    """Of each environment's unfinished episode, ``(B,)``; returns ``(B, teams)`` where there are several."""

    episode_return: Float[Array, "B *teams"]
    discounted: Float[Array, "B *teams"]
    discount: Float[Array, "B"]  # discount ** length so far
    length: Int[Array, "B"]


class Tally(NamedTuple):
    """Sums over the episodes that finished in a stretch, and the steps taken in it; scalars.

    Returns are ``(teams,)`` where there are several.
    """

    env_steps: Int[Array, ""]
    episodes: Int[Array, ""]
    episode_return: Float[Array, "*teams"]
    discounted: Float[Array, "*teams"]
    length: Int[Array, ""]
    measures: dict[str, Float[Array, ""]]


class Episodes(NamedTuple):
    """What the rows of a stretch came to, ``(T, B)``; only places where ``ended`` mean anything.

    Returns are ``(T, B, teams)`` where there are several.
    """

    ended: Bool[Array, "T B"]
    episode_return: Float[Array, "T B *teams"]
    discounted: Float[Array, "T B *teams"]
    length: Int[Array, "T B"]
    measures: dict[str, Float[Array, "T B"]]


class Flow(NamedTuple):
    """Where the environments stand between two stretches."""

    state: Any
    timestep: TimeStep
    first: Bool[Array, "B"]
    memory: Memory
    running: Running


def start(env: Environment, memory: Memory, key: PRNGKeyArray, num_envs: int) -> Flow:
    """Fresh environments, ``memory`` being the team's at the start of an episode.

    Args:
        env: the environment.
        memory: the team's, unbatched.
        key: of the resets.
        num_envs: how many environments, B.
    """
    state, timestep = jax.vmap(env.reset)(jax.random.split(key, num_envs))
    nothing = jnp.zeros(team_reward(env.spec, timestep.reward).shape)
    running = Running(nothing, nothing, jnp.ones(num_envs), jnp.zeros(num_envs, jnp.int32))
    return Flow(state, timestep, jnp.ones(num_envs, bool), spread(memory, num_envs), running)


def _count(env: Environment, over: Array, running: Running, after: TimeStep) -> tuple[Running, Tally]:
    """Add a row to the running episodes, and each environment's own tally. ``over`` marks restarts."""
    reward = team_reward(env.spec, after.reward)
    anew = like(over, reward)
    running = Running(
        jnp.where(anew, 0.0, running.episode_return + reward),
        jnp.where(anew, 0.0, running.discounted + like(running.discount, reward) * reward),
        jnp.where(over, 1.0, running.discount * env.spec.discount),
        jnp.where(over, 0, running.length + 1),
    )
    ended = after.over
    total = lambda x: jnp.where(like(ended, x), x, 0)
    return running, Tally(
        (~over).astype(jnp.int32),
        ended.astype(jnp.int32),
        total(running.episode_return),
        total(running.discounted),
        total(running.length),
        {name: total(x) for name, x in after.measures.items()},
    )


def collect(
    env: Environment,
    act: Behave,
    memory: Memory,
    flow: Flow,
    key: PRNGKeyArray,
    num_steps: int,
    renew: Renew | None = None,
) -> tuple[Flow, Rows, Tally]:
    """Advance every environment by ``num_steps`` rows.

    A row comes of a step, or of the restart of an environment whose episode is over: an episode's last time
    step thus has a row of its own (see `Rows`).

    Args:
        act: the behaviour policy for a batch.
        memory: the team's memory at the start of an episode; environments that restarted get it anew.
        num_steps: rows T.
        renew: gives agents that join late or come back the memory of a start; left out, they keep theirs.

    Returns:
        The new flow, the T+1 rows and the tally of steps and finished episodes.
    """
    num_envs = flow.first.shape[0]
    fresh = spread(memory, num_envs)

    def advance(flow: Flow, key: PRNGKeyArray) -> tuple[Flow, Any]:
        k_act, k_step, k_reset = jax.random.split(key, 3)
        before = where(flow.first, fresh, flow.memory)
        after, actions, extras = act(before, flow.timestep, k_act)
        stepped = jax.vmap(env.step)(jax.random.split(k_step, num_envs), flow.state, actions)
        restarted = jax.vmap(env.reset)(jax.random.split(k_reset, num_envs))
        over = flow.timestep.over
        state, timestep = where(over, restarted, stepped)
        running, tally = _count(env, over, flow.running, timestep)
        if renew is not None and env.spec.agents_return:
            after = renew(after, timestep.active & ~flow.timestep.active)
        return mesh.over_copies(Flow(state, timestep, over, after, running)), (
            (flow.timestep, actions, flow.first, extras),
            tally,
        )

    memory_at_start = where(flow.first, fresh, flow.memory)
    flow, ((timesteps, actions, first, extras), tallies) = jax.lax.scan(
        advance, flow, jax.random.split(key, num_steps)
    )
    timesteps, first = jax.tree.map(
        lambda rows, last: jnp.concatenate([rows, last[None]]),
        (timesteps, first),
        (flow.timestep, flow.first),
    )
    # Summed here and not in each row, for devices that share the environments talk in every sum over them.
    tally = jax.tree.map(lambda x: x.sum((0, 1)), tallies)
    # Learning cuts and mixes rows in ways of its own: devices that share them gather them here, once.
    rows = mesh.joined((timesteps, actions, first, memory_at_start, extras), (1, 1, 1, 0, 1))
    return flow, Rows(*rows), tally


def of_copies(rows: Rows, which: Int[Array, "N"]) -> Rows:
    """The rows of some environments, whole in time.

    Args:
        rows: leaves ``(T+1, B, ...)``.
        which: indices of environments, ``(N,)``.

    Returns:
        Rows of N environments.
    """
    pick = lambda tree: jax.tree.map(lambda x: x[:, which], tree)
    memory = jax.tree.map(lambda x: x[which], rows.memory)
    return mesh.whole(pick(rows._replace(memory=()))._replace(memory=memory))


def episodes(env: Environment, before: Running, rows: Rows) -> Episodes:
    """The episodes that ended in a stretch, one by one.

    Args:
        before: the environments' running episodes where the stretch begins.
        rows: what `collect` returned.
    """

    def advance(running: Running, x: tuple[Array, TimeStep]) -> tuple[Running, Episodes]:
        over, after = x
        running, _ = _count(env, over, running, after)
        sums = (running.episode_return, running.discounted, running.length)
        return running, Episodes(after.over, *sums, after.measures)

    later = jax.tree.map(lambda x: x[1:], rows.timestep)
    return jax.lax.scan(advance, before, (rows.timestep.over[:-1], later))[1]
