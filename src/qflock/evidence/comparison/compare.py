"""Compare finished runs: what each method scored, how sure that is, and what it cost.

Estimators, their intervals and their sources are in ``statistics`` and ``survival``; which runs may
stand in one table is decided in ``fairness``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qflock.core.errors import UserError, unknown
from qflock.evidence import metrics, records
from qflock.evidence.comparison import estimates, fairness, intervals, statistics, tasks
from qflock.evidence.comparison.finding import Finding, refuse
from qflock.evidence.comparison.table import Comparison, Table

NOTED = ("seeds", "steps", "tuning", "execution", "settings", "versions")
"""Rules that a reader of the table must hear of where they are broken; a report judges by all of them."""


def compare(
    runs: Sequence[str | Path],
    metric: str = metrics.DEFAULT,
    baseline: str | None = None,
    split: Sequence[str] = (),
    target: float | None = None,
    resamples: int = statistics.RESAMPLES,
    interval: str = "joined",
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
        interval: "joined", from five seeds on, or "percentile": `intervals.METHODS`.

    Raises:
        UserError: a run cannot be read, the runs are not comparable, or a name is unknown.
    """
    if interval not in intervals.METHODS:
        raise unknown("interval", interval, intervals.METHODS)
    method = partial(intervals.METHODS[interval], resamples=resamples)
    read = [records.read(path) for path in records.find(runs)]
    if not read:
        raise UserError("no runs to compare; give run folders or a glob such as 'runs/qmix-*'")
    columns = {name for record in read for row in record.final.values() for name in row}
    if metric not in metrics.scores_among(columns):
        raise metrics.unknown_metric(metric, columns)
    for record in read:
        refuse(fairness.finite_scores(record, metric))
    sorted_runs = tasks.sort(read, split)
    labels = list(dict.fromkeys(label for task in sorted_runs for label in task.methods))
    if baseline is not None and baseline not in labels:
        raise unknown("baseline", baseline, labels)
    base = baseline or labels[0]
    tables = [estimates.task_table(task, metric, base, target, method) for task in sorted_runs]
    findings = fairness.judge(sorted_runs, metric)
    notes = [str(finding) for finding in findings if finding.kind in NOTED and finding.what]
    for table in tables:
        notes += _notes(table, metric, base, findings)
    overall = None
    if len(tables) > 1:
        overall, left_out = estimates.overall_table(tables, base, method)
        notes += left_out
    return Comparison(metric, base, tables, overall, notes, [record.path for record in read])


def _notes(table: Table, metric: str, baseline: str, findings: Sequence[Finding]) -> list[str]:
    """What to keep in mind of one table."""
    notes = []
    for finding in findings:
        if finding.kind in ("references", "scale") and finding.where == table.name and finding.what:
            cost = "no optimality gap" + ("" if table.target is not None else " and no time to a score")
            notes.append(f"{finding}, so {cost}")
    if baseline not in [row.method for row in table.rows]:
        notes.append(f"{table.name}: no run of the baseline {baseline}")
    if table.less_is_better:
        scaled = estimates.scale(table.references) is not None
        why = ", as the oracle's is below random play's" if scaled else ""
        notes.append(f"{table.name}: less {metric} is better{why}")
    if any(row.time is None for row in table.rows) and table.target is not None:
        without = ", ".join(row.method for row in table.rows if row.time is None)
        notes.append(f"{table.name}: no time to a score for {without}, not every seed has evaluations")
    return notes
