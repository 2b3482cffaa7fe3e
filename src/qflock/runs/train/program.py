"""The compiled functions of a run: many seeds side by side, in chunks of updates.

One update is collect, then learn. It never prints, logs or reads a clock: between chunks plain
Python does that (see `runner`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.core.types import Environment, Learner, Metrics, Mode, Parameters
from qflock.playing import evaluation, rollout
from qflock.playing.rollout import Episodes, Flow, Tally
from qflock.runs.train import sharing
from qflock.runs.train.sharing import COPIES, EVERYWHERE, SEEDS, Sharing
from qflock.settings import config, registry
from qflock.settings.config import Settings


class RunState(NamedTuple):
    """Everything that a run of one seed needs to go on; with a leading seed axis inside a program."""

    learner: Any
    flow: Flow | Any  # empty where the learner plays by itself
    key: PRNGKeyArray


LAYOUT: Any = RunState(SEEDS, COPIES, SEEDS)  # type: ignore[arg-type]
"""Of a run's state on several devices."""


class Chunk(NamedTuple):
    """What a chunk of updates tells: means of the metrics, sums of the tally, per seed; and each episode,
    leaves (updates, T, B), where the log has a row for each."""

    metrics: Metrics
    tally: Tally
    episodes: Episodes | None = None


class Program(NamedTuple):
    """Attributes:
    updates: updates in a chunk.
    init: ``seeds -> RunState``.
    chunk: ``RunState -> (RunState, Chunk)``; the state given is donated.
    evaluate: ``(Parameters, keys) -> Scores`` of greedy episodes, per seed.
    sharing: the devices that they are compiled for.
    """

    env: Environment
    learner: Learner
    updates: int
    init: Callable[[Array], RunState]
    chunk: jax.stages.Wrapped  # for it is compiled before it is called
    evaluate: Callable[[Parameters, PRNGKeyArray], evaluation.Scores]
    sharing: Sharing


def named(key: PRNGKeyArray, name: str) -> PRNGKeyArray:
    """The key of one purpose, so that no two purposes ever share random numbers."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def learner_of(settings: Settings, env: Environment) -> Learner:
    """The learner that settings name, bound to an environment."""
    return registry.algorithm(settings.algorithm).build(settings.learner, env)


def by_seed(which: Any, these: Any, others: Any) -> Any:
    """Of two trees with a leading seed axis: ``these`` for the seeds of a mask, ``others`` for the rest."""
    which = jnp.asarray(which)
    pick = lambda a, b: jnp.where(which.reshape(-1, *[1] * (a.ndim - 1)), a, b)
    return jax.tree.map(pick, these, others)


def over_seeds(function: Callable[..., Any], seeds: int) -> Callable[..., Any]:
    """``function`` for every seed of a leading axis.

    Seeds are vectorised on an accelerator. On a CPU each fills the cores by itself: one after the
    other is as fast, keeps replay's writes in place (a vectorised write copies the whole ring), and gives
    a seed the same numbers alone and among others.
    """
    if seeds == 1:
        return lambda *a: jax.tree.map(lambda x: x[None], function(*jax.tree.map(lambda x: x[0], a)))
    if jax.default_backend() == "cpu":
        return lambda *a: jax.lax.map(lambda one: function(*one), a)
    return jax.vmap(function)


def build(settings: Settings) -> Program:
    """Compile-ready functions for the settings of a run. Nothing is computed yet."""
    env = config.make_environment(settings.run.env, settings.environment)
    learner = learner_of(settings, env)
    share = sharing.plan(settings.run.devices, settings.run.seeds, learner)
    interval = min(settings.run.log_interval, learner.total_steps or settings.run.log_interval)
    updates = max(1, round(interval / (learner.copies * learner.steps)))
    if learner.update is not None and settings.run.log_episodes:
        raise UserError(f"log_episodes is not for {settings.algorithm}: it plays its episodes by itself")

    def init(seed: Array) -> RunState:
        root = named(jax.random.key(seed), "training")
        state = _strong(learner.init(named(root, "learner")))
        if learner.update is not None:
            return RunState(state, (), named(root, "updates"))
        flow = rollout.start(env, learner.memory(), named(root, "environment"), learner.copies)
        return RunState(state, flow, named(root, "updates"))

    def update(run: RunState, _: None) -> tuple[RunState, Chunk]:
        if learner.update is not None:
            key, own = jax.random.split(run.key)
            state, metrics, tally = learner.update(run.learner, own)
            return RunState(state, (), key), Chunk(metrics, tally)
        key, k_collect, k_learn = jax.random.split(run.key, 3)
        explore = partial(learner.explore, run.learner)
        flow, rows, tally = rollout.collect(
            env, explore, learner.memory(), run.flow, k_collect, learner.steps
        )
        each = rollout.episodes(env, run.flow.running, rows) if settings.run.log_episodes else None
        state, metrics = learner.learn(run.learner, rows, k_learn)
        return RunState(state, flow, key), Chunk(metrics, tally, each)

    def chunk(run: RunState) -> tuple[RunState, Chunk]:
        run, told = jax.lax.scan(update, run, None, updates)
        sums = jax.tree.map(lambda x: x.sum(0), told.tally)
        return run, Chunk(jax.tree.map(jnp.nanmean, told.metrics), sums, told.episodes)

    return Program(
        env,
        learner,
        updates,
        share.compiled(partial(over_seeds, init), (SEEDS,), LAYOUT),
        share.compiled(partial(over_seeds, chunk), (LAYOUT,), (LAYOUT, EVERYWHERE), donate=(0,)),
        evaluator(env, learner, settings.run.eval_episodes, "greedy", settings.run.seeds, share),
        share,
    )


def _strong(state: Any) -> Any:
    """Types as a saved state has them; a weak one would have every chunk compiled twice."""
    return jax.tree.map(lambda x: jnp.asarray(x, x.dtype), state)


def evaluator(
    env: Environment, learner: Learner, episodes: int, mode: Mode, seeds: int, share: Sharing | None = None
) -> Callable[[Parameters, PRNGKeyArray], evaluation.Scores]:
    """A compiled ``(parameters, key) -> Scores``; every seed plays the same fresh boards.

    Args:
        episodes: episodes of each seed.
        mode: "greedy", or "sample" for the policy with its own randomness.
        seeds: length of the leading axis of the parameters.
        share: the devices to play on; one by default.
    """
    share = share or Sharing(None, seeds)

    def one(parameters: Parameters, key: PRNGKeyArray) -> evaluation.Scores:
        choose = evaluation.decentralised(learner, parameters, mode)
        return evaluation.play(env, choose, learner.memory(), key, episodes)

    played = share.compiled(partial(over_seeds, one), (SEEDS, SEEDS), EVERYWHERE)

    def every(parameters: Parameters, key: PRNGKeyArray) -> evaluation.Scores:
        return played(*share.place((parameters, jnp.broadcast_to(key, (seeds,))), SEEDS))

    return every
