"""Train and resume: chunks of compiled updates, and plain Python between them.

Between two chunks the runner logs, evaluates, saves and draws progress, and sees whether it was asked
to stop. Everything that it does is a function of the state and of counters that are saved with it,
so a resumed run writes the same bytes as one that was never stopped; only wall-clock times differ.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qflock import config
from qflock.config import Settings
from qflock.errors import UserError
from qflock.runs import checkpoint, evaluation, folder, program, storage, tensors
from qflock.runs.folder import RunFolder
from qflock.runs.log import CsvLog
from qflock.runs.progress import Progress
from qflock.runs.stop import Stopper

FIRST = ("seed", "env_step", "episode", "episode_return", "episode_return_undiscounted", "episode_length")
USUAL = ("epsilon", "loss", "td_error", "q_value")  # in this order, then what the algorithm adds


class Interrupted(UserError):
    """The run was asked to stop, and its state is saved. Exit status 130."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"stopped; the state is saved. Go on with: qflock resume {path}", code=130)


def train(settings: Settings, quiet: bool = False) -> dict[str, Any]:
    """Train from the beginning, in a new run folder.

    Args:
        settings: all settings, resolved.
        quiet: show no progress.

    Returns:
        What ``summary.json`` holds: the final scores beside the references, sizes and times.

    Raises:
        UserError: settings that cannot work, a folder that cannot be written ...
        Interrupted: Ctrl-C or SIGTERM; the state is saved.
    """
    built = program.build(settings)  # before the folder: bad settings leave nothing behind
    shapes = jax.eval_shape(built.init, _seeds(settings))
    where = folder.create(settings, settings.run.run_dir, now=datetime.now())
    with where.lock():
        return _Run(where, settings, built, shapes, quiet).go(None)


def resume(run: Path | str, total_steps: int | None = None, quiet: bool = False) -> dict[str, Any]:
    """Go on with a run from its newest whole state; from the start where none was saved yet.

    Args:
        run: its folder, or "latest".
        total_steps: environment steps of the whole run; as planned if left out.
        quiet: show no progress.

    Returns:
        As `train`.

    Raises:
        UserError: no such run, a damaged one, another process writing it ...
    """
    where = folder.open_run(run)
    with where.lock():
        settings = config.read_yaml(where.config)
        if total_steps is not None and total_steps != settings.run.total_steps:
            settings = replace(settings, run=replace(settings.run, total_steps=total_steps))
            where.record_settings(settings, now=datetime.now())
        built = program.build(settings)
        shapes = jax.eval_shape(built.init, _seeds(settings))
        saved = checkpoint.newest_state(where, shapes)
        return _Run(where, settings, built, shapes, quiet).go(saved)


def _seeds(settings: Settings) -> jax.Array:
    return jnp.arange(settings.run.seed, settings.run.seed + settings.run.seeds, dtype=jnp.uint32)


class _Run:
    """One process's work on one run. What must survive it is in `position` and in the training state."""

    def __init__(
        self, where: RunFolder, settings: Settings, built: program.Program, shapes: program.RunState, quiet: bool
    ) -> None:
        self.where, self.settings, self.program = where, settings, built
        self.progress = Progress(f"{settings.algorithm} on {settings.run.env}", quiet=quiet)
        self.seeds = [int(s) for s in _seeds(settings)]
        told = jax.eval_shape(built.chunk, shapes)[1]
        columns = [name for name in USUAL if name in told.metrics]
        columns += sorted(set(told.metrics) - set(columns)) + sorted(told.tally.measures)
        self.training_log = CsvLog(where.training_log, (*FIRST, *columns))
        measures = sorted(told.tally.measures)
        self.evaluation_log = CsvLog(where.evaluation, ("seed", "env_step", *evaluation.COLUMNS, *measures))
        self.position: dict[str, Any] = {
            "update": 0,
            "env_steps": [0] * len(self.seeds),
            "episodes": [0] * len(self.seeds),
            "evaluated": 0,
            "best": [None] * len(self.seeds),
            "seconds": 0.0,
            "logs": [0, 0],
        }
        self.began = time.monotonic()
        self.saved_at = self.began

    def go(self, saved: checkpoint.Saved | None) -> dict[str, Any]:
        """Train to the end, from a saved state or from the start."""
        run = self.settings.run
        with Stopper() as stopper, self.progress:
            if saved is not None:
                state = saved.state
                self.position = dict(saved.position)
                for warning in saved.warnings:
                    self.progress.message(f"warning: {warning}")
            else:
                state = self._begin()
            self.training_log.truncate(self.position["logs"][0])
            self.evaluation_log.truncate(self.position["logs"][1])
            self.progress.start(run.total_steps, self._done())
            while self._done() < run.total_steps:
                state, told = self.program.chunk(state)
                self._log(jax.device_get(told))
                self._evaluate_and_keep(state)
                if stopper.asked:
                    self._save(state)
                    raise Interrupted(self.where.path)
                if time.monotonic() - self.saved_at > run.state_interval:
                    self._save(state)
            self._save(state)
            return self._finish(state)

    def _begin(self) -> program.RunState:
        state = self.program.init(_seeds(self.settings))
        source = self.settings.run.init_from
        if source is None:
            return state
        learner = self.program.learner
        weights = _weights_of(source, jax.eval_shape(jax.vmap(learner.weights), state.learner))
        return state._replace(learner=jax.vmap(learner.start_from)(state.learner, weights))

    def _done(self) -> int:
        """Environment steps of the slowest seed: they differ by their episodes' restarts."""
        return min(self.position["env_steps"])

    def _log(self, told: program.Chunk) -> None:
        """Count a chunk and write its row for each seed."""
        p, tally = self.position, told.tally
        p["update"] += self.program.updates
        for i, seed in enumerate(self.seeds):
            p["env_steps"][i] += int(tally.env_steps[i])
            p["episodes"][i] += int(tally.episodes[i])
            ended = float(tally.episodes[i]) or float("nan")
            self.training_log.append(
                {
                    "seed": seed,
                    "env_step": p["env_steps"][i],
                    "episode": p["episodes"][i],
                    "episode_return": float(tally.discounted[i]) / ended,
                    "episode_return_undiscounted": float(tally.episode_return[i]) / ended,
                    "episode_length": float(tally.length[i]) / ended,
                    **{name: float(x[i]) for name, x in told.metrics.items()},
                    **{name: float(x[i]) / ended for name, x in tally.measures.items()},
                }
            )
        episodes = max(tally.episodes.sum(), 1)
        mean = float(tally.discounted.sum() / episodes) if tally.episodes.sum() else float("nan")
        self.progress.update(self._done(), mean)

    def _evaluate_and_keep(self, state: program.RunState) -> None:
        """Evaluate and write weights where their intervals have passed."""
        run, p = self.settings.run, self.position
        done = self._done()
        if run.eval_interval and done // run.eval_interval > p["evaluated"]:
            p["evaluated"] = done // run.eval_interval
            self._evaluate(state, done)
        if run.save_interval:
            due = p["episodes"][0] // run.save_interval * run.save_interval
            if due > p.get("kept", 0):
                p["kept"] = due
                self._keep(state, f"checkpoint_ep{due}")
                checkpoint.retain(self.where, run.keep_checkpoints)

    def _evaluate(self, state: program.RunState, done: int) -> None:
        policy = jax.vmap(self.program.learner.policy)(state.learner)
        key = evaluation.evaluation_key(self.settings.run.seed, done)
        each = evaluation.rows(self.program.evaluate(policy, key), self.seeds)
        for row in each:
            self.evaluation_log.append({"env_step": done, **row})
        over = evaluation.over_seeds(each)
        self.progress.evaluation(done, over["discounted_mean"], over.get("solved"))
        self._keep_best(state, [row["discounted_mean"] for row in each])

    def _keep_best(self, state: program.RunState, scores: list[float]) -> None:
        """Keep each seed's best weights so far, as the evaluations saw them."""
        best = self.position["best"]
        better = [old is None or score > old for score, old in zip(scores, best, strict=True)]
        if not any(better):
            return
        new = self._portable(state)
        if all(better):
            kept = new
        else:
            old = tensors.load(self.where.best_model, new)[0]
            choose = lambda a, b: jnp.where(np.array(better).reshape(-1, *[1] * (a.ndim - 1)), a, b)
            kept = jax.tree.map(choose, new, old)
        self.position["best"] = [s if b else o for s, o, b in zip(scores, best, better, strict=True)]
        checkpoint.save_weights(self.where, "best_model_weights", kept, self._about())

    def _portable(self, state: program.RunState) -> dict[str, Any]:
        """What weight files hold: what execution needs, and apart from it all that was trained."""
        learner = self.program.learner
        return {
            "policy": jax.vmap(learner.policy)(state.learner),
            "training": jax.vmap(learner.weights)(state.learner),
        }

    def _keep(self, state: program.RunState, name: str) -> None:
        checkpoint.save_weights(self.where, name, self._portable(state), self._about())

    def _about(self) -> dict[str, Any]:
        spec = self.program.env.spec
        sizes = {n: getattr(spec, n) for n in ("agents", "actions", "observation", "state")}
        return {
            "algorithm": self.settings.algorithm,
            "environment": spec.name,
            "sizes": sizes,
            "seeds": self.seeds,
            "env_steps": self.position["env_steps"],
            "episodes": self.position["episodes"],
            "best": self.position["best"],
            "settings": config.to_mapping(self.settings),
        }

    def _save(self, state: program.RunState) -> None:
        now = time.monotonic()
        self.position["seconds"] += now - self.began
        self.began = self.saved_at = now
        self.position["logs"] = [self.training_log.offset(), self.evaluation_log.offset()]
        checkpoint.save_state(self.where, state, self.position)

    def _finish(self, state: program.RunState) -> dict[str, Any]:
        """Final weights, the final evaluation beside the references, and the summary."""
        self._keep(state, "final_model")
        run = self.settings.run
        env, learner = self.program.env, self.program.learner
        key = evaluation.evaluation_key(run.seed)
        self.progress.message(f"final evaluation: {run.final_episodes} greedy episodes for each seed")
        policy = jax.vmap(learner.policy)(state.learner)
        play = program.evaluator(env, learner, run.final_episodes, "greedy", run.seeds)
        each = evaluation.rows(play(policy, key), self.seeds)
        references = evaluation.references(env, key, run.final_episodes)
        weights = jax.eval_shape(learner.weights, jax.tree.map(lambda x: x[0], state.learner))
        summary = {
            "run": str(self.where.path),
            "algorithm": self.settings.algorithm,
            "environment": run.env,
            "env_steps": self._done(),
            "seconds": self.position["seconds"],
            "seconds_per_seed": self.position["seconds"] / run.seeds,
            "parameters": _count(jax.tree.map(lambda x: x[0], policy)),
            "parameters_trained": _count(weights),
            "per_seed": each,
            "over_seeds": evaluation.over_seeds(each),
            "references": references,
        }
        summary["final_evaluation"] = {"per_seed": each, "over_seeds": summary["over_seeds"]}
        _write_json(self.where.path / "summary.json", summary)
        return summary


def _count(tree: Any) -> int:
    return sum(int(np.prod(x.shape)) for x in jax.tree.leaves(tree))


def _weights_of(source: Path, like: Any) -> Any:
    """The trained weights of another run, or of a weights file, to start from.

    Raises:
        UserError: nothing there, or weights of another shape.
    """
    path = source if source.suffix == ".safetensors" else folder.open_run(source).final_model
    if not path.is_file():
        raise UserError(f"{source} has no final weights to start from; name a file in its models/")
    return tensors.load(path, {"training": like}, part=True)[0]["training"]


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    storage.write_text(path, json.dumps(content, indent=2, default=float) + "\n")
