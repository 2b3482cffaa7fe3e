"""The cells that an experiment's file asks for, and the trials of its sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from qflock.evidence.comparison import fairness
from qflock.evidence.comparison.finding import refuse
from qflock.experiments import sweep
from qflock.experiments.cell import Cell
from qflock.experiments.file import Experiment
from qflock.experiments.sweep import Sweep
from qflock.settings.config import Settings

SweepResults = Mapping[str, Mapping[str, Any]]
"""Results of sweeps (see `sweep.result`), by the name of method and environment."""


def sweeps(experiment: Experiment) -> dict[str, Sweep]:
    """One sweep for each method on each environment; empty where nothing is tuned.

    Raises:
        UserError: a range that fits no setting, or methods that would not get the same budget.
    """
    tuning = experiment.tuning
    if tuning is None:
        return {}
    planned = {}
    for pair in experiment.pairs:
        base = sweep.with_settings(pair.settings, {**tuning.run, "seeds": tuning.seeds, "seed": tuning.seed})
        planned[pair.name] = sweep.plan(
            pair.name,
            experiment.folder / "sweeps" / pair.name,
            base,
            pair.ranges,
            search=tuning.search,
            trials=tuning.trials,
            metric=tuning.metric,
        )
    counts = {name: one.cost["trials"] for name, one in planned.items()}
    refuse(fairness.trials(counts, f"{experiment.file}: sweep"))
    return planned


def cells(experiment: Experiment, results: SweepResults) -> list[Cell]:
    """The cells, with the settings that their sweeps found; with those of the file where a sweep has not.

    Args:
        experiment: as read from its file.
        results: of the sweeps that are done.
    """
    all_cells = []
    for pair in experiment.pairs:
        settings, tuning = pair.settings, {}
        if pair.name in results:
            best = results[pair.name]["best"]
            settings = sweep.with_settings(settings, best["settings"])
            tuning = {**results[pair.name]["cost"], "best": best}
        seeds = experiment.seeds
        if experiment.cells == "method":
            runs = [(pair.name, seeds[0], len(seeds))]
        else:
            runs = [(f"{pair.name}-seed{seed}", seed, 1) for seed in seeds]
        for name, first, count in runs:
            folder = experiment.folder / "cells" / name
            placed = _placed(settings, folder, first, count)
            all_cells.append(Cell(name, folder, pair.label, placed, tuning, experiment.pictures))
    return all_cells


def _placed(settings: Settings, folder: Path, seed: int, seeds: int) -> Settings:
    return replace(settings, run=replace(settings.run, run_dir=folder, seed=seed, seeds=seeds))
