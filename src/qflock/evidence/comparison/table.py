"""What a comparison holds, and how it is written down as JSON and CSV."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qflock.core import texts
from qflock.evidence.comparison.statistics import Interval
from qflock.evidence.comparison.survival import TimeToScore
from qflock.evidence.metrics import COSTS

INTERVALS = ("score", "mean", "median", "optimality_gap", "improvement", "difference")


@dataclass(frozen=True)
class Row:
    """One method on one task, or over all tasks with scores normalised.

    Attributes:
        method: its label.
        seeds: the seeds behind the numbers.
        scores: ``(R, T)`` final scores, rows in the order of ``seeds``.
        score: interquartile mean.
        mean: over runs, then over tasks.
        median: the middle run; over several tasks the median of the tasks' means.
        optimality_gap: share of the way to the oracle that is missing; None without references.
        improvement: probability that a run of this method beats one of the baseline.
        difference: interquartile mean less the baseline's.
        paired_seeds: how many common seeds ``difference`` is on; 0 where it is unpaired.
        solved: share of episodes solved.
        costs: of one seed, where known (see ``records.Record``); over several tasks the sum of one
            seed on each, without what is a policy's size (`metrics.SIZES`).
        time: environment steps until the target score.
        log_rank: p-value of the baseline needing as long.
    """

    method: str
    seeds: tuple[int, ...]
    scores: np.ndarray
    score: Interval
    mean: Interval
    median: Interval
    optimality_gap: Interval | None = None
    improvement: Interval | None = None
    difference: Interval | None = None
    paired_seeds: int = 0
    solved: float | None = None
    costs: dict[str, float] = field(default_factory=dict)
    time: TimeToScore | None = None
    log_rank: float | None = None


@dataclass(frozen=True)
class Reference:
    """A reference policy's score: one policy, hence no seeds and no interval over them."""

    name: str
    score: float
    optimality_gap: float | None = None
    solved: float | None = None


@dataclass(frozen=True)
class Curve:
    """Interquartile mean over seeds at common environment steps ``(G,)``, with its band."""

    steps: np.ndarray
    score: Interval


@dataclass(frozen=True)
class Table:
    """The methods on one task, or over all tasks.

    Attributes:
        name: the task's, or ``all tasks``.
        tasks: names of the tasks behind it, the columns of ``Row.scores``.
        normalised: scores have random play at 0 and the oracle at 1.
        less_is_better: as the references say, see `metrics.sign`.
        evaluation: mode and episodes of the final evaluation.
        rows: methods in the order given.
        references: reference policies in the environment's order.
        target: the score that ``Row.time`` is about.
        thresholds: ``(K,)`` scores at which ``profiles`` are taken.
        profiles: share of runs better than each threshold, by method.
        curves: sample efficiency by method.
    """

    name: str
    tasks: tuple[str, ...]
    normalised: bool
    less_is_better: bool
    evaluation: dict[str, Any]
    rows: list[Row]
    references: list[Reference]
    target: float | None
    thresholds: np.ndarray
    profiles: dict[str, Interval]
    curves: dict[str, Curve]

    @property
    def decimals(self) -> int:
        """Digits after the point that tell scores apart: 3 for scores up to about 1, none for thousands."""
        scores = [abs(float(row.score.value)) for row in self.rows] + [abs(r.score) for r in self.references]
        return next((digits for digits, most in ((3, 1.5), (2, 100), (1, 1000)) if max(scores) < most), 0)


@dataclass(frozen=True)
class Comparison:
    """Tables of all tasks, one over all of them where that makes sense, and what to keep in mind."""

    metric: str
    baseline: str
    tables: list[Table]
    overall: Table | None
    notes: list[str]
    runs: list[Path]

    @property
    def all_tables(self) -> list[Table]:
        """The tasks' tables, then the one over all tasks where there is one."""
        return self.tables + ([self.overall] if self.overall else [])

    def as_json(self) -> dict[str, Any]:
        """Everything as numbers, strings, lists and mappings; None for what is unknown or infinite."""
        return _plain(self)

    def as_csv(self) -> str:
        """One line a method or reference policy and task, as text."""
        lines = [
            {"metric": self.metric, "baseline": self.baseline, "task": table.name, **line}
            for table in self.all_tables
            for line in [*map(_line, table.rows), *map(_reference_line, table.references)]
        ]
        return texts.table_to_csv(lines)


def _line(row: Row) -> dict[str, Any]:
    line: dict[str, Any] = {"method": row.method, "kind": "method", "seeds": len(row.seeds)}
    for name in INTERVALS:
        interval = getattr(row, name)
        for end in Interval._fields:
            column = name if end == "value" else f"{name}_{end}"
            line[column] = _cell(getattr(interval, end)) if interval else ""
    line |= {"paired_seeds": row.paired_seeds, "solved": _cell(row.solved)}
    line |= {name: _cell(row.costs.get(name)) for name in COSTS}
    for name in TimeToScore._fields:
        line[f"time_{name}"] = _cell(getattr(row.time, name)) if row.time else ""
    return line | {"log_rank": _cell(row.log_rank)}


def _reference_line(reference: Reference) -> dict[str, Any]:
    return {
        "method": reference.name,
        "kind": "reference",
        "score": _cell(reference.score),
        "optimality_gap": _cell(reference.optimality_gap),
        "solved": _cell(reference.solved),
    }


def _cell(value: Any) -> str:
    return "" if value is None or math.isnan(value) else f"{float(value):.10g}"


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, tuple) and hasattr(value, "_asdict"):  # Interval, TimeToScore
        return _plain(value._asdict())  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value
