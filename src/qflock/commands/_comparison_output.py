"""A comparison as tables for a terminal, 100 columns wide."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from qflock.evidence.comparison_table import COSTS, Comparison, Row, Table
from qflock.evidence.statistics import Interval
from qflock.runs.curve import quantity

WIDTH = 100  # where the output is no terminal
NOTHING = "-"


def show(comparison: Comparison, written: Sequence[Path]) -> None:
    """Print all tables, what to keep in mind, and where the files are."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    for table in comparison.all_tables:
        console.print()
        console.print(_heading(comparison, table))
        console.print(_scores(comparison, table))
        if any(row.time for row in table.rows):
            console.print()
            console.print(_times(comparison, table))
    console.print()
    for note in comparison.notes:
        console.print(f"[yellow]note[/yellow]  {escape(note)}", soft_wrap=True)
    where = ", ".join(path.name for path in written if path.parent == written[0].parent)
    console.print(f"wrote {escape(where)} to {escape(str(written[0].parent))}/", soft_wrap=True)


def _heading(comparison: Comparison, table: Table) -> str:
    if table.normalised:
        said = f"{comparison.metric} with random play at 0 and the oracle at 1"
    else:
        mode, episodes = table.evaluation.get("mode"), table.evaluation.get("episodes")
        said = f"{comparison.metric} over {episodes} {mode} episodes a seed, after training"
    return f"[bold]{escape(table.name)}[/bold]  {escape(said)}"


def _scores(comparison: Comparison, table: Table) -> Grid:
    against = any(row.improvement for row in table.rows)
    circuits = any("circuit_evaluations" in row.costs for row in table.rows)
    name = escape(comparison.baseline)
    grid = Grid(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    grid.add_column("method\n[not bold]seeds[/]", overflow="fold", min_width=12)
    for head, shown in (
        ("IQM\n[not bold]95 % interval[/]", True),
        ("mean\n[not bold]median[/]", True),
        ("gap to\noracle", True),
        (f"IQM less\n{name}", against),
        (f"P(beats\n{name})", against),
        ("\nsolved", True),
        ("parameters" + "\n[not bold]circuits run[/]" * circuits, True),
        ("steps\n[not bold]seconds[/]", True),
    ):
        if shown:
            grid.add_column(head, justify="right", overflow="fold")
    decimals = _decimals(table)
    for row in table.rows:
        grid.add_row(*_method(row, decimals, against))
    for reference in table.references:
        gap = "" if reference.optimality_gap is None else _number(reference.optimality_gap, 3)
        score, solved = _number(reference.score, decimals), _share(reference.solved)
        cells = [escape(reference.name), score, "", gap, *["", ""] * against, solved, "", ""]
        grid.add_row(*cells, style="dim")
    return grid


def _method(row: Row, decimals: int, against: bool) -> list[str]:
    cells = [
        f"{escape(row.method)}\n[dim]{len(row.seeds)} seed{'s' * (len(row.seeds) != 1)}[/]",
        f"[bold]{_number(row.score.value, decimals)}[/]\n{_ends(row.score, decimals)}",
        f"{_number(row.mean.value, decimals)}\n{_number(row.median.value, decimals)}",
        _number(row.optimality_gap.value, 3) if row.optimality_gap else NOTHING,
    ]
    if against and row.improvement and row.difference:
        cells.append(f"{_number(row.difference.value, decimals, '+')}\n{_ends(row.difference, decimals)}")
        cells.append(f"{_number(row.improvement.value, 2)}\n{_ends(row.improvement, 2)}")
    elif against:
        cells += ["", ""]
    known = {name: _count(row.costs.get(name)) for name in COSTS}
    seconds = row.costs.get("seconds")
    spent = NOTHING if seconds is None else f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    circuits = known["circuit_evaluations"] if "circuit_evaluations" in row.costs else ""
    cells += [_share(row.solved), f"{known['parameters']}\n{circuits}", f"{known['env_steps']}\n{spent}"]
    return cells


def _times(comparison: Comparison, table: Table) -> Grid:
    grid = Grid(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    grid.add_column(f"time to {_number(table.target, _decimals(table))}", overflow="fold", min_width=12)
    horizon = max(row.time.horizon for row in table.rows if row.time)
    tested = any(row.log_rank is not None for row in table.rows)
    for head in ("reached by", "median steps", "95 % interval", f"mean steps, to {quantity(horizon)}"):
        grid.add_column(head, justify="right")
    if tested:
        grid.add_column(f"p against {escape(comparison.baseline)}", justify="right")

    def steps(value: float) -> str:
        return quantity(value) if math.isfinite(value) else f"> {quantity(horizon)}"

    for row in table.rows:
        if row.time:
            time, p = row.time, row.log_rank
            ends = escape(f"[{steps(time.median_low)}, {steps(time.median_high)}]")
            cells = [escape(row.method), f"{time.reached} of {time.runs}", steps(time.median)]
            cells += [ends if math.isfinite(time.median_low) else NOTHING, quantity(time.restricted_mean)]
            if tested:
                cells.append("" if p is None or math.isnan(p) else f"{p:.3f}" if p >= 0.001 else "< 0.001")
            grid.add_row(*cells)
    return grid


def _decimals(table: Table) -> int:
    """Digits after the point that tell scores apart: 3 for scores around 1, none for thousands."""
    known = [abs(float(row.score.value)) for row in table.rows] + [abs(r.score) for r in table.references]
    return max(0, min(3, 3 - math.floor(math.log10(max(*known, 1e-9))))) if known else 3


def _number(value: object, decimals: int, sign: str = "") -> str:
    return f"{float(value):{sign}.{decimals}f}" if value is not None else NOTHING  # type: ignore


def _ends(interval: Interval, decimals: int) -> str:
    low, high = float(interval.low), float(interval.high)
    if math.isnan(low):
        return NOTHING
    return escape(f"[{low:.{decimals}f}, {high:.{decimals}f}]")


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f} %"


def _count(value: float | None) -> str:
    return NOTHING if value is None else quantity(value)
