"""A run as a Python object: its numbers as arrays, its pictures, its policy."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from qflock.core.errors import UserError, unknown
from qflock.core.shell import command
from qflock.evidence import metrics
from qflock.files import csv_log
from qflock.runs import folder, overview, summaries
from qflock.runs.folder import RunFolder
from qflock.settings import registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from qflock.api.looking import Replay
    from qflock.runs.policy import Policy

Columns = dict[str, np.ndarray]
COUNTS = ("seed", "env_step", "episode", "episodes")
"""Columns of whole numbers; they are read as such."""
OVERVIEW = tuple(field.name for field in dataclasses.fields(overview.Overview) if field.name != "path")


class Run(Mapping[str, Any]):
    """A run in its folder. What is asked of it is read anew: one that trains elsewhere shows how far it is.

    It is a mapping too: ``run["over_seeds"]`` is what ``summary.json`` holds. One that is not finished has
    only ``run["run"]``, its folder. What takes a run's folder takes this object: ``os.fspath(run)`` is it.

    Attributes:
        path: its folder.
        state: "training", "finished", "stopped" or "damaged"; this and what follows as
            `qflock.runs.overview.Overview` has it.
        algorithm, environment: names.
        begun: when, as ISO 8601 has it.
        seeds: how many.
        env_steps, total_steps: done by the slowest seed, and asked for.
        score: mean discounted return of the final evaluation over seeds; None before it.
        references: the same of the oracle, random play and others, by name.
        size, states: bytes of all files, and of the training states among them.
        problem: what is damaged.
    """

    path: Path

    def __init__(self, path: os.PathLike[str] | str = "latest") -> None:
        """Open a run.

        Args:
            path: its folder; "latest" is the newest one under ``runs/``.

        Raises:
            UserError: no run there, or its settings are damaged.
        """
        self.path = folder.open_run(os.fspath(path)).path
        self._summary: Mapping[str, Any] | None = None

    @classmethod
    def _known(cls, path: Path, summary: Mapping[str, Any] | None = None) -> Run:
        """A run of which it is known that it is there; it may be damaged.

        Args:
            path: its folder.
            summary: what training it gave, kept in place of what its folder says.
        """
        run = cls.__new__(cls)
        run.path, run._summary = path, summary
        return run

    @property
    def log(self) -> Columns:
        """``training_log.csv`` by column, a row for each log interval and seed; nothing before the first."""
        return _columns(self._folder.training_log)

    @property
    def evaluations(self) -> Columns:
        """``evaluation.csv`` by column: greedy play while training, and at last at the end; of all seeds."""
        return _columns(self._folder.evaluation)

    @property
    def scores(self) -> Columns:
        """The final evaluation by column, an entry for each seed: ``run.scores["discounted_mean"]``.

        Raises:
            UserError: the run is not finished.
        """
        rows = (self._summary or summaries.read(self._folder))["per_seed"]
        return {name: np.array([row.get(name, np.nan) for row in rows]) for name in rows[0]} if rows else {}

    def frame(self, what: Literal["log", "evaluations", "scores"] = "log") -> DataFrame:
        """One of the three tables as a pandas DataFrame.

        Args:
            what: which.

        Raises:
            UserError: pandas is not installed, no such table, or the run has none yet.
        """
        tables = ("log", "evaluations", "scores")
        if what not in tables:
            raise unknown("table of a run", what, tables)
        try:
            import pandas
        except ImportError as problem:
            raise UserError(
                "a DataFrame needs pandas, which is not installed: pip install pandas"
            ) from problem
        return pandas.DataFrame(getattr(self, what))

    def plot(self) -> Figure:
        """The training plots: returns beside the references, then what suits the algorithm.

        Returns:
            A Matplotlib figure; a notebook shows it, ``figure.savefig("plots.png")`` keeps it.

        Raises:
            UserError: a log is damaged.
        """
        from qflock.evidence.figures import plots

        seen = self.overview
        return plots.training_figure(self.path, seen.references, self._title(seen))

    def watch(self, **how: Any) -> Replay:
        """See it play: `qflock.watch` of this run.

        Args:
            how: ``episodes``, ``seed``, ``checkpoint`` and so on, as there.
        """
        from qflock.api.looking import watch

        return watch(self, **how)

    def policy(self, checkpoint: str = "final", *, seed: int | None = None, sample: bool = False) -> Policy:
        """Its trained policy: ``run.policy().act(observations)``; `qflock.load` of this run.

        Args:
            checkpoint, seed, sample: as there.
        """
        from qflock.api.policies import load

        return load(self, checkpoint, seed=seed, sample=sample)

    @property
    def overview(self) -> overview.Overview:
        """State, steps, score and sizes, all of one moment."""
        return overview.overview(self._folder)

    @property
    def _folder(self) -> RunFolder:
        return RunFolder(self.path)

    def _result(self) -> Mapping[str, Any]:
        if self._summary is not None:
            return self._summary
        return summaries.read(self._folder) if self._folder.summary.is_file() else {"run": str(self.path)}

    def __getitem__(self, name: str) -> Any:
        result = self._result()
        if name not in result and "final_evaluation" not in result:
            resume = command("resume", self.path)
            raise KeyError(f"{name}: the run is not finished; if nothing trains it, go on with: {resume}")
        return result[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._result())

    def __len__(self) -> int:
        return len(self._result())

    def __getattr__(self, name: str) -> Any:
        if name in OVERVIEW:
            return getattr(self.overview, name)
        near = [] if name.startswith("_") else difflib.get_close_matches(name, dir(self), n=1)
        advice = f"; did you mean {near[0]}?" if near else ""
        raise AttributeError(f"a run has no attribute {name!r}{advice}", name=name, obj=self)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *OVERVIEW})

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        seen = self.overview
        if seen.state == "damaged":
            return f"<Run {self.path}: damaged>"
        score = "" if seen.score is None else f", {metrics.of(metrics.DEFAULT).word} {seen.score:.3f}"
        beside = [
            f"{name} {seen.references[name]:.3f}" for name in ("oracle", "random") if name in seen.references
        ]
        beside = f" ({', '.join(beside)})" if score and beside else ""
        seeds = f"{seen.seeds} seed{'s' * (seen.seeds != 1)}"
        steps = f"{seen.env_steps:,} of {seen.total_steps:,} steps"
        return f"<Run {self.path}: {self._title(seen)}, {seen.state}, {steps}, {seeds}{score}{beside}>"

    def _repr_html_(self) -> str:
        from qflock.evidence.report import card

        seen = self.overview
        return card.html(
            self._folder, self._title(seen), seen, self._result() if seen.state != "damaged" else {}
        )

    @staticmethod
    def _title(seen: overview.Overview) -> str:
        return registry.title(seen.algorithm, seen.environment) if seen.algorithm else seen.path.name


def find_runs(folder: os.PathLike[str] | str = "runs") -> list[Run]:
    """Every run in a folder or deeper, the newest first: ``[run.score for run in qflock.find_runs()]``.

    Args:
        folder: where to look; a run's own folder gives that run.

    Raises:
        UserError: there is no such folder.
    """
    return [Run._known(seen.path) for seen in overview.find_runs(os.fspath(folder))]


def _columns(path: Path) -> Columns:
    columns = csv_log.read(path) if path.is_file() else {}
    whole = lambda name, column: name in COUNTS and column.dtype.kind == "f" and np.isfinite(column).all()
    return {
        name: column.astype(np.int64) if whole(name, column) else column for name, column in columns.items()
    }
