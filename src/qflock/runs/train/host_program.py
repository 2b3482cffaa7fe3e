"""The program of a run on a host environment: a Python loop over the learner's compiled functions.

The same learner, log, evaluation and weights as in `program`. What differs: environments live in workers and
are no part of the state, so a resumed run goes on with the learner that was saved and with new episodes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from qflock.bridges.host.workers import HostEnvironment, Workers
from qflock.core.errors import UserError
from qflock.core.types import Environment, Learner, Memory, Mode, Parameters, Rows, TimeStep
from qflock.playing import evaluation, host_rollout
from qflock.playing.rollout import Episodes, Tally, spread, where
from qflock.runs.train import sharing
from qflock.runs.train.program import Chunk, RunState, learner_of, named, over_seeds
from qflock.settings.config import Settings


class HostProgram:
    """A `program.Program` for a host environment, with two things more: `outline`, and `close`.

    Attributes:
        env, learner, updates, init, evaluate: as in `program.Program`.
    """

    def __init__(self, settings: Settings, env: HostEnvironment) -> None:
        self.env: Any = env
        self.learner = learner = learner_of(settings, self.env)
        if learner.update is not None:
            raise UserError(
                f"{settings.algorithm} plays by itself, inside one compiled program; {env.spec.name} cannot"
            )
        self._run = settings.run
        self.sharing = sharing.alone(settings.run.devices, env.spec.name)
        self.updates = max(1, round(settings.run.log_interval / (learner.copies * learner.steps)))
        seeds = settings.run.seeds
        self.init = jax.jit(over_seeds(self._init, seeds))
        self._split = jax.jit(over_seeds(lambda key: tuple(jax.random.split(key, 3)), seeds))
        self._act = jax.jit(over_seeds(self._act_one, seeds))
        self._renewed = jax.jit(over_seeds(self._renewed_one, seeds))
        self._learn = jax.jit(over_seeds(learner.learn, seeds), donate_argnums=0)
        self.evaluate = evaluator(self.env, learner, settings.run.eval_episodes, "greedy", seeds)
        self._flow: host_rollout.Flow | None = None
        self._memory: Memory = ()

    def _init(self, seed: Array) -> RunState:
        root = named(jax.random.key(seed), "training")
        return RunState(self.learner.init(named(root, "learner")), (), named(root, "updates"))

    def _fresh(self) -> Memory:
        return spread(self.learner.memory(), self.learner.copies, self.env.spec.agents)

    def _renewed_one(self, first: Array, memory: Memory) -> Memory:
        return where(first, self._fresh(), memory)

    def _act_one(
        self, state: Any, key: PRNGKeyArray, tick: Array, memory: Memory, first: Array, now: TimeStep
    ) -> tuple[Memory, Array, Any]:
        memory = self._renewed_one(first, memory)
        return self.learner.explore(state, memory, now, jax.random.fold_in(key, tick))

    def outline(self, run: RunState) -> tuple[RunState, Chunk]:
        """`chunk` without environments: of use for the shapes of what it returns alone."""
        copies, steps = self.learner.copies, self.learner.steps

        def one(run: RunState) -> tuple[RunState, Chunk]:
            now = self.env.reset(jax.random.key(0))[1]
            rowed = lambda x, n: jnp.broadcast_to(x, (n, copies, *x.shape))
            many = jax.tree.map(lambda x: rowed(x, 1)[0], now)
            _, actions, extras = self.learner.explore(run.learner, self._fresh(), many, run.key)
            times = lambda tree, n: jax.tree.map(lambda x: jnp.broadcast_to(x, (n, *x.shape)), tree)
            first = jnp.zeros((steps + 1, copies), bool)
            rows = Rows(
                times(many, steps + 1), times(actions, steps), first, self._fresh(), times(extras, steps)
            )
            state, metrics = self.learner.learn(run.learner, rows, run.key)
            nothing, none = jnp.float32(0), jnp.int32(0)
            tally = Tally(none, none, nothing, nothing, none, {})
            place = jnp.zeros((self.updates, steps, copies))
            each = Episodes(place > 0, place, place, place, {}) if self._run.log_episodes else None  # type: ignore[arg-type]
            return run._replace(learner=state), Chunk(metrics, tally, each)

        return jax.vmap(one)(run)

    def chunk(self, run: RunState) -> tuple[RunState, Chunk]:
        """`updates` updates; the learner's state that is given is donated."""
        if self._flow is None:
            self._begin(run.key)
        assert self._flow is not None
        state, keys, told = run.learner, run.key, []
        for _ in range(self.updates):
            keys, collecting, learning = self._split(keys)

            def act(memory: Memory, first: Any, now: TimeStep, tick: int) -> Any:
                ticks = np.full(len(first), tick, np.int32)
                return self._act(state, collecting, ticks, memory, first, now)  # noqa: B023 (used at once)

            before = self._renewed(self._flow.first, self._memory)
            self._memory, rows, tally, each = self._flow.collect(act, before, self.learner.steps)
            state, metrics = self._learn(state, rows._replace(memory=before), learning)
            told.append((metrics, tally, each if self._run.log_episodes else None))
        metrics, tallies, each = zip(*told, strict=True)
        means = jax.tree.map(lambda *x: jnp.nanmean(jnp.stack(x), 0), *metrics)
        tally = jax.tree.map(lambda *x: sum(x), *tallies)
        episodes = None if each[0] is None else jax.tree.map(lambda *x: np.stack(x, 1), *each)
        return RunState(state, (), keys), Chunk(means, tally, episodes)

    def _begin(self, keys: PRNGKeyArray) -> None:
        """Start the workers, with episodes that no earlier process of this run has seen."""
        seeds, copies = self._run.seeds, self.learner.copies
        own = [host_rollout.streams(named(key, "environment"), copies) for key in keys]
        workers = Workers(self.env, seeds * copies)
        try:
            self._flow = host_rollout.Flow(workers, self.env.spec, seeds, copies, np.concatenate(own))
        except BaseException:
            workers.close()
            raise
        self._memory = jax.tree.map(lambda x: jnp.broadcast_to(x, (seeds, *x.shape)), self._fresh())

    def close(self) -> None:
        """End all workers; nothing stays behind."""
        if self._flow is not None:
            self._flow.close()
            self._flow = None


def evaluator(env: Environment, learner: Learner, episodes: int, mode: Mode, seeds: int) -> Any:
    """As `program.evaluator`, for a host environment; workers live for one call."""

    @jax.jit
    def choose(parameters: Parameters, key: Any, memory: Memory, first: Array, now: TimeStep) -> Any:
        copies = first.shape[0]
        memory = where(first, spread(learner.memory(), copies, env.spec.agents), memory)
        one = evaluation.decentralised(learner, parameters, mode)
        keys = jax.random.split(key, copies)
        return jax.vmap(lambda m, n, k: one(m, None, n, k))(memory, now, keys)

    def every(parameters: Parameters, key: PRNGKeyArray) -> evaluation.Scores:
        each = []
        for seed in range(seeds):
            own = jax.tree.map(lambda x, seed=seed: x[seed], parameters)
            memory = lambda copies: spread(learner.memory(), copies, env.spec.agents)
            act = lambda m, first, now, tick, own=own: (
                *choose(own, jax.random.fold_in(key, tick), m, first, now),
                (),
            )
            each.append(host_rollout.play(env, act, memory, named(key, "episodes"), episodes))  # type: ignore[arg-type]
        return jax.tree.map(lambda *x: np.stack(x), *each)

    return every


def random_play(env: Environment, key: PRNGKeyArray, episodes: int) -> evaluation.Scores:
    """Scores of random legal actions on the episodes of ``key``."""
    choose = jax.jit(jax.vmap(partial(_random, None)))

    def act(memory: Memory, first: Any, now: TimeStep, tick: int) -> Any:
        keys = jax.random.split(jax.random.fold_in(key, tick), len(first))
        return memory, choose(keys, now), ()

    return host_rollout.play(env, act, lambda copies: (), named(key, "episodes"), episodes)  # type: ignore[arg-type]


def _random(state: None, key: PRNGKeyArray, now: TimeStep) -> Array:
    return evaluation.random_policy(key, state, now)
