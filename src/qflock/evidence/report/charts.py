"""A comparison's charts as data: what ``pages/chart.js`` draws, with methods numbered for their colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qflock.evidence import metrics
from qflock.evidence.comparison.fairness import TaskRuns
from qflock.evidence.comparison.table import Comparison, Table
from qflock.evidence.figures.series import plain, thinned
from qflock.evidence.records import Record


def methods(comparison: Comparison) -> list[str]:
    """All methods, in the order given: their places are their colours."""
    return list(dict.fromkeys(row.method for table in comparison.tables for row in table.rows))


def intervals(comparison: Comparison, table: Table) -> dict[str, Any]:
    """Each method's interquartile mean with its interval and its seeds' scores.

    Args:
        comparison: whose methods' order gives the colours.
        table: one of its tables.
    """
    order = methods(comparison)
    word = metrics.of(comparison.metric).word
    return {
        "kind": "intervals",
        "label": f"interquartile mean of the {'normalised ' if table.normalised else ''}{word}",
        "rows": [
            {
                "name": row.method,
                "look": order.index(row.method),
                "value": plain(row.score.value),
                "low": plain(row.score.low),
                "high": plain(row.score.high),
                "seeds": plain(row.scores.mean(1)),
            }
            for row in table.rows
        ],
        "lines": [{"name": one.name, "value": plain(one.score)} for one in table.references],
    }


def curves(comparison: Comparison, table: Table, task: TaskRuns, metric: str) -> dict[str, Any] | None:
    """Scores over environment steps, with bands and each seed's own line; None without any.

    Args:
        comparison: whose methods' order gives the colours.
        table: of the task, made for ``metric``.
        task: the task's runs.
        metric: what is drawn.
    """
    order = methods(comparison)
    series = []
    for name, curve in table.curves.items():
        keep = thinned(len(curve.steps))
        series.append(
            {
                "name": name,
                "look": order.index(name),
                "x": plain(curve.steps[keep]),
                "y": plain(curve.score.value[keep]),
                "low": plain(curve.score.low[keep]),
                "high": plain(curve.score.high[keep]),
                "seeds": [seed for run in task.methods[name] for seed in _seeds(run, metric)],
            }
        )
    if not series:
        return None
    return {
        "kind": "lines",
        "x": metrics.of("env_steps").word,
        "y": metrics.of(metric).word,
        "zero": True,
        "series": series,
        "lines": [{"name": one.name, "value": plain(one.score)} for one in table.references],
    }


def profiles(comparison: Comparison, table: Table) -> dict[str, Any] | None:
    """The share of runs better than each score; None where no method has two runs.

    Args:
        comparison: whose methods' order gives the colours.
        table: one of its tables.
    """
    if all(row.scores.size < 2 for row in table.rows):
        return None
    order = methods(comparison)
    series = [
        {
            "name": name,
            "look": order.index(name),
            "x": plain(table.thresholds),
            "y": plain(profile.value),
            "low": plain(profile.low),
            "high": plain(profile.high),
            "seeds": [],
        }
        for name, profile in table.profiles.items()
    ]
    worse = "less" if table.less_is_better else "more"
    word = metrics.of(comparison.metric).word
    score = f"score, {word}" if not table.normalised else f"normalised score, {word}"
    y = f"share of runs with {worse} than that"
    return {"kind": "lines", "x": score, "y": y, "zero": False, "series": series, "lines": []}


def _seeds(run: Record, metric: str) -> list[dict[str, Any]]:
    lines = []
    for seed, (steps, columns) in run.curves.items():
        if metric in columns:
            keep = thinned(len(steps))
            lines.append({"seed": seed, "x": plain(steps[keep]), "y": plain(columns[metric][keep])})
    return lines


def shown_metrics(comparison: Comparison, records: Sequence[Record]) -> list[str]:
    """What curves are worth a look: the score, then what else every seed was evaluated by.

    Args:
        comparison: which metric is the score.
        records: the runs behind it.
    """
    every = [columns for run in records for _, columns in run.curves.values()]
    names = dict.fromkeys([comparison.metric, "discounted_mean", "return_mean", "solved", "length_mean"])
    in_curves = lambda name: bool(every) and all(name in c and np.isfinite(c[name]).all() for c in every)
    ends = [row for run in records for row in run.final.values()]
    final = lambda name: all(np.isfinite(row.get(name, np.nan)) for row in ends)
    return [name for name in names if in_curves(name) and final(name)]
