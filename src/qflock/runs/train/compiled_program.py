"""The program of a run whose updates, environment and all, are compiled as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from qflock.core.environment import Environment, Referenced
from qflock.core.learner import Learner, Policy
from qflock.core.steps import Mode, Parameters
from qflock.core.trees import named
from qflock.learning.actions import of
from qflock.playing import evaluation
from qflock.runs.train import feeds, sharing
from qflock.runs.train.program import (
    LAYOUT,
    Ahead,
    Backend,
    Chunk,
    Evaluate,
    Part,
    RunState,
    by_seed,
    one_after_another,
    over_seeds,
)
from qflock.runs.train.sharing import EVERYWHERE, SEEDS, Sharing
from qflock.settings.config import Settings


class CompiledProgram:
    """A `program.Program` of compiled functions."""

    one_program = True

    def __init__(
        self, settings: Settings, env: Environment, learner: Learner, backend: Backend, sharing: Sharing
    ) -> None:
        """Make the functions. Nothing is computed yet.

        Args:
            sharing: the devices to compile for.

        Raises:
            UserError: settings that do not suit the learner's source.
        """
        run = settings.run
        self.env, self.learner, self.backend, self.sharing = env, learner, backend, sharing
        self._feed = feeds.build(env, learner, settings.algorithm, run.log_episodes)
        interval = min(run.log_interval, learner.limits or run.log_interval)
        self.updates = max(1, round(interval / learner.source.cost))
        self.init = sharing.compiled(partial(over_seeds, self._init), (SEEDS,), LAYOUT)
        arrives = (LAYOUT, EVERYWHERE, EVERYWHERE, SEEDS)
        self._chunk = sharing.compiled(self._over_seeds, arrives, (LAYOUT, EVERYWHERE), donate=(0,))
        self.evaluate = backend.evaluator(learner.policy, run.eval_episodes, "greedy", run.seeds, sharing)

    def _init(self, seed: Array) -> RunState:
        root = named(jax.random.key(seed), "training")
        learner = self.learner.init(named(root, "learner"))
        # Types as a saved state has them; a weak one would have every chunk compiled twice.
        learner = jax.tree.map(lambda x: jnp.asarray(x, x.dtype), learner)
        return RunState(learner, self._feed.start(named(root, "environment")), named(root, "updates"))

    def _over_seeds(self, seeds: int) -> Callable[[RunState, Any, Any, Any], tuple[RunState, Chunk]]:
        """A chunk of so many seeds, which all read the same data."""

        def chunk(runs: RunState, data: Any, updates: Any, going: Any) -> tuple[RunState, Chunk]:
            def one(run: RunState, going: Any) -> tuple[RunState, Chunk]:
                # A seed that is done does nothing. Vectorised seeds cannot: `chunk` puts those back.
                count = jnp.where(going, updates, 0) if one_after_another(seeds) else updates
                return self._some(run, data, count)

            return over_seeds(one, seeds)(runs, going)

        return chunk

    def _some(self, run: RunState, data: Any, count: Any) -> tuple[RunState, Chunk]:
        """So many updates of a seed, at most a chunk's: the count is an argument of the program, for a last
        chunk that is shorter is no reason to compile another."""
        update = lambda run: self._feed.update(run, data)
        told = jax.eval_shape(update, run)[1]
        empty = jax.tree.map(lambda x: jnp.zeros((self.updates, *x.shape), x.dtype), told)
        empty = empty._replace(metrics=jax.tree.map(lambda x: jnp.full_like(x, jnp.nan), empty.metrics))

        def body(i: Any, carry: tuple[RunState, Chunk]) -> tuple[RunState, Chunk]:
            run, each = carry
            run, own = update(run)
            return run, jax.tree.map(lambda rows, row: rows.at[i].set(row), each, own)

        run, each = jax.lax.fori_loop(0, count, body, (run, empty))
        tally = jax.tree.map(lambda x: x.sum(0), each.tally)
        return run, Chunk(jax.tree.map(jnp.nanmean, each.metrics), tally, each.episodes)

    def chunk(self, run: RunState, part: Part | None = None) -> tuple[RunState, Chunk]:
        """See `program.Program`."""
        updates, going = part or self._whole
        apart = all(going) or one_after_another(self.sharing.seeds_here)
        before = None if apart else jax.tree.map(jnp.copy, run)
        after, told = self._chunk(run, self._data, np.int32(updates), self.sharing.place(going, SEEDS))
        return after if before is None else by_seed(going, after, before), told

    @property
    def _whole(self) -> Part:
        return Part.whole(self.updates, self.sharing.seeds)

    @cached_property
    def _data(self) -> Any:
        """What all updates read, on the devices."""
        return self.sharing.place(jax.tree.map(jnp.asarray, self._feed.data), EVERYWHERE)

    def outline(self, run: RunState) -> tuple[RunState, Chunk]:
        """See `program.Program`."""
        return over_seeds(lambda run: self._some(run, self._feed.data, self.updates), self.sharing.seeds)(run)

    def ahead(self, shapes: RunState) -> Sequence[Ahead]:
        """See `program.Program`."""
        return [Ahead(self._chunk, (shapes, self._feed.data, *self._whole))]

    def warnings(self) -> Sequence[str]:
        """See `program.Program`: a resumed run goes on exactly."""
        return ()

    def close(self) -> None:
        """See `program.Program`: nothing runs beside it."""


class CompiledBackend:
    """A `program.Backend` for an environment that is a pure function."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    def program(self, settings: Settings, learner: Learner) -> CompiledProgram:
        """See `program.Backend`.

        Raises:
            UserError: devices that are not there or do not divide the work; see `CompiledProgram`.
        """
        devices = sharing.plan(settings.run.devices, settings.run.seeds, learner.source)
        return CompiledProgram(settings, self._env, learner, self, devices)

    def evaluator(
        self, policy: Policy, episodes: int, mode: Mode, seeds: int, sharing: Sharing | None = None
    ) -> Evaluate:
        """See `program.Backend`."""
        sharing = sharing or Sharing(None, seeds)

        def one(parameters: Parameters, key: PRNGKeyArray) -> evaluation.Scores:
            choose = evaluation.of_policy(policy, parameters, mode)
            return evaluation.play(self._env, choose, policy.start(), key, episodes)

        play = sharing.compiled(partial(over_seeds, one), (SEEDS, SEEDS), EVERYWHERE)

        def evaluate(parameters: Parameters, key: PRNGKeyArray) -> evaluation.Scores:
            return play(*sharing.place((parameters, jnp.broadcast_to(key, (seeds,))), SEEDS))

        return evaluate

    def references(self, key: PRNGKeyArray, episodes: int) -> Mapping[str, evaluation.Scores]:
        """See `program.Backend`."""
        env = self._env
        policies = dict(env.references()) if isinstance(env, Referenced) else {}
        policies["random"] = evaluation.random_policy(env.spec)
        # A user's policy may count in another type; a switch wants one.
        kind = of(env.spec.action).zeros().dtype
        branches = [
            lambda *arguments, one=one: jnp.asarray(one(*arguments), kind) for one in policies.values()
        ]

        def score(key: PRNGKeyArray, which: Int[Array, ""]) -> evaluation.Scores:
            choose = evaluation.of_reference(
                lambda key, state, now: jax.lax.switch(which, branches, key, state, now)
            )
            return evaluation.play(env, choose, (), key, episodes)

        # One program, one policy after the other: a program each would compile the environment as often. The
        # key is an argument, so that the program in the cache is good for all of them.
        every = jax.jit(lambda key: jax.lax.map(partial(score, key), jnp.arange(len(policies))))
        scores = jax.device_get(every(key))
        return {name: jax.tree.map(lambda x, i=i: x[i], scores) for i, name in enumerate(policies)}
