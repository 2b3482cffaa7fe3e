"""Curves of several runs, that may still train, in one chart a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qflock.evidence import metrics
from qflock.evidence.dash.board import Seen
from qflock.evidence.dash.logs import CLOCK, RETURN
from qflock.evidence.figures import series

MOST_CURVES = 6
"""Curves in a chart: there are as many colours."""


def word(metric: str) -> str:
    """What a metric is called on the page.

    Args:
        metric: as `logs.Curves.source`.
    """
    if metric == RETURN:
        return metrics.of(metrics.DEFAULT).word
    kind, _, name = metric.partition(":")
    return f"{metrics.of(name).word}, {'evaluated' if kind == 'evaluated' else 'in training'}"


def charts(runs: Sequence[Seen], metric: str, every: Sequence[Seen]) -> dict[str, Any]:
    """Charts of some runs, one a task, as ``pages/chart.js`` draws them.

    Args:
        runs: which are drawn; at most `MOST_CURVES`.
        metric: as `logs.Curves.source`.
        every: all runs there are: those of the same task know what the oracle and random play score.
    """
    tasks: list[list[Seen]] = []
    for run in runs[:MOST_CURVES]:
        own = next((task for task in tasks if task[0].environment == run.environment), None)
        if own is None:
            tasks.append([run])
        else:
            own.append(run)
    looks = {run.key: at for at, run in enumerate(runs)}
    names = dict.fromkeys(name for run in runs for name in run.curves.names())
    return {
        "metric": metric,
        "metrics": [{"name": name, "word": word(name)} for name in (RETURN, *names)],
        "charts": [_chart(task, metric, every, looks, tasks) for task in tasks],
    }


def _chart(
    task: Sequence[Seen],
    metric: str,
    every: Sequence[Seen],
    looks: Mapping[str, int],
    tasks: Sequence[Sequence[Seen]],
) -> dict[str, Any]:
    lines, origin = (
        _references(task, every) if metric in (RETURN, f"evaluated:{metrics.DEFAULT}") else ({}, "")
    )
    drawn = [one for run in task if (one := _series(run, metric, looks[run.key])) is not None]
    return {
        "title": _title(task[0].environment, [one[0].environment for one in tasks]),
        "note": origin,
        "waiting": [run.name for run in task if run.key not in {one["key"] for one in drawn}],
        "data": {
            "kind": "lines",
            "x": metrics.of("env_steps").word,
            "y": word(metric),
            "zero": True,
            "series": drawn,
            "lines": [{"name": name, "value": series.plain(value)} for name, value in lines.items()],
        },
    }


def _series(run: Seen, metric: str, look: int) -> dict[str, Any] | None:
    columns, name = run.curves.source(metric)
    seeds = series.by_seed(columns, name, CLOCK)
    if not seeds:
        return None
    in_training = columns is run.curves.trained
    if in_training and metric == RETURN:
        seeds = [(x, series.moving_average(y)) for x, y in seeds]
    x, mean, low, high = series.over_seeds(seeds)
    keep = series.thinned(len(x))
    none = [None] * len(keep)
    several = len(seeds) > 1
    return {
        "key": run.key,
        "name": f"{run.name} (training episodes)" if in_training and metric == RETURN else run.name,
        "look": look,
        "x": series.plain(x[keep]),
        "y": series.plain(mean[keep]),
        "low": series.plain(low[keep]) if several else none,
        "high": series.plain(high[keep]) if several else none,
        "seeds": [_line(at, *seed) for at, seed in enumerate(seeds)] if several else [],
    }


def _line(seed: int, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    keep = series.thinned(len(x))
    return {"seed": seed, "x": series.plain(x[keep]), "y": series.plain(y[keep])}


def _references(task: Sequence[Seen], every: Sequence[Seen]) -> tuple[Mapping[str, float], str]:
    """Scores of the reference policies: those of a drawn run, else those of any other run of the task."""
    for run in (*task, *every):
        if run.overview.references and run.environment == task[0].environment:
            return run.overview.references, "" if run in task else f"References as {run.name} measured them."
    return {}, "The oracle and random play are scored when a run of this task is finished."


def _title(environment: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    """The task's name, with the settings in which it differs from other tasks of the name."""
    alike = [other for other in others if other.get("name") == environment.get("name")]
    apart = [name for name in environment if any(other.get(name) != environment[name] for other in alike)]
    return " ".join([str(environment.get("name")), *(f"{name}={environment[name]}" for name in apart)])
