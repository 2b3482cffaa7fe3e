"""Train and resume: chunks of compiled updates, and plain Python between them.

Between two chunks the runner logs, evaluates, saves and draws progress, and sees whether it was asked
to stop. Everything that it does is a function of the state and of counters that are saved with it,
so a resumed run writes the same bytes as one that was never stopped; only wall-clock times differ.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qflock import config
from qflock.config import Settings
from qflock.errors import UserError
from qflock.runs import checkpoint, evaluation, folder, loggers, program, programs, storage, tensors
from qflock.runs.folder import RunFolder
from qflock.runs.ledger import Ledger
from qflock.runs.progress import Progress
from qflock.runs.stop import Stopper


class Hooks(NamedTuple):
    """What else a run does, for learners that want more of it (see `remembered`).

    Attributes:
        start: ``learner states -> learner states`` of all seeds, before a new run's first update.
        watch: ``row -> lines to show``, after each chunk: ``env_step``, ``seconds``, and the
            first seed's metrics.
        end: ``(folder, learner states) -> more for the summary``, after the last update.
    """

    start: Callable[[Any], Any] = lambda state: state
    watch: Callable[[dict[str, float]], Iterable[str]] = lambda row: ()
    end: Callable[[RunFolder, Any], dict[str, Any]] = lambda where, state: {}


NO_HOOKS = Hooks()


class Interrupted(UserError):
    """The run was asked to stop, and its state is saved. Exit status 130."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"stopped; the state is saved. Go on with: qflock resume {path}", code=130)


def train(settings: Settings, quiet: bool = False, hooks: Hooks = NO_HOOKS) -> dict[str, Any]:
    """Train from the beginning, in a new run folder.

    Args:
        settings: all settings, resolved.
        quiet: show no progress.
        hooks: what else to do.

    Returns:
        What ``summary.json`` holds: the final scores beside the references, sizes and times.

    Raises:
        UserError: settings that cannot work, a folder that cannot be written ...
        Interrupted: Ctrl-C or SIGTERM; the state is saved.
    """
    work = _Work(settings, quiet, hooks)  # before the folder: bad settings leave nothing behind
    where = folder.create(settings, settings.run.run_dir, now=datetime.now())
    with where.lock():
        return work.go(where, None)


def resume(
    run: Path | str, total_steps: int | None = None, quiet: bool = False, hooks: Hooks = NO_HOOKS
) -> dict[str, Any]:
    """Go on with a run from its newest whole state; from the start where none was saved yet.

    Args:
        run: its folder, or "latest".
        total_steps: environment steps of the whole run, however many episodes; as planned if left out.
        quiet: show no progress.
        hooks: what else to do.

    Returns:
        As `train`.

    Raises:
        UserError: no such run, a damaged one, another process writing it ...
    """
    where = folder.open_run(run)
    with where.lock():
        settings = where.settings()
        if total_steps is not None and total_steps != settings.run.total_steps:
            settings = replace(settings, run=replace(settings.run, total_steps=total_steps, total_episodes=0))
            if hasattr(settings.learner, "n_mcmc_steps"):  # another limit that gives way
                settings = replace(settings, learner=replace(settings.learner, n_mcmc_steps=0))
            where.record_settings(settings, now=datetime.now())
        work = _Work(settings, quiet, hooks)
        return work.go(where, checkpoint.newest_state(where, work.shapes))


class _Work:
    """One process's work on one run. What must outlive it is in the state and the ledger's position."""

    def __init__(self, settings: Settings, quiet: bool, hooks: Hooks = NO_HOOKS) -> None:
        loggers.need(settings.run.loggers)
        self.settings = settings
        self.hooks = hooks
        self.program = programs.build(settings)
        asked = self.program.learner.total_steps
        self.total = settings.run.total_steps if asked is None else min(asked, settings.run.total_steps)
        self.seeds = range(settings.run.seed, settings.run.seed + settings.run.seeds)
        self.shapes = jax.eval_shape(self.program.init, self._seed_array())
        self.progress = Progress(f"{settings.algorithm} on {settings.run.env}", quiet=quiet)

    def _seed_array(self) -> jax.Array:
        return jnp.array(self.seeds, dtype=jnp.uint32)

    def go(self, where: RunFolder, saved: checkpoint.Saved | None) -> dict[str, Any]:
        """Train to the end, from a saved state or from the start, inside the run's locked folder."""
        run = self.settings.run
        told = jax.eval_shape(programs.outline(self.program), self.shapes)[1]
        self.where = where
        self.began = self.saved = time.monotonic()
        with Stopper() as stopper, self.progress, programs.Closing(self.program):
            self.ledger = Ledger(where, self.seeds, told, saved.position if saved else None)
            for warning in [*saved.warnings, *programs.warnings(self.program)] if saved else ():
                self.progress.message(f"warning: {warning}")
            self.progress.start(self.total, self.ledger.done)
            state = saved.state if saved else self._begin()
            while not self._finished():
                state, told = self.program.chunk(state)
                mean = self.ledger.chunk(jax.device_get(told), self.program.updates)
                self.progress.update(self.ledger.done, mean)
                for line in self.hooks.watch(self._row(told)):
                    self.progress.message(line)
                self._evaluate_and_keep(state)
                if stopper.asked:
                    self._save(state)
                    raise Interrupted(where.path)
                if time.monotonic() - self.saved > run.state_interval:
                    self._save(state)
            self._save(state)
            summary = self._finish(state)
        self.ledger.close()
        return summary

    def _finished(self) -> bool:
        run, ledger = self.settings.run, self.ledger
        return ledger.done >= self.total or 0 < run.total_episodes <= min(ledger.position.episodes)

    def _begin(self) -> program.RunState:
        state = self.program.init(self._seed_array())
        source = self.settings.run.init_from
        if source is None:
            return state._replace(learner=_apart(self.hooks.start(state.learner)))
        learner = self.program.learner
        weights = _weights_of(source, jax.eval_shape(jax.vmap(learner.weights), state.learner))
        return state._replace(learner=_apart(jax.vmap(learner.start_from)(state.learner, weights)))

    def _row(self, told: program.Chunk) -> dict[str, float]:
        """What hooks see of a chunk."""
        seconds = self.ledger.position.seconds + time.monotonic() - self.began
        metrics = {name: float(x[0]) for name, x in told.metrics.items()}
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
                self._keep(f"checkpoint_ep{due}", self._portable(state))
                checkpoint.retain(self.where, run.keep_checkpoints)

    def _evaluate(self, state: program.RunState) -> None:
        done = self.ledger.done
        key = evaluation.evaluation_key(self.settings.run.seed, done)
        scores = self.program.evaluate(self._policy(state), key)
        each = evaluation.rows(scores, self.seeds)
        self.ledger.evaluation(each)
        over = evaluation.over_seeds(each)
        self.progress.evaluation(done, over["discounted_mean"], over.get("solved"))
        self._keep_best(state, [row["discounted_mean"] for row in each])

    def _keep_best(self, state: program.RunState, scores: list[float]) -> None:
        """Keep each seed's best weights so far, as the evaluations saw them."""
        p = self.ledger.position
        better = np.array([old is None or new > old for new, old in zip(scores, p.best, strict=True)])
        if not better.any():
            return
        weights = self._portable(state)
        if not better.all():
            old = tensors.load(self.where.best_model, weights)[0]
            pick = lambda new, old: jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
            weights = jax.tree.map(pick, weights, old)
        p.best = [new if b else old for new, old, b in zip(scores, p.best, better, strict=True)]
        self._keep("best_model_weights", weights)

    def _policy(self, state: program.RunState) -> Any:
        return jax.vmap(self.program.learner.policy)(state.learner)

    def _portable(self, state: program.RunState) -> dict[str, Any]:
        """What weight files hold: what execution needs, and apart from it all that was trained."""
        return {
            "policy": self._policy(state),
            "training": jax.vmap(self.program.learner.weights)(state.learner),
        }

    def _keep(self, name: str, weights: dict[str, Any]) -> None:
        spec, p = self.program.env.spec, self.ledger.position
        about = {
            "algorithm": self.settings.algorithm,
            "environment": spec.name,
            "sizes": {n: getattr(spec, n) for n in ("agents", "actions", "observation", "state")},
            "seeds": list(self.seeds),
            "env_steps": p.env_steps,
            "episodes": p.episodes,
            "settings": config.to_mapping(self.settings),
        }
        checkpoint.save_weights(self.where, name, weights, about)

    def _save(self, state: program.RunState) -> None:
        now = time.monotonic()
        self.ledger.position.seconds += now - self.began
        self.began = self.saved = now
        self.ledger.offsets()
        checkpoint.save_state(self.where, state, dataclasses.asdict(self.ledger.position))

    def _finish(self, state: program.RunState) -> dict[str, Any]:
        """Final weights, the final evaluation beside the references, and the summary."""
        run, env, learner = self.settings.run, self.program.env, self.program.learner
        weights = self._portable(state)
        self._keep("final_model", weights)
        self.progress.message(f"final evaluation: {run.final_episodes} greedy episodes for each seed")
        key = evaluation.evaluation_key(run.seed)
        play = programs.evaluator(env, learner, run.final_episodes, "greedy", run.seeds)
        each = evaluation.rows(play(weights["policy"], key), self.seeds)
        scores = {"per_seed": each, "over_seeds": evaluation.over_seeds(each)}
        seconds = self.ledger.position.seconds
        summary = {
            "run": str(self.where.path),
            "algorithm": self.settings.algorithm,
            "environment": run.env,
            "env_steps": self.ledger.done,
            "seconds": seconds,
            "seconds_per_seed": seconds / run.seeds,
            "parameters": _count(weights["policy"]) // run.seeds,
            "parameters_trained": _count(weights["training"]) // run.seeds,
            **scores,
            "final_evaluation": scores,
            "references": evaluation.references(env, key, run.final_episodes),
            **self.hooks.end(self.where, state.learner),
        }
        storage.write_text(self.where.path / "summary.json", json.dumps(summary, indent=2) + "\n")
        return summary


def _apart(tree: Any) -> Any:
    """Every array in a buffer of its own: a chunk donates them, and none can be given twice."""
    return jax.tree.map(jnp.copy, tree)


def _count(tree: Any) -> int:
    return sum(x.size for x in jax.tree.leaves(tree))


def _weights_of(source: Path, like: Any) -> Any:
    """The trained weights of another run, or of a weights file, to start from.

    Raises:
        UserError: nothing there, or weights of another shape.
    """
    path = source if source.suffix == ".safetensors" else folder.open_run(source).final_model
    if not path.is_file():
        raise UserError(f"{source} has no final weights to start from; name a file in its models/")
    return tensors.load(path, {"training": like}, part=True)[0]["training"]
