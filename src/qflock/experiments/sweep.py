"""Search settings for one algorithm on one environment, with a budget that is stated and kept.

Every trial trains on seeds of its own, apart from those that later measure the settings found, and is a
cell like those of an experiment: done once, gone on with after a stop.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.evidence import metrics
from qflock.experiments import cell as experiment_cell
from qflock.experiments import sweep_ranges
from qflock.experiments.cell import Cell
from qflock.experiments.sweep_ranges import Search
from qflock.files.storage import write_text
from qflock.settings import config, file, registry, shares
from qflock.settings.config import Settings
from qflock.settings.values import plain, types_of

FIRST_SEED = 10_000
"""The first seed of a sweep where none is stated: far from the seeds that measure."""
TRIALS, SEEDS = 8, 2
QUIET = {"eval_interval": 0, "save_interval": 0}
"""Settings of trials that change no score: they are evaluated at their end only."""


@dataclass(frozen=True)
class Sweep:
    """The trials of one method on one environment.

    Attributes:
        name: the method's and the environment's.
        folder: of the trials and of what was found.
        trials: one cell each.
        draws: the settings of each trial that were searched.
        metric: column of the final evaluations to go by.
        cost: what the search may spend, see `plan`.
    """

    name: str
    folder: Path
    trials: list[Cell]
    draws: list[dict[str, Any]]
    metric: str
    cost: dict[str, Any]


def plan(
    name: str,
    folder: Path,
    base: Settings,
    ranges: Mapping[str, Any],
    *,
    search: Search = "random",
    trials: int = 0,
    metric: str = metrics.DEFAULT,
) -> Sweep:
    """Draw the trials of a sweep. Nothing is trained yet; the same arguments give the same trials.

    Args:
        name: for messages and results.
        folder: where it goes.
        base: settings of every trial, its steps and its seeds included.
        ranges: as `sweep_ranges.read` wants them.
        search: ``random`` or ``grid``.
        trials: how many; 0 for 8, or for the whole grid.
        metric: column of the final evaluations to go by; `metrics.sign` says which way is better.

    Raises:
        UserError: a range that fits no setting, or a trial whose settings do not go together.
    """
    types = types_of(registry.algorithm(base.algorithm).Config, base.algorithm)
    searched = sweep_ranges.read(ranges, types, f"sweep of {name}")
    run = base.run
    draws = sweep_ranges.draw(searched, search, trials or (TRIALS if search == "random" else 0), run.seed)
    cost = {
        "trials": len(draws),
        "seeds": list(range(run.seed, run.seed + run.seeds)),
        "steps": run.total_steps,
        "search": search,
        "metric": metric,
        "ranges": plain(ranges),
    }
    cells = []
    for at, values in enumerate(draws):
        try:
            settings = with_settings(base, {**values, **QUIET})
        except UserError as problem:
            drawn_values = ", ".join(f"{k}={v}" for k, v in values.items())
            raise UserError(f"sweep of {name}, trial {at} ({drawn_values}): {problem}") from problem
        where = folder / "trials" / f"{at:03d}"
        settings = replace(settings, run=replace(settings.run, run_dir=where))
        cells.append(Cell(f"{name}/{at:03d}", where, name, settings, pictures=False))
    return Sweep(name, folder, cells, draws, metric, cost)


def with_settings(base: Settings, values: Mapping[str, Any]) -> Settings:
    """Settings with some of them changed; ``run_dir`` is left out. Shares of a run stay shares.

    Args:
        base: the settings.
        values: those that change, by name.
    """
    return config.from_mapping({**config.to_mapping(base), **shares.texts(base.shares), **values})


def result(sweep: Sweep) -> dict[str, Any]:
    """What the trials found.

    Returns:
        ``cost``, ``trials`` (each with its ``settings``, ``score`` and scores ``per_seed``), and ``best``,
        the trial with the best mean score over seeds.

    Raises:
        UserError: a trial is not finished, the metric is unknown, or no trial has a finite score.
    """
    trials = [
        {"trial": at, "settings": plain(values), **_scores(cell, sweep.metric)}
        for at, (cell, values) in enumerate(zip(sweep.trials, sweep.draws, strict=True))
    ]
    finite = [trial for trial in trials if trial["score"] is not None]
    if not finite:
        raise UserError(f"sweep of {sweep.name}: no trial has a finite {sweep.metric}; narrow the ranges")
    direction = sign(sweep)
    best = max(finite, key=lambda trial: direction * trial["score"])
    first = sweep.trials[best["trial"]].settings
    return {
        "sweep": sweep.name,
        "folder": str(sweep.folder),
        "algorithm": first.algorithm,
        "environment": config.to_mapping(first)["env"],
        "cost": {**sweep.cost, "env_steps": sum(map(_spent, sweep.trials))},
        "best": best,
        "trials": trials,
    }


def sign(sweep: Sweep) -> float:
    """1 where a higher score is better, -1 where a lower one is, see `metrics.sign`.

    Args:
        sweep: whose trials are done.
    """
    rows = experiment_cell.summary(sweep.trials[0]).get("references", {})
    references = {name: row[sweep.metric] for name, row in rows.items() if sweep.metric in row}
    return metrics.sign(sweep.metric, references)


def write(sweep: Sweep, outcome: Mapping[str, Any]) -> None:
    """Write a `result` as trials.json, trials.csv and best.yaml, a preset.

    Args:
        sweep: that was run.
        outcome: its result.
    """
    write_text(sweep.folder / "trials.json", json.dumps(outcome, indent=2) + "\n")
    write_text(sweep.folder / "trials.csv", _table(outcome["trials"]))
    write_text(sweep.folder / "best.yaml", _preset(sweep, outcome["best"], outcome["cost"]))


def _spent(trial: Cell) -> int:
    """Environment steps that a finished trial took, summed over its seeds: runs end with whole updates."""
    summary = experiment_cell.summary(trial)
    each = summary.get("env_steps_per_seed")  # not yet written by qflock 0.1
    return sum(each) if each else summary["env_steps"] * trial.settings.run.seeds


def _scores(cell: Cell, metric: str) -> dict[str, Any]:
    final = experiment_cell.summary(cell)["final_evaluation"]
    if metric not in final["over_seeds"]:
        raise metrics.unknown_metric(metric, final["over_seeds"])
    score = final["over_seeds"][metric]
    return {
        "score": score if score is not None and math.isfinite(score) else None,
        "per_seed": {str(row["seed"]): row[metric] for row in final["per_seed"]},
    }


def _table(trials: Sequence[Mapping[str, Any]]) -> str:
    rows = [["trial", "score", *(f"seed_{seed}" for seed in trials[0]["per_seed"]), *trials[0]["settings"]]]
    for trial in trials:
        scores = [trial["score"], *trial["per_seed"].values()]
        rows.append([trial["trial"], *scores, *trial["settings"].values()])
    return texts.to_csv(rows)


def _preset(sweep: Sweep, best: Mapping[str, Any], cost: Mapping[str, Any]) -> str:
    """The best trial's settings of the learner that are not its defaults, with how they were found."""
    settings = sweep.trials[best["trial"]].settings
    learner = settings.learner
    preset = {
        f.name: plain(getattr(learner, f.name))
        for f in dataclasses.fields(learner)
        if f.name in best["settings"] or getattr(learner, f.name) != getattr(type(learner)(), f.name)
    }
    return (
        f"# {settings.algorithm} on {settings.run.env}: best of {cost['trials']} trials by {sweep.metric} "
        f"({best['score']:.4g})\n"
        f"# found with {len(cost['seeds'])} seeds from {cost['seeds'][0]} and {cost['steps']:,} steps each, "
        f"{cost['env_steps']:,} steps in all\n" + file.write(preset)
    )
