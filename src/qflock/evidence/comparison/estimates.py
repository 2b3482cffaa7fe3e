"""From the scores of runs to the rows of a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qflock.evidence import metrics, records
from qflock.evidence.comparison import intervals, statistics, survival
from qflock.evidence.comparison.fairness import TaskRuns
from qflock.evidence.comparison.intervals import Method
from qflock.evidence.comparison.statistics import Interval
from qflock.evidence.comparison.table import Curve, Reference, Row, Table
from qflock.evidence.metrics import COSTS
from qflock.evidence.records import Record

TARGET = 0.9  # share of the way from random play to the oracle that counts as reached
ALL_TASKS = "all tasks"
BANDS = 2_000  # resamples of a band, which has hundreds of intervals


@dataclass(frozen=True)
class Sample:
    """Final scores of one method: ``scores`` and ``normalised`` (None without references), ``(R, T)``."""

    seeds: tuple[int, ...]
    scores: np.ndarray
    normalised: np.ndarray | None


def task_table(task: TaskRuns, metric: str, baseline: str, target: float | None, method: Method) -> Table:
    """The table of one task.

    Args:
        task: its runs by method.
        metric: column of the evaluations to score by.
        baseline: label of the method that others are held against; it may be missing here.
        target: score for the time to a score; None for ``TARGET`` of the way to the oracle.
        method: of every interval.
    """
    references = _references(task.records, metric)
    ends = scale(references)
    sign = metrics.sign(metric, {r.name: r.score for r in references})
    if ends:
        gaps = [
            float(statistics.optimality_gap(statistics.normalise(np.array([[r.score]]), *ends)))
            for r in references
        ]
        references = [dataclasses.replace(r, optimality_gap=g) for r, g in zip(references, gaps, strict=True)]
        target = ends[0] + TARGET * (ends[1] - ends[0]) if target is None else target
    samples = {label: _sample(runs, metric, ends) for label, runs in task.methods.items()}
    rows = _rows(samples, baseline, statistics.median_run, sign, method)
    rows = [dataclasses.replace(row, **_spent(task.methods[row.method])) for row in rows]
    curves = {label: _curves(runs, metric) for label, runs in task.methods.items()}
    if target is not None:
        rows = _with_times(rows, curves, sign, target, baseline)
    return Table(
        name=task.name,
        tasks=(task.name,),
        normalised=False,
        less_is_better=sign < 0,
        evaluation=task.records[0].evaluation,
        rows=rows,
        references=references,
        target=target,
        curves={
            label: curve for label, runs in curves.items() if (curve := _sample_efficiency(runs, method))
        },
        **_profiles(rows, references, sign, method),
    )


def overall_table(tables: Sequence[Table], baseline: str, method: Method) -> tuple[Table | None, list[str]]:
    """The table over all tasks, scores normalised, and what had to be left out of it.

    Methods that lack a task stay out; of the others, seeds that every task has are counted.

    Args:
        tables: one a task.
        baseline: label of the method that others are held against.
        method: of every interval.
    """
    ends = {table.name: scale(table.references) for table in tables}
    if missing := [name for name, known in ends.items() if known is None]:
        return None, [f"no table over all tasks: no scores to normalise by on {', '.join(missing)}"]
    by_method: dict[str, list[Row]] = {}
    for table in tables:
        for row in table.rows:
            by_method.setdefault(row.method, []).append(row)
    notes, samples = [], {}
    for label, rows in by_method.items():
        seeds = sorted(set.intersection(*(set(row.seeds) for row in rows)))
        if len(rows) < len(tables) or not seeds:
            why = "not run on every task" if len(rows) < len(tables) else "no seed that every task has"
            notes.append(f"{ALL_TASKS}: without {label}, {why}")
            continue
        if any(len(row.seeds) > len(seeds) for row in rows):
            notes.append(f"{ALL_TASKS}: {label} counts with the {len(seeds)} seeds that every task has")
        columns = [row.scores[[row.seeds.index(seed) for seed in seeds], 0] for row in rows]
        scores = np.stack(columns, axis=1)
        bounds = np.array([ends[table.name] for table in tables])
        scores = statistics.normalise(scores, bounds[:, 0], bounds[:, 1])
        samples[label] = Sample(tuple(seeds), scores, scores)
    if not samples:
        return None, [*notes, "no table over all tasks: no method was run on every task"]
    rows = [
        dataclasses.replace(row, **_summed(by_method[row.method]))
        for row in _rows(samples, baseline, statistics.median, 1.0, method)
    ]
    references = _overall_references(tables, ends)
    table = Table(
        name=ALL_TASKS,
        tasks=tuple(table.name for table in tables),
        normalised=True,
        less_is_better=False,
        evaluation={},
        rows=rows,
        references=references,
        target=None,
        curves={},
        **_profiles(rows, references, 1.0, method),
    )
    return table, notes


def scale(references: Sequence[Reference]) -> tuple[float, float] | None:
    """Scores of random play and of the oracle, where both are known and differ."""
    return metrics.span({reference.name: reference.score for reference in references})


def _references(runs: Sequence[Record], metric: str) -> list[Reference]:
    """Reference policies' scores, averaged over the runs that measured them."""

    solved = records.references(runs, "solved")
    scores = records.references(runs, metric)
    return [Reference(name, score, solved=solved.get(name)) for name, score in scores.items()]


def _overall_references(
    tables: Sequence[Table], ends: Mapping[str, tuple[float, float] | None]
) -> list[Reference]:
    overall = []
    for name in [reference.name for reference in tables[0].references]:
        scores = [
            float(statistics.normalise(np.array(reference.score), *bounds))
            for table in tables
            for reference in table.references
            if reference.name == name and (bounds := ends[table.name])
        ]
        if len(scores) == len(tables):
            gap = float(statistics.optimality_gap(np.array([scores])))
            overall.append(Reference(name, float(np.mean(scores)), gap))
    return overall


def _sample(runs: Sequence[Record], metric: str, ends: tuple[float, float] | None) -> Sample:
    final = {seed: row[metric] for record in runs for seed, row in record.final.items()}
    seeds = tuple(sorted(final))
    scores = np.array([[final[seed]] for seed in seeds])
    return Sample(seeds, scores, statistics.normalise(scores, *ends) if ends else None)


def _rows(
    samples: Mapping[str, Sample],
    baseline: str,
    median: statistics.Estimator,
    sign: float,
    method: Method,
) -> list[Row]:
    base = samples.get(baseline)
    rows = []
    for label, sample in samples.items():
        row = Row(
            method=label,
            seeds=sample.seeds,
            scores=sample.scores,
            score=method(statistics.interquartile_mean, sample.scores),
            mean=method(statistics.mean, sample.scores),
            median=method(median, sample.scores),
        )
        if sample.normalised is not None:
            gap = intervals.clipped(method(statistics.optimality_gap, sample.normalised), 0)
            row = dataclasses.replace(row, optimality_gap=gap)
        if base is not None and label != baseline:
            better = method(statistics.probability_of_improvement, sign * sample.scores, sign * base.scores)
            difference, common = _difference(sample, base, method)
            row = dataclasses.replace(row, improvement=better, difference=difference, paired_seeds=common)
        rows.append(row)
    return rows


def _difference(x: Sample, y: Sample, method: Method) -> tuple[Interval, int]:
    """Paired where at least half of the larger number of seeds is common, else of all seeds unpaired."""
    common = [seed for seed in x.seeds if seed in y.seeds]
    paired = len(common) >= 2 and 2 * len(common) >= max(len(x.seeds), len(y.seeds))
    a, b = x.scores, y.scores
    if paired:
        a, b = (s.scores[[s.seeds.index(seed) for seed in common]] for s in (x, y))
    interval = method(statistics.Difference(statistics.interquartile_mean), a, b, paired=paired)
    return interval, len(common) if paired else 0


def _spent(runs: Sequence[Record]) -> dict[str, object]:
    """Share solved and costs of one seed, averaged over all seeds of a method."""
    spent = records.averages(record.costs for record in runs for _ in record.final)
    costs = {name: spent[name] for name in COSTS if name in spent}
    return {"solved": records.solved(runs), "costs": costs}


def _summed(rows: Sequence[Row]) -> dict[str, object]:
    solved = [row.solved for row in rows if row.solved is not None]
    costs = {
        name: sum(row.costs[name] for row in rows)
        for name in COSTS
        if name not in metrics.SIZES and all(name in row.costs for row in rows)
    }
    return {"solved": float(np.mean(solved)) if len(solved) == len(rows) else None, "costs": costs}


def _profiles(
    rows: Sequence[Row], references: Sequence[Reference], sign: float, method: Method
) -> dict[str, Any]:
    """Performance profiles with pointwise bands: the run-score distribution."""
    scores = np.concatenate([row.scores.ravel() for row in rows] + [[r.score for r in references]])
    margin = 0.02 * (scores.max() - scores.min()) or 0.5
    thresholds = np.linspace(scores.min() - margin, scores.max() + margin, 201)
    above = lambda scores: statistics.score_distribution(scores, sign * thresholds)
    band = lambda row: method(above, sign * row.scores, resamples=BANDS)
    profiles = {row.method: intervals.clipped(band(row), 0, 1) for row in rows}
    return {"thresholds": thresholds, "profiles": profiles}


Evaluations = list[tuple[np.ndarray, np.ndarray]]  # environment steps and scores of each seed


def _curves(runs: Sequence[Record], metric: str) -> Evaluations:
    """Evaluations during training; empty unless every seed of the method has them."""
    seeds = sum(len(record.final) for record in runs)
    having = [curve for record in runs for curve in record.curves.values() if metric in curve[1]]
    curves = [(steps, columns[metric]) for steps, columns in having]
    return curves if len(curves) == seeds and all(np.isfinite(scores).all() for _, scores in curves) else []


def _sample_efficiency(curves: Evaluations, method: Method) -> Curve | None:
    """The curve over the steps that all seeds cover; None where that is fewer than two."""
    if not curves:
        return None
    grid = np.unique(np.concatenate([steps for steps, _ in curves]))
    first, last = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
    grid = grid[(grid >= first) & (grid <= last)]
    if grid.size < 2:
        return None
    runs = np.stack([statistics.on_grid(steps, scores, grid) for steps, scores in curves], axis=1)
    return Curve(grid, method(statistics.interquartile_mean, runs[..., None], resamples=BANDS))


def _with_times(
    rows: Sequence[Row], curves: Mapping[str, Evaluations], sign: float, target: float, baseline: str
) -> list[Row]:
    """Rows with their time to the target, counted up to a step that all methods have seen."""
    times = {}
    horizon = np.inf
    for label, runs in curves.items():
        if runs:
            times_of_runs = [
                survival.first_reached(steps, sign * scores, sign * target) for steps, scores in runs
            ]
            at, censored = map(np.array, zip(*times_of_runs, strict=True))
            times[label] = (at, censored)
            horizon = min(horizon, at.max() if censored.any() else max(steps[-1] for steps, _ in runs))
    timed = []
    for row in rows:
        if row.method in times:
            at, censored = times[row.method]
            row = dataclasses.replace(row, time=survival.time_to_score(at, censored, float(horizon)))
            if row.method != baseline and baseline in times:
                p = survival.log_rank(times[row.method], times[baseline])
                row = dataclasses.replace(row, log_rank=p)
        timed.append(row)
    return timed
