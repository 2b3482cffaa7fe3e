"""A comparison's tables as HTML: scores with their intervals, costs, and times to a score."""

from __future__ import annotations

import math
from typing import Any
from xml.etree.ElementTree import Element

from qflock.core.printing import printable
from qflock.evidence import metrics
from qflock.evidence.comparison.table import Comparison, Reference, Row, Table
from qflock.evidence.report.elements import NOTHING, count, element, interval, number, share, table, to_html

ON_DEVICE = ("qubits", "circuit_depth", "two_qubit_gates", "device_evaluations")
"""What circuits take on a device; shown where a method has one."""


class ShownComparison(Comparison):
    """A comparison that a notebook shows as tables, and Python in a few lines."""

    @classmethod
    def of(cls, comparison: Comparison) -> ShownComparison:
        """The same comparison."""
        return cls(**vars(comparison))

    def _repr_html_(self) -> str:
        style = ".qflock small { display: block } .qflock .scroll { overflow-x: auto }"
        parts: list[Element | None] = [element("style", style)]
        for one in self.all_tables:
            parts += [element("b", one.name), scores(self, one), times(one)]
        notes = element("ul", *(element("li", note) for note in self.notes)) if self.notes else None
        return to_html([element("div", *parts, notes, class_="qflock")])

    def __repr__(self) -> str:
        lines = [f"<Comparison by {metrics.of(self.metric).word}, {len(self.runs)} runs>"]
        for one in self.all_tables:
            lines.append(f"{one.name}:")
            for row in one.rows:
                value, low, high = (number(x, one.decimals) for x in row.score)
                seeds = f"{len(row.seeds)} seed{'s' * (len(row.seeds) != 1)}"
                lines.append(f"  {row.method}: {value} ({low} to {high}), {seeds}")
            lines += [f"  {each.name}: {number(each.score, one.decimals)}" for each in one.references]
        return printable("\n".join([*lines, *(f"note: {note}" for note in self.notes)]))


def scores(comparison: Comparison, shown: Table) -> Element:
    """A row for each method and reference policy, best known numbers first.

    Args:
        comparison: which method is the baseline.
        shown: one of its tables.
    """
    digits, against = shown.decimals, any(row.improvement for row in shown.rows)
    heads: list[Any] = ["method", _two("IQM", "95 % interval"), "mean", "median", "gap to oracle"]
    if against:
        heads += [_two("IQM difference", "to baseline"), _two("P(better)", "than baseline")]
    solved = len(heads)
    steps, seconds = (f"{metrics.of(name).head} a seed" for name in ("env_steps", "seconds"))
    heads += [metrics.of("solved").head, metrics.of("parameters").word, steps, seconds]
    circuits = any("circuit_evaluations" in row.costs for row in shown.rows)
    heads += [metrics.of("circuit_evaluations").head] if circuits else []
    device = any("qubits" in row.costs for row in shown.rows)
    heads += [metrics.of(name).head for name in ON_DEVICE] if device else []
    rows = [_method(row, comparison.baseline, digits, against, circuits) for row in shown.rows]
    for cells, row in zip(rows, shown.rows, strict=True):
        cells += [count(row.costs.get(name)) for name in ON_DEVICE] if device else []
    rows += [_reference(one, digits, solved, len(heads)) for one in shown.references]
    return table(heads, rows, label=f"scores on {shown.name}")


def times(shown: Table) -> Element | None:
    """When each method first reached the target score; None where that is not known."""
    known = [row for row in shown.rows if row.time is not None]
    if not known or shown.target is None:
        return None
    median = _two("median steps", "95 % interval")
    heads = ["method", "seeds that reached it", median, "mean steps", "p, log-rank"]
    rows = []
    for row in known:
        time = row.time
        assert time is not None
        ends = f"{_steps(time.median_low, time.horizon)} to {_steps(time.median_high, time.horizon)}"
        ends = NOTHING if math.isnan(time.median_low) else ends
        p = NOTHING if row.log_rank is None or math.isnan(row.log_rank) else f"{row.log_rank:.3f}"
        reached = f"{time.reached} of {time.runs}"
        middle = [_steps(time.median, time.horizon), element("small", ends)]
        rows.append([row.method, reached, middle, count(time.restricted_mean), p])
    return table(heads, rows, label=f"time to {shown.target:g} on {shown.name}")


def seeds(shown: Table) -> Element:
    """Every seed's final score."""
    digits = shown.decimals
    every = sorted({seed for row in shown.rows for seed in row.seeds})
    rows = []
    for row in shown.rows:
        own = {seed: row.scores[at].mean() for at, seed in enumerate(row.seeds)}
        rows.append([row.method, *(number(own.get(seed), digits) for seed in every)])
    return table(["method", *(f"seed {seed}" for seed in every)], rows, label=f"seeds on {shown.name}")


def _two(above: str, below: str) -> Element:
    return element("span", above, element("small", below))


def _method(row: Row, baseline: str, digits: int, against: bool, circuits: bool) -> list[Any]:
    costs = row.costs
    some = f"{len(row.seeds)} seed{'s' * (len(row.seeds) != 1)}"
    cells: list[Any] = [
        [row.method, element("small", some + (", baseline" if against and row.method == baseline else ""))],
        interval(row.score, digits, strong=True),
        number(row.mean.value, digits),
        number(row.median.value, digits),
        interval(row.optimality_gap, 3),
    ]
    if against:
        paired = f", {row.paired_seeds} paired seeds" if row.paired_seeds else ""
        difference = interval(row.difference, digits, "+")
        if row.difference is not None and paired:
            difference[-1].text += paired
        cells += [difference, interval(row.improvement, 2)]
    cells += [share(row.solved), count(costs.get("parameters"))]
    cells += [count(costs.get("env_steps")), count(costs.get("seconds"))]
    return [*cells, count(costs.get("circuit_evaluations"))] if circuits else cells


def _reference(one: Reference, digits: int, solved: int, columns: int) -> list[Any]:
    cells: list[Any] = [[one.name, element("small", "reference")], number(one.score, digits), "", ""]
    cells += ["" if one.optimality_gap is None else number(one.optimality_gap, 3)]
    cells += [""] * (columns - len(cells))
    cells[solved] = "" if one.solved is None else share(one.solved)
    return [None, *cells]


def _steps(value: float, horizon: float) -> str:
    return count(value) if math.isfinite(value) else f"> {count(horizon)}"
