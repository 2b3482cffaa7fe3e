"""A comparison as tables for a terminal, 100 columns wide."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.markup import escape
from rich.table import Table as Grid

from qflock.core.console import Console
from qflock.evidence import metrics
from qflock.evidence.comparison.statistics import Interval
from qflock.evidence.comparison.table import Comparison, Table
from qflock.runs.train.curve import quantity

WIDTH = 100  # where the output is no terminal; a narrower terminal has costs below the scores
WIDER = 8  # characters more, where circuits have a column of theirs
NOTHING = "-"
LABEL = 16  # characters of a word that a column has room for


def show(comparison: Comparison, files: Sequence[Path]) -> None:
    """Print all tables, what to keep in mind, and where the files are.

    Args:
        comparison: what to show.
        files: the files that were written, the folder of the first being named.
    """
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    for table in comparison.all_tables:
        console.print()
        console.print(_heading(comparison, table), soft_wrap=True)
        for grid in _grids(comparison, table, console.width):
            console.print(console.fitting(grid))
        if any(row.time for row in table.rows):
            console.print()
            console.print(console.fitting(_times(comparison, table)))
    console.print()
    for note in comparison.notes:
        console.print(f"[yellow]note[/yellow]  {escape(note)}", soft_wrap=True)
    where = ", ".join(path.name for path in files if path.parent == files[0].parent)
    console.print(f"wrote {escape(where)} to {escape(str(files[0].parent))}/", soft_wrap=True)


def _heading(comparison: Comparison, table: Table) -> str:
    if table.normalised:
        about = f"{comparison.metric} with random play at 0 and the oracle at 1"
    else:
        mode, episodes = table.evaluation.get("mode"), table.evaluation.get("episodes")
        about = f"{comparison.metric} over {episodes} {mode} episodes a seed, after training"
    if _brief(comparison.baseline) != comparison.baseline and any(row.improvement for row in table.rows):
        about += f"; baseline: {comparison.baseline}"
    return f"[bold]{escape(table.name)}[/bold]  {escape(about)}"


def _brief(baseline: str) -> str:
    """The baseline's name in the head of a column."""
    return baseline if len(baseline) <= LABEL else "baseline"


def _folded(label: str) -> str:
    """A label whose long words, ``learning_rate=0.0005``, break behind their equals sign."""
    words = [w if len(w) <= LABEL else "\n" + w.replace("=", "=\n  ", 1) for w in label.split(" ")]
    return " ".join(words).replace(" \n", "\n").strip()


def _grids(comparison: Comparison, table: Table, width: int) -> list[Grid]:
    """Scores and costs in one grid, or one below the other where the terminal is narrow."""
    decimals = table.decimals
    scores = _score_columns(table, decimals, escape(_brief(comparison.baseline)))
    costs = _cost_columns(table)
    count = len(table.rows)
    methods = [f"{escape(_folded(r.method))}\n[dim]{_seeds(len(r.seeds))}[/]" for r in table.rows]
    methods += [escape(reference.name) for reference in table.references]
    grids = []
    wide = WIDTH + WIDER * bool(_device_columns(table))
    for columns in [[*scores, *costs]] if width >= wide else [scores, costs]:
        grid = Grid(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
        grid.add_column("method\n[not bold]seeds[/]", overflow="fold", min_width=12)
        for column in columns:
            grid.add_column(column.head, justify="right", no_wrap=True)
        for at, method in enumerate(methods):
            grid.add_row(
                method, *(column.cells[at] for column in columns), style="dim" if at >= count else ""
            )
        grids.append(grid)
    return grids


class _Column(NamedTuple):
    head: str
    cells: list[str]  # of all methods, then of all reference policies


def _score_columns(table: Table, decimals: int, baseline: str) -> list[_Column]:
    rows, references = table.rows, table.references
    blank = [""] * len(references)
    columns = [
        _Column(
            "IQM\n[not bold]95 % interval[/]",
            [f"[bold]{_number(r.score.value, decimals)}[/]\n{_ends(r.score, decimals)}" for r in rows]
            + [_number(r.score, decimals) for r in references],
        ),
        _Column(
            "mean\n[not bold]median[/]",
            [f"{_number(r.mean.value, decimals)}\n{_number(r.median.value, decimals)}" for r in rows] + blank,
        ),
        _Column(
            "gap to\noracle",
            [_number(r.optimality_gap.value, 3) if r.optimality_gap else NOTHING for r in rows]
            + [_number(r.optimality_gap, 3) for r in references],
        ),
    ]
    if any(row.improvement for row in rows):
        for head, places, sign, intervals in (
            (f"IQM minus\n{baseline}", decimals, "+", [row.difference for row in rows]),
            (f"P(beats\n{baseline})", 2, "", [row.improvement for row in rows]),
        ):
            cells = [f"{_number(i.value, places, sign)}\n{_ends(i, places)}" if i else "" for i in intervals]
            columns.append(_Column(head, cells + blank))
    return columns


def _cost_columns(table: Table) -> list[_Column]:
    rows = table.rows
    blank = [""] * len(table.references)
    known = {name: [_count(row.costs.get(name)) for row in rows] for name in metrics.COSTS}
    circuits = any("circuit_evaluations" in row.costs for row in rows)
    run = [c if c != NOTHING else "" for c in known["circuit_evaluations"]]
    seconds = [_seconds(row.costs.get("seconds")) for row in rows]
    head = {name: metrics.of(name).head for name in ("solved", *metrics.COSTS)}
    return [
        _Column(
            "\n" + head["solved"],
            [_share(row.solved) for row in rows] + [_share(r.solved) for r in table.references],
        ),
        _Column(
            head["parameters"] + f"\n[not bold]{head['circuit_evaluations']}[/]" * circuits,
            ["\n".join(cell) for cell in zip(known["parameters"], run, strict=True)] + blank,
        ),
        _Column(
            f"{head['env_steps']}\n[not bold]{head['seconds']}[/]",
            ["\n".join(cell) for cell in zip(known["env_steps"], seconds, strict=True)] + blank,
        ),
        *_device_columns(table),
    ]


def _device_columns(table: Table) -> list[_Column]:
    """What circuits take on a device, where a method has any."""
    names = ("qubits", "circuit_depth", "two_qubit_gates")
    if not any(names[0] in row.costs for row in table.rows):
        return []
    form = "{}, {}\n{}".format
    cells = [
        form(*(_count(row.costs.get(name)) for name in names)) if names[0] in row.costs else ""
        for row in table.rows
    ]
    head = "{}, {}\n[not bold]{}[/]".format(*(metrics.of(name).head for name in names))
    return [_Column(head, cells + [""] * len(table.references))]


def _times(comparison: Comparison, table: Table) -> Grid:
    grid = Grid(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    grid.add_column(f"time to {_number(table.target, table.decimals)}", overflow="fold", min_width=12)
    horizon = max(row.time.horizon for row in table.rows if row.time)
    tested = any(row.log_rank is not None for row in table.rows)
    for head in ("reached by", "median steps", "95 % interval", f"mean to {quantity(horizon)}"):
        grid.add_column(head, justify="right")
    if tested:
        grid.add_column(f"p against {escape(_brief(comparison.baseline))}", justify="right")

    def steps(value: float) -> str:
        return quantity(value) if math.isfinite(value) else f"> {quantity(horizon)}"

    for row in table.rows:
        if row.time:
            time, p = row.time, row.log_rank
            ends = escape(f"[{steps(time.median_low)}, {steps(time.median_high)}]")
            cells = [escape(_folded(row.method)), f"{time.reached} of {time.runs}", steps(time.median)]
            cells += [ends if math.isfinite(time.median_low) else NOTHING, quantity(time.restricted_mean)]
            if tested:
                cells.append("" if p is None or math.isnan(p) else f"{p:.3f}" if p >= 0.001 else "< 0.001")
            grid.add_row(*cells)
    return grid


def _number(value: object, decimals: int, sign: str = "") -> str:
    return f"{float(value):{sign}.{decimals}f}" if value is not None else NOTHING  # type: ignore


def _ends(interval: Interval, decimals: int) -> str:
    low, high = float(interval.low), float(interval.high)
    if math.isnan(low):
        return NOTHING
    return escape(f"[{low:.{decimals}f}, {high:.{decimals}f}]")


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _seconds(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:,.0f} s" if value >= 10 else f"{value:.1f} s"


def _share(value: float | None) -> str:
    return NOTHING if value is None else metrics.percent(value)


def _count(value: float | None) -> str:
    return NOTHING if value is None else quantity(value)
