"""The cells that an experiment's file asks for, and the trials of its sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from qflock.core.errors import UserError
from qflock.experiments import sweep
from qflock.experiments.cell import Cell
from qflock.experiments.file import Experiment
from qflock.experiments.sweep import Sweep
from qflock.settings.config import Settings

Found = Mapping[str, Mapping[str, Any]]
"""What sweeps found (see `sweep.result`), by the name of method and environment."""


def sweeps(experiment: Experiment) -> dict[str, Sweep]:
    """One sweep for each method on each environment; empty where nothing is tuned.

    Raises:
        UserError: a range that fits no setting, or methods that would not get the same budget.
    """
    tuning = experiment.tuning
    if tuning is None:
        return {}
    found = {}
    for pair in experiment.pairs:
        base = sweep.with_settings(pair.settings, {**tuning.run, "seeds": tuning.seeds, "seed": tuning.seed})
        found[pair.name] = sweep.plan(
            pair.name,
            experiment.folder / "sweeps" / pair.name,
            base,
            pair.ranges,
            search=tuning.search,
            trials=tuning.trials,
            metric=tuning.metric,
        )
    counts = {name: planned.cost["trials"] for name, planned in found.items()}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise UserError(f"{experiment.file}: sweep: unequal budgets, the grids have different sizes: {said}")
    return found


def cells(experiment: Experiment, found: Found) -> list[Cell]:
    """The cells, with the settings that their sweeps found; with those of the file where a sweep has not."""
    made = []
    for pair in experiment.pairs:
        settings, tuning = pair.settings, {}
        if pair.name in found:
            best = found[pair.name]["best"]
            settings = sweep.with_settings(settings, best["settings"])
            tuning = {**found[pair.name]["cost"], "best": best}
        seeds = experiment.seeds
        if experiment.cells == "method":
            runs = [(pair.name, seeds[0], len(seeds))]
        else:
            runs = [(f"{pair.name}-seed{seed}", seed, 1) for seed in seeds]
        for name, first, count in runs:
            folder = experiment.folder / "cells" / name
            placed = _placed(settings, folder, first, count)
            made.append(Cell(name, folder, pair.label, placed, tuning, experiment.pictures))
    return made


def _placed(settings: Settings, folder: Path, seed: int, seeds: int) -> Settings:
    return replace(settings, run=replace(settings.run, run_dir=folder, seed=seed, seeds=seeds))
