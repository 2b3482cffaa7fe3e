"""What one update of a seed is, for each kind of source that a learner's experience comes from.

A feed is pure: a compiled program scans over its updates. An update that plays no step is no special case: it
counts what the source says that it costs, and its tally has no episodes.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from qflock.core.environment import Environment
from qflock.core.errors import UserError
from qflock.core.learner import Dataset, Learner, Own, Rollout
from qflock.core.steps import team_reward
from qflock.playing import execution, rollout
from qflock.playing.rollout import Tally
from qflock.runs.train.program import Chunk, RunState


class Start(Protocol):
    """What goes on between updates beside the learner, before the first one."""

    def __call__(self, key: PRNGKeyArray, /) -> Any: ...


class Update(Protocol):
    """One update of one seed."""

    def __call__(self, run: RunState, data: Any, /) -> tuple[RunState, Chunk]:
        """The state after it, and what it tells; ``data`` is the feed's."""
        ...


class Feed(NamedTuple):
    """Experience, and learning from it.

    Attributes:
        start: the ``flow`` of a run's state.
        update: one update.
        data: arrays that every update reads and none changes, the same for all seeds: no part of the state.
    """

    start: Start
    update: Update
    data: Any = ()


def build(env: Environment, learner: Learner, algorithm: str, log_episodes: bool) -> Feed:
    """The feed of a learner.

    Args:
        algorithm: its name, for messages.
        log_episodes: tell of every episode by itself.

    Raises:
        UserError: ``log_episodes`` for a source that does not play episodes in copies of the environment.
    """
    source = learner.source
    if isinstance(source, Rollout):
        return _rollout(env, learner, source, log_episodes)
    if log_episodes:
        why = "it plays its episodes by itself" if isinstance(source, Own) else "it plays none"
        raise UserError(f"log_episodes is not for {algorithm}: {why}")
    return _own(source) if isinstance(source, Own) else _dataset(env, learner, source)


def _rollout(env: Environment, learner: Learner, source: Rollout, log_episodes: bool) -> Feed:
    """Step copies of the environment, then learn from the rows."""
    learn = learner.learn
    assert learn is not None

    def start(key: PRNGKeyArray) -> rollout.Flow:
        return rollout.start(env, learner.policy.start(), key, source.num_envs)

    def update(run: RunState, data: Any) -> tuple[RunState, Chunk]:
        key, k_collect, k_learn = jax.random.split(run.key, 3)
        explore = partial(source.explore, run.learner)
        flow, rows, tally = rollout.collect(
            env,
            explore,
            learner.policy.start(),
            run.flow,
            k_collect,
            source.num_steps,
            partial(execution.renewed, learner.policy),
        )
        each = rollout.episodes(env, run.flow.running, rows) if log_episodes else None
        state, metrics = learn(run.learner, rows, k_learn)
        return RunState(state, flow, key), Chunk(metrics, tally, each)

    return Feed(start, update)


def _own(source: Own) -> Feed:
    """The learner plays by itself."""

    def update(run: RunState, data: Any) -> tuple[RunState, Chunk]:
        key, own = jax.random.split(run.key)
        state, metrics, tally = source.update(run.learner, own)
        return RunState(state, (), key), Chunk(metrics, tally)

    return Feed(lambda key: (), update)


def _dataset(env: Environment, learner: Learner, source: Dataset) -> Feed:
    """Draw recorded sequences, uniformly with replacement, then learn from them."""
    learn = learner.learn
    assert learn is not None
    num_sequences = source.rows.actions.shape[1]

    def update(run: RunState, data: Any) -> tuple[RunState, Chunk]:
        key, k_draw, k_learn = jax.random.split(run.key, 3)
        which = jax.random.randint(k_draw, (source.batch,), 0, num_sequences)
        state, metrics = learn(run.learner, rollout.of_copies(data, which), k_learn)
        return RunState(state, (), key), Chunk(metrics, nothing_played(env, source.cost))

    return Feed(lambda key: (), update, source.rows)


def nothing_played(env: Environment, cost: int) -> Tally:
    """The tally of an update that counts ``cost`` and in which no episode ended.

    Args:
        env: its measures and teams give the tally its shape.
        cost: environment steps, or what else the learner's source counts, of an update.
    """
    now = jax.eval_shape(env.reset, jax.random.key(0))[1]
    returns = jnp.zeros(jax.eval_shape(partial(team_reward, env.spec), now.reward).shape)
    measures = {name: jnp.zeros(x.shape) for name, x in now.measures.items()}
    return Tally(jnp.int32(cost), jnp.int32(0), returns, returns, jnp.int32(0), measures)
