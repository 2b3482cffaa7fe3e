"""Compare finished runs: what each method scored, how sure that is, and what it cost.

Estimators, their intervals and their sources are in ``statistics`` and ``survival``; which runs may
stand in one table is decided in ``comparability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qflock.core.errors import UserError, unknown
from qflock.evidence import records
from qflock.evidence.comparison import estimates, fairness, statistics
from qflock.evidence.comparison.table import Comparison, Table
from qflock.evidence.records import Record


def compare(
    runs: Sequence[str | Path],
    metric: str = "discounted_mean",
    baseline: str | None = None,
    split: Sequence[str] = (),
    target: float | None = None,
    resamples: int = statistics.RESAMPLES,
) -> Comparison:
    """Compare finished runs by their final evaluations.

    Args:
        runs: run folders or globs such as ``runs/qmix-*``.
        metric: column of the evaluations to score by, the environment's measures included.
        baseline: label of the method that others are held against; the first run's by default.
        split: environment settings that make tasks of their own, for example ``grid_size``.
        target: score for the time to a score, in units of ``metric``; by default nine tenths of the
            way from random play to the oracle.
        resamples: of every bootstrap interval.

    Raises:
        UserError: a run cannot be read, the runs are not comparable, or a name is unknown.
    """
    found = [records.read(path) for path in records.find(runs)]
    if not found:
        raise UserError("no runs to compare; give run folders or a glob such as 'runs/qmix-*'")
    columns = {name for record in found for row in record.final.values() for name in row}
    metrics = columns.union(records.METRICS).difference(records.NO_SCORES)
    if metric not in metrics:
        raise unknown("metric", metric, metrics)
    for record in found:
        _require(record, metric)
    tasks = fairness.sort(found, split)
    labels = list(dict.fromkeys(label for task in tasks for label in task.methods))
    if baseline is not None and baseline not in labels:
        raise unknown("baseline", baseline, labels)
    base = baseline or labels[0]
    tables = [estimates.task_table(task, metric, base, target, resamples) for task in tasks]
    notes = fairness.notes(tasks)
    for table in tables:
        notes += _notes(table, metric, base)
    overall = None
    if len(tables) > 1:
        overall, left_out = estimates.overall_table(tables, base, resamples)
        notes += left_out
    return Comparison(metric, base, tables, overall, notes, [record.path for record in found])


def _require(record: Record, metric: str) -> None:
    for seed, row in record.final.items():
        if not np.isfinite(row.get(metric, np.nan)):
            raise UserError(f"{record.path}: seed {seed} has no finite {metric!r} in its final evaluation")


def _notes(table: Table, metric: str, baseline: str) -> list[str]:
    notes = []
    if estimates.scale(table.references) is None:
        names = {reference.name for reference in table.references}
        missing = [name for name in ("oracle", "random") if name not in names]
        why = f"no {' and no '.join(missing)} to scale by" if missing else "oracle and random score the same"
        cost = "no optimality gap" + ("" if table.target is not None else " and no time to a score")
        notes.append(f"{table.name}: {why}, so {cost}")
    if baseline not in [row.method for row in table.rows]:
        notes.append(f"{table.name}: no run of the baseline {baseline}")
    if table.less_is_better:
        notes.append(f"{table.name}: less {metric} is better, as the oracle's is below random play's")
    if any(row.time is None for row in table.rows) and table.target is not None:
        without = ", ".join(row.method for row in table.rows if row.time is None)
        notes.append(f"{table.name}: no time to a score for {without}, not every seed has evaluations")
    return notes
