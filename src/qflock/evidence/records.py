"""Read what finished runs left in their folders, checked, without importing what trained them."""

from __future__ import annotations

import dataclasses
import glob
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qflock.core.errors import UserError
from qflock.core.shell import command
from qflock.evidence import experiment_results, metrics
from qflock.files import csv_log
from qflock.runs import folder, summaries
from qflock.runs.folder import RunFolder
from qflock.settings import renamed
from qflock.settings.run import RunSettings

LARGEST = 1e100
"""A number beyond this is not taken for a finite one: sums and spreads of such overflow."""
# Settings that say how a run is kept, not what was learnt; the others tell one method from another.
BOOKKEEPING = {f.name for f in dataclasses.fields(RunSettings)} - {"total_steps", "init_from"}


@dataclass(frozen=True)
class Record:
    """A finished run: one algorithm with its settings on one environment, one or more seeds.

    Attributes:
        path: the run folder.
        algorithm, environment: names.
        settings: learner and run settings that may matter to the score, by dotted name.
        environment_settings: of the environment, by dotted name.
        evaluation: how the final evaluation was done: ``mode`` and ``episodes``.
        final: evaluation columns of each seed at the end of training.
        curves: ``(env_step, {column: values})`` of each seed's evaluations during training.
        references: evaluation columns of each reference policy.
        costs: of one seed, where known: ``parameters`` (that execution needs), ``parameters_trained``
            (mixer and critic included), ``env_steps``, ``circuit_evaluations``, ``seconds``.
        tuning_budget: what was spent on finding the settings, as the run states it.
        version: of the library that trained it.
        commit: that it was trained from, as `machine.checkout.describe` gives it; None if not known.
        label: what its experiment calls the method; None where it is no experiment's cell.
        execution: how its policy is executed, as `playing.execution.kind` says; None where the run does not.
    """

    path: Path
    algorithm: str
    environment: str
    settings: dict[str, Any]
    environment_settings: dict[str, Any]
    evaluation: dict[str, Any]
    final: dict[int, dict[str, float]]
    curves: dict[int, tuple[np.ndarray, dict[str, np.ndarray]]]
    references: dict[str, dict[str, float]]
    costs: dict[str, float]
    tuning_budget: Any
    version: str
    commit: str | None = None
    label: str | None = None
    execution: str | None = None


def find(patterns: Iterable[str | Path]) -> list[Path]:
    """Run folders that paths and globs (``runs/qmix-*``) name, each once, in the order given.

    An experiment's folder, or the ``results.json`` in it, stands for its cells.

    Raises:
        UserError: a glob matches nothing, or an experiment is not finished. A path that is no run is
            refused when it is read.
    """
    runs: dict[Path, Path] = {}
    for pattern in map(str, patterns):
        matches = [Path(pattern)]
        if any(letter in pattern for letter in "*?[") and not os.path.lexists(pattern):
            matches = [m for m in map(Path, sorted(glob.glob(os.path.expanduser(pattern)))) if m.is_dir()]
            if not matches:
                raise UserError(f"no run matches {pattern!r}; `ls runs` shows what there is")
        for match in (cell for path in matches for cell in _cells(path.expanduser())):
            runs.setdefault(match.expanduser().resolve(), match)
    return list(runs.values())


def _cells(path: Path) -> list[Path]:
    """The cells of an experiment; any other path as it is."""
    if not experiment_results.is_one(path):
        return [path]
    experiment = experiment_results.read(path)
    unfinished = [cell.path.name for cell in experiment.cells if cell.state != "done"]
    if unfinished:
        raise UserError(
            f"{experiment.folder} has {len(unfinished)} of {len(experiment.cells)} cells that are not done, "
            f"such as {unfinished[0]}: go on with {command('experiment', experiment.source)}, or give its "
            "cells one by one"
        )
    return [cell.path for cell in experiment.cells]


def read(path: Path | str) -> Record:
    """The record of one run folder.

    Raises:
        UserError: no run, one that is not finished, or files that cannot be understood.
    """
    if runs := sorted(Path(path).expanduser().glob("*/configs/hparams.json")):
        raise UserError(f"{path} is no run, but {len(runs)} runs lie in it: give '{path}/*'")
    run = folder.open_run(path)
    facts = run.read_hparams()
    summary = summaries.read(run)
    try:
        return _record(run, facts, summary)
    except KeyError as missing:
        raise folder.DamagedFile(f"{run.summary} is damaged: it has no {missing.args[0]!r}") from missing
    except (TypeError, ValueError, AttributeError) as problem:
        raise folder.DamagedFile(f"{run.summary} is damaged: {problem}") from problem


def _record(run: RunFolder, facts: Mapping[str, Any], summary: Mapping[str, Any]) -> Record:
    settings = renamed.mapping(facts["settings"])
    algorithm, environment = settings.pop("algorithm"), dict(settings.pop("env"))
    final = summary["final_evaluation"]
    rows = {int(row["seed"]): _numbers(row) for row in final["per_seed"]}
    if not rows or len(rows) < len(final["per_seed"]):
        raise ValueError("its final evaluation has a seed twice" if rows else "its final evaluation is empty")
    episodes = sorted({int(row["episodes"]) for row in final["per_seed"]})
    return Record(
        path=run.path,
        algorithm=algorithm,
        environment=environment.pop("name"),
        settings={name: value for name, value in flat(settings).items() if name not in BOOKKEEPING},
        environment_settings=flat(environment),
        evaluation={
            "mode": final.get("mode", "greedy"),
            "episodes": episodes[0] if len(episodes) == 1 else episodes,
        },
        final=rows,
        curves=_curves(run.evaluation),
        references={name: _numbers(row) for name, row in summary.get("references", {}).items()},
        costs=costs(summary),
        tuning_budget=summary.get("tuning_budget"),
        version=str(facts.get("versions", {}).get("qflock", "unknown")),
        commit=facts.get("git"),
        label=summary.get("experiment", {}).get("label"),
        execution=summary.get("execution"),
    )


def costs(summary: Mapping[str, Any]) -> dict[str, float]:
    """What one seed of a run cost, as far as its summary says.

    Args:
        summary: content of ``summary.json``.

    Returns:
        Costs by their names in the table of metrics.
    """
    keys = {name: name for name in metrics.COSTS} | {"seconds": "seconds_per_seed"}
    return _numbers({name: summary.get(key) for name, key in keys.items()})


def averages(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number over the rows that have it.

    Args:
        rows: numbers by name.
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return {name: float(np.mean(known)) for name, known in values.items()}


def solved(records: Iterable[Record]) -> float | None:
    """Share of episodes solved after training, averaged over all seeds; None where no run says it.

    Args:
        records: runs of one method.
    """
    return averages(row for record in records for row in record.final.values()).get("solved")


def references(records: Iterable[Record], metric: str) -> dict[str, float]:
    """Scores of the reference policies, averaged over the runs that measured them.

    Args:
        records: runs of one task.
        metric: column of the evaluations.
    """
    rows = [record.references for record in records]
    known = lambda row: math.isfinite(row.get(metric, math.nan))
    return averages({name: row[metric] for name, row in one.items() if known(row)} for one in rows)


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one mapping with dotted names.

    Args:
        tree: settings by name.
        prefix: what every name starts with.
    """
    settings: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            settings |= flat(value, f"{prefix}{name}.")
        else:
            settings[prefix + name] = value
    return settings


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    known = {name: float(value) for name, value in row.items() if value is not None and value != ""}
    return {name: value if abs(value) <= LARGEST else math.nan for name, value in known.items()}


def _curves(path: Path) -> dict[int, tuple[np.ndarray, dict[str, np.ndarray]]]:
    columns = csv_log.read(path) if path.is_file() else {}
    if not columns:
        return {}
    if missing := [name for name in ("seed", "env_step") if name not in columns]:
        raise folder.DamagedFile(f"{path} is damaged: it has no column {missing[0]!r}")
    curves = {}
    for seed in np.unique(columns["seed"]):
        mine = columns["seed"] == seed
        steps, order = np.unique(columns["env_step"][mine], return_index=True)
        curves[int(seed)] = (
            steps,
            {m: _bounded(c[mine][order]) for m, c in columns.items() if m not in metrics.NOT_SCORES},
        )
    return curves


def _bounded(column: np.ndarray) -> np.ndarray:
    return column if column.dtype.kind != "f" else np.where(np.abs(column) <= LARGEST, column, np.nan)
