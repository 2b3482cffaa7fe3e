"""The program of a run on a host environment: a Python loop over the learner's compiled functions.

The same learner, log, evaluation and weights as in `program`. What differs: environments live in workers and
are no part of the state, so a resumed run goes on with the learner that was saved and with new episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from qflock.bridges.host.workers import HostEnvironment, Workers
from qflock.core.errors import UserError
from qflock.core.learner import Dataset, Learner, Policy, Rollout
from qflock.core.steps import Memory, Mode, Parameters, Rows, TimeStep
from qflock.core.trees import named, spread, where
from qflock.playing import evaluation, execution, host_rollout
from qflock.playing.host_rollout import Place
from qflock.playing.rollout import Episodes
from qflock.runs.train import feeds, sharing
from qflock.runs.train.compiled_program import CompiledProgram
from qflock.runs.train.program import (
    Ahead,
    Backend,
    Chunk,
    Evaluate,
    Part,
    Program,
    RunState,
    by_seed,
    over_seeds,
)
from qflock.runs.train.sharing import Sharing
from qflock.settings.config import Settings

RESTARTED = "episodes start anew: this environment is no pure function, so resuming is not exact"


class HostProgram:
    """A `program.Program` whose environments are stepped in workers."""

    one_program = False

    def __init__(
        self, settings: Settings, env: HostEnvironment, learner: Learner, source: Rollout, backend: Backend
    ) -> None:
        """Make the functions. Nothing is computed, and no worker started, yet.

        Args:
            source: the learner's.

        Raises:
            UserError: more than one device or process.
        """
        assert learner.learn is not None
        self.env: Any = env
        self.learner, self.backend, self._source, self._run = learner, backend, source, settings.run
        self.sharing = sharing.alone(settings.run.devices, settings.run.seeds, env.spec.name)
        self.updates = max(1, round(settings.run.log_interval / source.cost))
        seeds = settings.run.seeds
        self.init = jax.jit(over_seeds(self._init, seeds))
        self._split = jax.jit(over_seeds(lambda key: tuple(jax.random.split(key, 3)), seeds))
        self._act = jax.jit(over_seeds(self._act_one, seeds))
        self._renewed = jax.jit(over_seeds(self._renewed_one, seeds))
        self._learn = jax.jit(over_seeds(learner.learn, seeds), donate_argnums=0)
        open_now = seeds * source.num_envs
        beside = HostBackend(env, max(1, open_now // 2), open_now)
        self.evaluate = beside.evaluator(learner.policy, settings.run.eval_episodes, "greedy", seeds)
        self._flow: host_rollout.Flow | None = None
        self._memory: Memory = ()

    def _init(self, seed: Array) -> RunState:
        root = named(jax.random.key(seed), "training")
        return RunState(self.learner.init(named(root, "learner")), (), named(root, "updates"))

    def _fresh(self) -> Memory:
        return spread(self.learner.policy.start(), self._source.num_envs)

    def _renewed_one(self, first: Array, memory: Memory) -> Memory:
        return where(first, self._fresh(), memory)

    def _act_one(
        self, state: Any, key: PRNGKeyArray, step: Array, memory: Memory, first: Array, now: TimeStep
    ) -> tuple[Memory, Array, Any]:
        memory = self._renewed_one(first, memory)
        return self._source.explore(state, memory, now, jax.random.fold_in(key, step))

    def outline(self, run: RunState) -> tuple[RunState, Chunk]:
        """See `program.Program`: a chunk without environments."""
        num_envs, num_steps = self._source.num_envs, self._source.num_steps
        learn = self.learner.learn
        assert learn is not None

        def one(run: RunState) -> tuple[RunState, Chunk]:
            now = spread(self.env.reset(jax.random.key(0))[1], num_envs)
            _, actions, extras = self._source.explore(run.learner, self._fresh(), now, run.key)
            first = jnp.zeros((num_steps + 1, num_envs), bool)
            rows = Rows(
                spread(now, num_steps + 1),
                spread(actions, num_steps),
                first,
                self._fresh(),
                spread(extras, num_steps),
            )
            state, metrics = learn(run.learner, rows, run.key)
            tally = feeds.nothing_played(self.env, 0)._replace(measures={})
            place = jnp.zeros((self.updates, num_steps, num_envs))
            returns = jnp.zeros((*place.shape, *tally.episode_return.shape))
            each = Episodes(place > 0, returns, returns, place, {}) if self._run.log_episodes else None  # type: ignore[arg-type]
            return run._replace(learner=state), Chunk(metrics, tally, each)

        return jax.vmap(one)(run)

    def chunk(self, run: RunState, part: Part | None = None) -> tuple[RunState, Chunk]:
        """See `program.Program`; the learner's state that is given is donated."""
        updates, going = part or Part.whole(self.updates, self._run.seeds)
        before = None if all(going) else jax.tree.map(jnp.copy, run)
        after, told = self._some(run, int(updates))
        return after if before is None else by_seed(going, after, before), told

    def _some(self, run: RunState, updates: int) -> tuple[RunState, Chunk]:
        if self._flow is None:
            self._begin(run.key)
        assert self._flow is not None
        state, keys, each_update = run.learner, run.key, []
        for _ in range(updates):
            keys, collecting, learning = self._split(keys)

            def act(memory: Memory, first: Any, now: TimeStep, step: int) -> Any:
                steps = np.full(len(first), step, np.int32)
                return self._act(state, collecting, steps, memory, first, now)  # noqa: B023 (used at once)

            before = self._renewed(self._flow.first, self._memory)
            self._memory, rows, tally, each = self._flow.collect(
                act, before, self._source.num_steps, partial(execution.renewed, self.learner.policy)
            )
            state, metrics = self._learn(state, rows._replace(memory=before), learning)
            each_update.append((metrics, tally, each if self._run.log_episodes else None))
        metrics, tallies, each = zip(*each_update, strict=True)
        means = jax.tree.map(lambda *x: jnp.nanmean(jnp.stack(x), 0), *metrics)
        tally = jax.tree.map(lambda *x: sum(x), *tallies)
        episodes = None if each[0] is None else jax.tree.map(lambda *x: np.stack(x, 1), *each)
        return RunState(state, (), keys), Chunk(means, tally, episodes)

    def _begin(self, keys: PRNGKeyArray) -> None:
        """Start the workers, with episodes that no earlier process of this run has seen."""
        seeds, num_envs = self._run.seeds, self._source.num_envs
        own = [host_rollout.streams(named(key, "environment"), num_envs) for key in keys]
        workers = Workers(self.env, seeds * num_envs)
        try:
            self._flow = host_rollout.Flow(workers, self.env.spec, seeds, num_envs, np.concatenate(own))
        except BaseException:
            workers.close()
            raise
        self._memory = spread(self._fresh(), seeds)

    def ahead(self, shapes: RunState) -> Sequence[Ahead]:
        """See `program.Program`: a chunk is no single program."""
        return ()

    def warnings(self) -> Sequence[str]:
        """See `program.Program`."""
        return (RESTARTED,)

    def close(self) -> None:
        """End all workers; nothing stays behind."""
        if self._flow is not None:
            self._flow.close()
            self._flow = None


class HostBackend:
    """A `program.Backend` for an environment that cannot be compiled.

    Args:
        env: the environment.
        copies: how many may be open while it evaluates, unless the environment's ``evaluation_copies`` says.
        first: the number of the first of them; those below are open already.
    """

    def __init__(self, env: HostEnvironment, copies: int | None = None, first: int = 0) -> None:
        self._env, self._first = env, first
        self._copies = env.evaluation_copies or copies or host_rollout.PLAYED_TOGETHER

    def _workers(self, episodes: int) -> Workers:
        return Workers(self._env, min(self._copies, host_rollout.seats(episodes)), self._first)

    def program(self, settings: Settings, learner: Learner) -> Program:
        """See `program.Backend`.

        Raises:
            UserError: a learner that plays by itself; more than one device or process.
        """
        env: Any = self._env
        if isinstance(learner.source, Rollout):
            return HostProgram(settings, env, learner, learner.source, self)
        if isinstance(learner.source, Dataset):  # its updates play nothing; its evaluations do
            devices = sharing.alone(settings.run.devices, settings.run.seeds, env.spec.name)
            return CompiledProgram(settings, env, learner, self, devices)
        raise UserError(
            f"{settings.algorithm} plays by itself, inside one compiled program; {env.spec.name} cannot"
        )

    def evaluator(
        self, policy: Policy, episodes: int, mode: Mode, seeds: int, sharing: Sharing | None = None
    ) -> Evaluate:
        """See `program.Backend`; workers live for one call, and play on one device."""
        choose = jax.jit(partial(_choose, policy, mode, host_rollout.seats(episodes)))

        def evaluate(parameters: Parameters, key: PRNGKeyArray) -> evaluation.Scores:
            each, own_key = [], named(key, "episodes")
            fresh = lambda num_envs: spread(policy.start(), num_envs)
            with self._workers(episodes) as workers:
                for seed in range(seeds):
                    own = jax.tree.map(lambda x, seed=seed: x[seed], parameters)
                    act = partial(choose, own, key)
                    each.append(host_rollout.play(workers, self._env.spec, act, fresh, own_key, episodes))
            return jax.tree.map(lambda *x: np.stack(x), *each)

        return evaluate

    def references(self, key: PRNGKeyArray, episodes: int) -> Mapping[str, evaluation.Scores]:
        """See `program.Backend`: random legal actions alone, for nothing else can see a host's state."""
        spec, count = self._env.spec, host_rollout.seats(episodes)
        random = evaluation.random_policy(spec)

        @jax.jit
        def act(memory: Memory, first: Array, now: TimeStep, place: Place) -> Any:
            return memory, jax.vmap(lambda key, now: random(key, None, now))(_keys(key, place, count), now)

        with self._workers(episodes) as workers:
            fresh = lambda num_envs: ()
            return {"random": host_rollout.play(workers, spec, act, fresh, named(key, "episodes"), episodes)}


def _keys(key: PRNGKeyArray, place: Place, seats: int) -> PRNGKeyArray:
    """A key for every copy, which follows its seat and step alone."""
    own = lambda seat, step: jax.random.split(jax.random.fold_in(key, step), seats)[seat]
    return jax.vmap(own)(place.seat, place.step)


def _choose(
    policy: Policy,
    mode: Mode,
    seats: int,
    parameters: Parameters,
    key: PRNGKeyArray,
    memory: Memory,
    first: Array,
    now: TimeStep,
    place: Place,
) -> tuple[Memory, Any]:
    """One step of a policy in every copy; a memory is renewed where an episode begins."""
    memory = where(first, spread(policy.start(), first.shape[0]), memory)
    one = evaluation.of_policy(policy, parameters, mode)
    return jax.vmap(lambda m, n, k: one(m, None, n, k))(memory, now, _keys(key, place, seats))
