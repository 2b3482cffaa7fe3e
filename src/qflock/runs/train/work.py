"""Chunks of compiled updates, and plain Python between them.

Between two chunks the work logs, evaluates, saves and draws progress, sees whether it was asked to stop, and
whether numbers are still numbers. Everything that it does is a function of the state and of counters that are
saved with it, so a resumed run writes the same bytes as one that was never stopped, but for its times.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from qflock.bridges.host.watch import WorkerLost
from qflock.core.errors import UserError
from qflock.core.hooks import EndedRun, Hooks, RunFacts
from qflock.core.learner import Dataset
from qflock.core.shell import command
from qflock.machine import processes, provenance
from qflock.playing import execution
from qflock.runs import checkpoint, evaluation, summaries
from qflock.runs.folder import RunFolder
from qflock.runs.train import ending, footprint, health, ledger, loggers, longer, program, programs, sharing
from qflock.runs.train.callbacks import Callbacks
from qflock.runs.train.circuit_evaluations import measurements
from qflock.runs.train.health import Diverged, Trouble
from qflock.runs.train.ledger import Ledger, Position
from qflock.runs.train.progress import Progress
from qflock.runs.train.returns import teams_of
from qflock.runs.train.stop import Clock, Interrupted, Stopper
from qflock.runs.weights import WeightsFiles, weights_of
from qflock.settings import config, measured, registry
from qflock.settings.config import Settings

ANCHOR = 10
"""Chunks of updates between the states that ``on_nan`` "rollback" goes back to: a number, not a time, so that
a run that was killed goes back to the same ones."""
TRIES = 5
"""Rollbacks to one state before the run gives up."""


class Work:
    """One process's work on one run. What must outlive it is in the state and the ledger's position."""

    def __init__(self, settings: Settings, quiet: bool, callbacks: Callbacks | None = None) -> None:
        loggers.need(settings.run.loggers)
        self.callbacks = callbacks or Callbacks()
        self.settings, self.quiet = settings, quiet
        self.hooks = Hooks()
        self.program = programs.build(settings)
        limit = self.program.learner.limits
        self.total = settings.run.total_steps if limit is None else min(limit, settings.run.total_steps)
        self.seeds = range(settings.run.seed, settings.run.seed + settings.run.seeds)
        self.shapes = jax.eval_shape(self.program.init, self._seed_array())
        self.look = health.inspector(self.program.learner)
        unit = source.unit if isinstance(source := self.program.learner.source, Dataset) else "steps"
        title, known = registry.title(settings.algorithm, settings.run.env), measured.references(settings)
        self.progress = Progress(title, quiet=quiet or not processes.first(), unit=unit, references=known)
        self.memory = footprint.tell(footprint.of_seed(self.program, self.shapes), self.program.sharing)
        if processes.several() and settings.run.on_nan == "rollback":
            raise UserError("on_nan rollback is for runs of a single process; choose stop or skip")
        # Traced before a folder is made: what is wrong with an environment or a network shows here.
        self.chunk_shapes = jax.eval_shape(self.program.outline, self.shapes)[1]
        columns = evaluation.columns(teams_of(self.chunk_shapes), [*self.chunk_shapes.tally.measures])
        self.merit = evaluation.merit(self.program.learner.merit, columns)

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        """While it is entered, what else the learner does in a run is done.

        Raises:
            UserError: the learner refuses such a run.
        """
        hooks, run = self.program.learner.hooks, self.settings.run
        if hooks is None:
            yield
            return
        mapping = config.to_mapping(self.settings)
        alone = not processes.several()
        facts = RunFacts(mapping, run.env, run.seed, run.seeds, run.final_episodes, self.quiet, alone)
        with hooks(facts) as self.hooks:
            yield

    def _seed_array(self) -> jax.Array:
        return jnp.array(self.seeds, dtype=jnp.uint32)

    def doubt(self, where: RunFolder) -> Callable[[dict[str, Any]], str]:
        """As `checkpoint.newest_state` wants it."""
        return lambda position: ledger.doubt(where, Position.read(position, len(self.seeds)))

    def go(self, where: RunFolder, saved: checkpoint.Saved | None) -> dict[str, Any]:
        """Train to the end, from a saved state or from the start, inside the run's locked folder.

        Args:
            where: the run's folder, locked by this process.
            saved: the state to go on from; None begins.

        Returns:
            What ``summary.json`` holds.

        Raises:
            Interrupted: the run was asked to stop; its state is saved.
            Diverged: NaN or infinity, where the settings say to stop or going back does not help.
            UserError: a worker of a host environment is gone; what was saved before is whole.
        """
        self.where, self.clock = where, Clock(self.settings.run.state_interval)
        program = self.program
        self.files = WeightsFiles(where, self.settings, program.env, program.learner, self.seeds)
        self.stopper = Stopper(command("resume", where.known_as))
        try:
            with self.stopper, self.progress, contextlib.closing(program):
                return self._train(saved)
        except KeyboardInterrupt as again:
            raise Interrupted(where.known_as, "what was saved before is whole") from again
        except WorkerLost as lost:
            raise UserError(f"{lost}. Go on with: {command('resume', where.known_as)}") from lost

    def _train(self, saved: checkpoint.Saved | None) -> dict[str, Any]:
        if saved:
            state = saved.state
        else:
            inspection = program.Ahead(self.look, (self.shapes, self.chunk_shapes._replace(episodes=None)))
            with programs.compiling(self.program, self.shapes, self.progress.message, inspection):
                state = self.begin()
        self._open(Position.read(saved.position, len(self.seeds)) if saved else None)
        try:
            warnings = [*saved.warnings, *self._warnings()] if saved else []
            for line in [*self.memory, *(f"warning: {warning}" for warning in warnings)]:
                self.progress.message(line)
            self.progress.start(self.total, self.ledger.done)
            state = self._placed(state)
            while not (self._finished() or self.callbacks.stop()):
                state = self._chunk(state)
                failed = self.callbacks.call(self.ledger.done, state, self.where.known_as)
                ended = self.stopper.asked or failed is not None
                asked, late = processes.agreed(ended, self.clock.due())
                if asked or late:
                    self._save(state)
                if asked:
                    self.hooks.interrupted(state.learner)
                    raise failed or Interrupted(self.where.known_as)
            self._save(state)
            return self._finish(state)
        finally:
            self.ledger.close()

    def _open(self, position: Position | None) -> None:
        """Open the books at a position."""
        start = position or Position.begin(len(self.seeds))
        per_update = measurements(self.program, self.settings, self.shapes)
        self.ledger = Ledger(self.where, self.seeds, self.chunk_shapes, start, per_update)
        if position is not None:
            self.hooks.go_on(position.more)
        for line in self.ledger.messages:
            self.progress.message(f"warning: {line}")

    def _warnings(self) -> list[str]:
        """What a resumed run must be told."""
        other = provenance.changes(self.where.read_hparams())
        changed = [f"begun with {', '.join(other)}: bits may differ"] if other else []
        return [*changed, *self.program.warnings()]

    def _finished(self) -> bool:
        run, ledger = self.settings.run, self.ledger
        return ledger.done >= self.total or 0 < run.total_episodes <= min(ledger.position.episodes)

    def begin(self) -> program.RunState:
        """The state before the first update."""
        state = self.program.init(self.program.sharing.place(self._seed_array(), sharing.SEEDS))
        if (source := self.settings.run.init_from) is None:
            return state._replace(learner=program.apart(self.hooks.start(state.learner)))
        learner = self.program.learner
        weights = weights_of(source, jax.eval_shape(jax.vmap(learner.weights), state.learner))
        return state._replace(learner=program.apart(jax.vmap(learner.start_from)(state.learner, weights)))

    def _chunk(self, state: program.RunState) -> program.RunState:
        """A chunk of updates, its rows in the log, and what is due after it."""
        on_nan, p = self.settings.run.on_nan, self.ledger.position
        chunks = p.update // self.program.updates
        anchored = p.update in p.anchors or (p.anchors and chunks % ANCHOR)
        if on_nan == "rollback" and not anchored:
            p.anchors, p.tries = [*p.anchors, p.update][-2:], 0
            self._save(state)
        before = program.apart(state) if on_nan == "skip" else None  # a chunk donates its state
        part = self.ledger.rest(self.total, self.program.learner.source.cost, self.program.updates)
        if longer.begins(part, self.program.updates, p):
            longer.begun(self.where, p, self.total)
            if p.update:
                self._save(state)
        state, chunk = self.program.chunk(state, part)
        flags = sharing.gathered(self.look(state, chunk._replace(episodes=None)))
        chunk, host_flags = jax.device_get((chunk, flags))
        trouble = health.judge({name: bad & part.going for name, bad in host_flags.items()}, self.seeds)
        if trouble is not None:
            if before is None:
                return self._roll_back(trouble)
            self.progress.message(f"warning: {trouble}; these updates are taken back, {self._at()}")
            state = self._placed(health.without(trouble, state, before))
        bad = [False] * len(self.seeds) if trouble is None else trouble.seeds
        found = self.ledger.chunk(chunk, part, bad)
        self.callbacks.chunk(chunk, part, bad)
        self.progress.update(self.ledger.done, found.mean, each=found.of_seeds)
        for line in self.hooks.watch(self._row(chunk)) if part.going[0] and not bad[0] else ():
            self.progress.message(line)
        self._evaluate_and_keep(state)
        return state

    def _at(self) -> str:
        return f"by step {self.ledger.done:,}"

    def _roll_back(self, trouble: Trouble) -> program.RunState:
        """The last anchor's state, with other keys for the seeds in trouble.

        Newer states go first: until the anchor is written again, a killed run takes the old way to here.
        """
        p = self.ledger.position
        if self.settings.run.on_nan == "stop" or p.tries >= TRIES:
            saved = checkpoint.newest_state(self.where, self.shapes)
            saved_step = min(saved.position["env_steps"]) if saved else None
            raise Diverged(self.where.known_as, trouble, self.ledger.done, saved_step, p.tries)
        anchor = checkpoint.state_of(self.where, self.shapes, p.anchors[-1])
        checkpoint.forget_after(self.where, p.anchors[-1])
        self.ledger.close()
        old = Position.read(anchor.position, len(self.seeds))
        again = dataclasses.replace(
            old, best=p.best, rollbacks=p.rollbacks + 1, tries=p.tries + 1, seconds=p.seconds
        )
        state = health.other_keys(trouble, anchor.state)
        checkpoint.save_state(self.where, state, dataclasses.asdict(again), again.anchors)
        self._open(again)
        self.progress.message(f"warning: {trouble}; rolled back, {self._at()}")
        return self._placed(state)

    def _placed(self, state: program.RunState) -> program.RunState:
        return self.program.sharing.place(state, program.LAYOUT)

    def _row(self, chunk: program.Chunk) -> dict[str, float]:
        """What hooks see of a chunk."""
        seconds = self.ledger.position.seconds + self.clock.running()
        metrics = {name: float(x[0]) for name, x in chunk.metrics.items()}
        return {"env_step": self.ledger.done, "seconds": seconds, **metrics}

    def _evaluate_and_keep(self, state: program.RunState) -> None:
        """Evaluate and write weights where their intervals have passed."""
        run, p = self.settings.run, self.ledger.position
        if run.eval_interval and self.ledger.done // run.eval_interval > p.evaluated:
            p.evaluated = self.ledger.done // run.eval_interval
            self._evaluate(state)
        if run.save_interval:
            due = p.episodes[0] // run.save_interval * run.save_interval
            if due > p.kept:
                p.kept = due
                self.files.keep(f"checkpoint_ep{due}", self.files.of(state.learner), p)
                checkpoint.retain(self.where, run.keep_checkpoints)

    def _evaluate(self, state: program.RunState) -> None:
        done = self.ledger.done
        key = evaluation.evaluation_key(self.settings.run.seed, done)
        each = evaluation.rows(self.program.evaluate(self.files.policy(state.learner), key), self.seeds)
        self.ledger.evaluation(each)
        self.callbacks.evaluation(each)
        mean = evaluation.over_seeds(each)
        self.progress.evaluation(done, mean["discounted_mean"], mean.get("solved"))
        self.files.keep_best(state.learner, [row[self.merit] for row in each], self.ledger.position)

    def _save(self, state: program.RunState) -> None:
        began, p = time.monotonic(), self.ledger.position
        state = sharing.gathered(state)  # from the others, for whom nobody who leaves may have to wait
        with self.stopper.saving:
            p.seconds += self.clock.spent()
            p.more = self.hooks.keep()
            self.ledger.offsets()
            if processes.first():
                position, most = dataclasses.asdict(p), 1e9 * self.settings.run.states_gb
                checkpoint.save_state(self.where, state, position, p.anchors, [p.before_last], most)
            self.clock.saved(began)

    def _finish(self, state: program.RunState) -> dict[str, Any]:
        """Final weights, the final evaluation beside the references, and the summary."""
        weights, p = self.files.of(state.learner), self.ledger.position
        self.files.keep("final_model", weights, p)
        how = f"{self.settings.run.final_episodes} greedy episodes for each seed, execution "
        self.progress.message(f"final evaluation: {how}{execution.kind(self.program.learner.policy)}")
        facts = self.where.read_hparams()
        ended = EndedRun(self.where.name, self.where.known_as, facts["id"], facts["created"])
        found = ending.summary(self.where, self.settings, self.program, self.shapes, weights, p)
        self.ledger.last_evaluation(found["per_seed"])
        summary = {
            **found,
            **self.hooks.end(ended, state.learner),
            **({"stopped_by": self.callbacks.stopped_by} if self.callbacks.stopped_by else {}),
            "logs": {"training_log.csv": p.logs[0], "evaluation.csv": p.logs[1]},
        }
        summaries.write(self.where, summary)
        return summary
