"""Run an experiment: tune where that is asked for, then train every cell that is not done.

Everything lies in the experiment's folder: ``cells/`` holds a run folder for each cell, ``sweeps/`` the
trials, and ``results.json``, written anew after every cell, says what there is and how far it is. Started
again, an experiment goes on: cells that are done are left alone, a cell that was stopped is resumed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qflock.core.errors import UserError
from qflock.core.shell import command
from qflock.core.version import __version__
from qflock.evidence.comparison import fairness
from qflock.evidence.experiment_results import EXPERIMENT
from qflock.experiments import cell as experiment_cell
from qflock.experiments import cells as experiment_cells
from qflock.experiments import sweep
from qflock.experiments.cell import Cell, State
from qflock.experiments.file import Experiment
from qflock.experiments.launchers import Launcher, launch
from qflock.experiments.sweep import Sweep
from qflock.experiments.watch import Watch
from qflock.files import lock
from qflock.files.storage import make_folder, write_text
from qflock.machine import provenance
from qflock.settings import config

SCHEMA = 1
LASTING = {"queued": "waiting", "running": "started"}
"""What a file says that outlives the process which wrote it: of a cell that runs, that it was begun."""
KEPT = ("env_steps", "seconds", "seconds_per_seed", "parameters", "tuning_budget", "over_seeds", "per_seed")


def run(experiment: Experiment, launcher: Launcher, watch: Watch | None = None) -> dict[str, Any]:
    """Run what is not done yet.

    Args:
        experiment: as read from its file.
        launcher: where cells run.
        watch: is told how it goes.

    Returns:
        What ``results.json`` holds; ``failures`` says why cells failed, by name.

    Raises:
        UserError: the settings of a cell that is there have changed, another process runs the experiment ...
            With code 130: asked to stop; states are saved.
    """
    work = _Experiment(experiment, launcher, watch)
    make_folder(experiment.folder)
    with lock.held(experiment.folder):
        try:
            work.tune()
            work.train()
        finally:
            if watch:
                watch.close()
        return work.write()


def run_sweep(
    search: Sweep, launcher: Launcher, watch: Watch | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Run the trials of one sweep that are not done yet, and write what they found.

    Args:
        search: as planned.
        launcher: where trials run.
        watch: is told how it goes.

    Returns:
        As `sweep.result`, and why trials failed, by name. Where any failed the result is empty: a budget
        that was not spent in full is not the one that is stated.

    Raises:
        UserError: as `run`.
    """
    work = _Cells(launcher, watch)
    make_folder(search.folder)
    with lock.held(search.folder):
        try:
            work.perform(f"sweep of {search.name}", search.trials, search.folder)
        finally:
            if watch:
                watch.close()
        if work.failures:
            return {}, work.failures
        outcome = sweep.result(search)
        sweep.write(search, outcome)
    return outcome, {}


def plan(experiment: Experiment) -> dict[str, Any]:
    """How far every trial and every cell is, as ``results.json`` would say it; nothing is written.

    Raises:
        UserError: the settings of a cell that is there have changed.
    """
    work = _Experiment(experiment, Launcher(), None)
    work.look()
    return work.content()


class _Cells:
    """Runs cells and remembers how each ended."""

    def __init__(self, launcher: Launcher, watch: Watch | None) -> None:
        self.launcher, self.watch = launcher, watch
        self.states: dict[str, State] = {}
        self.failures: dict[str, str] = {}

    def look_at(self, cells: Sequence[Cell]) -> None:
        """See how far cells are, and that none was trained with other settings."""
        for cell in cells:
            experiment_cell.refuse_changed(cell)
            self.states[cell.name] = experiment_cell.state(cell)

    def perform(self, title: str, cells: Sequence[Cell], folder: Path) -> None:
        """Bring cells to their ends.

        Args:
            title: what they are for.
            cells: all of them, those that are done included.
            folder: where SLURM jobs leave their files.
        """
        self.look_at(cells)
        if self.watch:
            self.watch.begin(title, cells, {cell.name: self.states[cell.name] for cell in cells})
        try:
            launch(self.launcher, [cell for cell in cells if self.states[cell.name] != "done"], self, folder)
        finally:  # of a launch that was stopped
            for cell in cells:
                if self.states[cell.name] in ("queued", "running"):
                    self.states[cell.name] = experiment_cell.state(cell)

    def queued(self, cell: Cell, why: str | None = None) -> None:
        """A cell waits for its turn or its machine.

        Args:
            cell: which.
            why: it was tried before, and what happened; None where it was not.
        """
        self._note(cell, "queued", why)

    def started(self, cell: Cell) -> None:
        """A cell runs now."""
        self._note(cell, "running", None)

    def ended(self, cell: Cell, error: str | None) -> None:
        """A cell is done, or failed with one line.

        Args:
            cell: which.
            error: why it failed; None where it is done.
        """
        self._note(cell, "failed" if error is not None else "done", error)

    def _note(self, cell: Cell, state: State, error: str | None) -> None:
        self.states[cell.name] = state
        if error is not None and state == "failed":
            self.failures[cell.name] = error
        if self.watch:
            self.watch.change(cell, state, error)


class _Experiment(_Cells):
    """One start of an experiment."""

    def __init__(self, experiment: Experiment, launcher: Launcher, watch: Watch | None) -> None:
        super().__init__(launcher, watch)
        self.experiment = experiment
        self.sweeps = experiment_cells.sweeps(experiment)
        self.outcomes: dict[str, dict[str, Any]] = {}  # of sweeps that are done
        self.cells = experiment_cells.cells(experiment, {})
        self._entries: dict[str, dict[str, Any]] = {}  # of cells that are done: they change no more
        self._origin = provenance.origin()

    @property
    def trials(self) -> list[Cell]:
        return [trial for search in self.sweeps.values() for trial in search.trials]

    def look(self) -> None:
        """See how far everything is."""
        self.look_at(self.trials)
        self._collect()
        for cell in self.cells:
            if self._is_tuned(cell):
                experiment_cell.refuse_changed(cell)
            self.states[cell.name] = experiment_cell.state(cell)

    def tune(self) -> None:
        """Run the trials of all sweeps, and take over what they found."""
        self.look()
        self.write()
        if self.sweeps:
            self.perform(f"{self.experiment.name}: tuning", self.trials, self.experiment.folder)
            self._collect()
            for name, outcome in self.outcomes.items():
                sweep.write(self.sweeps[name], outcome)

    def train(self) -> None:
        """Run the cells; one whose sweep failed fails with it."""
        ready = [cell for cell in self.cells if self._is_tuned(cell)]
        for cell in self.cells:
            if cell not in ready:
                self.ended(cell, "its sweep found nothing, see the trials that failed")
        self.perform(self.experiment.name, ready, self.experiment.folder)

    def _collect(self) -> None:
        for name, search in self.sweeps.items():
            if all(self.states[trial.name] == "done" for trial in search.trials):
                try:
                    self.outcomes[name] = sweep.result(search)
                except UserError as problem:
                    self.failures[f"sweeps/{name}"] = str(problem)
        self.cells = experiment_cells.cells(self.experiment, self.outcomes)

    def _is_tuned(self, cell: Cell) -> bool:
        return bool(cell.tuning) or not self.sweeps

    def perform(self, title: str, cells: Sequence[Cell], folder: Path) -> None:
        """As `_Cells.perform`; also what was stopped is written down."""
        try:
            super().perform(title, cells, folder)
        finally:
            self.write()

    def _note(self, cell: Cell, state: State, error: str | None) -> None:
        super()._note(cell, state, error)
        if state in ("done", "failed"):
            self.write()

    def write(self) -> dict[str, Any]:
        """Write ``results.json`` as things are now."""
        content = self.content()
        for part in [*content["trials"], *content["cells"]]:
            part["state"] = LASTING.get(part["state"], part["state"])
        write_text(self.experiment.folder / EXPERIMENT, json.dumps(content, indent=2) + "\n")
        return content

    def content(self) -> dict[str, Any]:
        """What ``results.json`` holds."""
        experiment = self.experiment
        tuning = [{k: outcome[k] for k in ("sweep", "cost", "best")} for outcome in self.outcomes.values()]
        return {
            "schema": SCHEMA,
            "experiment": experiment.name,
            "file": str(experiment.file),
            "folder": str(experiment.folder),
            **self._origin,
            "qflock": __version__,
            "launcher": self.launcher.name,
            "seeds": experiment.seeds,
            "tuning": tuning,
            "tuning_seeds": tuning[0]["cost"]["seeds"] if tuning else [],
            "compare": command("compare", experiment.folder, *self._split()),
            "trials": [{"trial": trial.name, "state": self.states.get(trial.name)} for trial in self.trials],
            "cells": [self._entry(cell) for cell in self.cells],
            "failures": self.failures,
        }

    def _entry(self, cell: Cell) -> dict[str, Any]:
        if cell.name in self._entries:
            return self._entries[cell.name]
        settings, state = cell.settings, self.states.get(cell.name, "waiting")
        entry: dict[str, Any] = {
            "cell": cell.name,
            "state": state,
            "label": cell.label,
            "algorithm": settings.algorithm,
            "environment": config.to_mapping(settings)["env"],
            "folder": f"cells/{cell.name}",
            "seeds": cell.seeds,
            "total_steps": settings.run.total_steps,
        }
        if cell.name in self.failures:
            entry["error"] = self.failures[cell.name]
        if state == "done":
            summary = experiment_cell.summary(cell)
            entry |= {name: summary[name] for name in KEPT if name in summary}
            entry["references"] = summary.get("references", {})
            self._entries[cell.name] = entry
        return entry

    def _split(self) -> list[str]:
        """What ``compare`` needs where one environment stands there with several settings."""
        environments: dict[str, list[dict[str, Any]]] = {}
        for cell in self.cells:
            env = dict(config.to_mapping(cell.settings)["env"])
            environments.setdefault(env.pop("name"), []).append(env)
        names = {name for some in environments.values() for name in fairness.differing(some)}
        return ["--split", *sorted(names)] if names else []
