"""Figures of a comparison: interval estimates, performance profile, sample efficiency, who beats whom.

They follow Agarwal et al. 2021 (figures 4 to 8 there); see ``statistics`` for what is drawn.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from qflock.evidence import metrics
from qflock.evidence.comparison.statistics import Interval
from qflock.evidence.comparison.table import Comparison, Reference, Table
from qflock.evidence.figures import style

LEADER = 8
"""Points from the axes up to the names of reference lines."""
DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)))  # once the colours are used up
ESTIMATES = {
    "score": "Interquartile mean",
    "median": "Median",
    "mean": "Mean",
    "optimality_gap": "Optimality gap",
}


def draw(comparison: Comparison, folder: Path) -> list[Path]:
    """Draw all figures that the comparison has numbers for.

    Args:
        comparison: what to draw.
        folder: where to; it exists.

    Returns:
        The pictures' paths.

    Raises:
        CannotWrite: the disk is full or the folder cannot be written.
    """
    looks = _Looks(comparison)
    main = [comparison.overall] if comparison.overall else comparison.tables
    figures = {
        "interval_estimates.png": looks.estimates(main[0]) if len(main) == 1 else looks.tasks(),
        "interval_estimates_by_task.png": looks.tasks() if comparison.overall else None,
        "performance_profile.png": looks.profiles(main),
        "sample_efficiency.png": looks.curves(),
        "probability_of_improvement.png": looks.improvements(main),
    }
    return [style.save(figure, folder / name) for name, figure in figures.items() if figure is not None]


class _Looks:
    """Draws one comparison; a method has the same colour and line in every figure."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        methods = dict.fromkeys(row.method for table in comparison.tables for row in table.rows)
        self.looks = {
            method: (style.CYCLE[i % len(style.CYCLE)], DASHES[i // len(style.CYCLE) % len(DASHES)])
            for i, method in enumerate(methods)
        }
        self.word = metrics.of(comparison.metric).word

    def estimates(self, table: Table) -> Figure:
        """The aggregate estimates of one table, a panel each."""
        names = [n for n in ESTIMATES if all(getattr(row, n) is not None for row in table.rows)]
        figure, axes = _grid(1, len(names), 2.7, 1.0 + 0.3 * len(table.rows), labels=list(self.looks))
        for i, (name, panel) in enumerate(zip(names, axes, strict=True)):
            intervals = {row.method: getattr(row, name) for row in table.rows}
            _heading(panel, ESTIMATES[name])
            self._bars(panel, intervals, names=i == 0)
            if name == "optimality_gap":
                panel.set_xlabel("0: oracle, 1: random play", fontsize=style.LABEL)
            else:
                panel.set_xlabel(self._score(table), fontsize=style.LABEL)
                _verticals(panel, _near(table.references, intervals))
        return self._finish(figure, f"{table.name}: estimates with 95 % intervals over seeds")

    def tasks(self) -> Figure:
        """The interquartile mean on every task, a panel each."""
        tables = self.comparison.tables
        columns = min(3, len(tables))
        rows = math.ceil(len(tables) / columns)
        height = 1.0 + 0.3 * max(len(table.rows) for table in tables)
        figure, axes = _grid(rows, columns, 2.7, height, labels=list(self.looks))
        for i, (table, panel) in enumerate(zip(tables, axes, strict=False)):
            intervals = {row.method: row.score for row in table.rows}
            _heading(panel, table.name)
            self._bars(panel, intervals, names=i % columns == 0 or list(intervals) != list(self.looks))
            panel.set_xlabel(self._score(table), fontsize=style.LABEL)
            _verticals(panel, _near(table.references, intervals))
        _hide(axes[len(tables) :])
        return self._finish(figure, "Interquartile mean with 95 % intervals over seeds")

    def profiles(self, tables: Sequence[Table]) -> Figure:
        """The share of runs better than a score."""
        columns = min(3, len(tables))
        figure, axes = _grid(math.ceil(len(tables) / columns), columns, 5.4 if columns == 1 else 3.9, 3.5)
        for table, panel in zip(tables, axes, strict=False):
            _heading(panel, table.name)
            for method, profile in table.profiles.items():
                self._band(panel, method, table.thresholds, profile, stairs=True)
            than = "less than" if table.less_is_better else "more than"
            panel.set_xlabel(f"{self._score(table)} τ", fontsize=style.LABEL)
            panel.set_ylabel(f"share of runs with {than} τ", fontsize=style.LABEL)
            panel.set_ylim(-0.02, 1.04)
            panel.set_xlim(float(table.thresholds[0]), float(table.thresholds[-1]))
            _verticals(panel, table.references)
        _hide(axes[len(tables) :])
        return self._finish(figure, "Performance profile with 95 % bands", legend=True)

    def curves(self) -> Figure | None:
        """Sample efficiency: the interquartile mean over seeds against environment steps."""
        tables = [table for table in self.comparison.tables if table.curves]
        if not tables:
            return None
        columns = min(3, len(tables))
        figure, axes = _grid(math.ceil(len(tables) / columns), columns, 5.9 if columns == 1 else 4.2, 3.5)
        for i, (table, panel) in enumerate(zip(tables, axes, strict=False)):
            _heading(panel, table.name, pad=9)
            for method, curve in table.curves.items():
                self._band(panel, method, curve.steps, curve.score)
            panel.margins(x=0.02)
            style.steps_axis(panel, max(float(curve.steps[-1]) for curve in table.curves.values()))
            if i % columns == 0:
                panel.set_ylabel(f"IQM of {self.word}", fontsize=style.LABEL)
            style.reference_lines(panel, {reference.name: reference.score for reference in table.references})
        _hide(axes[len(tables) :])
        return self._finish(figure, "Sample efficiency with 95 % bands over seeds", legend=True)

    def improvements(self, tables: Sequence[Table]) -> Figure | None:
        """The probability that a run of each method beats a run of the baseline."""
        shown = {
            table.name: {row.method: row.improvement for row in table.rows if row.improvement}
            for table in tables
        }
        shown = {name: intervals for name, intervals in shown.items() if intervals}
        if not shown:
            return None
        columns = min(3, len(shown))
        height = 1.0 + 0.3 * max(map(len, shown.values()))
        figure, axes = _grid(
            math.ceil(len(shown) / columns),
            columns,
            4.2 if columns == 1 else 2.9,
            height,
            labels=list(self.looks),
        )
        for (name, intervals), panel in zip(shown.items(), axes, strict=False):
            _heading(panel, name, pad=9)
            panel.axvline(0.5, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
            self._bars(panel, intervals, names=True)
            panel.set_xlim(-0.03, 1.03)
            panel.set_xlabel("P(method beats the baseline)", fontsize=style.LABEL)
        _hide(axes[len(shown) :])
        return self._finish(
            figure, f"Probability of improvement over {self.comparison.baseline}, 95 % intervals"
        )

    def _score(self, table: Table) -> str:
        return "normalised score" if table.normalised else self.word

    def _bars(self, axes: Axes, intervals: dict[str, Interval], names: bool) -> None:
        """One row a method: the interval as a bar, the estimate as a stroke across it."""
        for row, (method, interval) in enumerate(intervals.items()):
            colour, _ = self.looks[method]
            value, low, high = (float(end) for end in interval)
            if math.isfinite(low):
                axes.barh(row, high - low, left=low, height=0.56, color=colour, alpha=0.55, linewidth=0)
            axes.plot([value, value], [row - 0.36, row + 0.36], color=style.BLACK, linewidth=1.6)
        axes.set_ylim(len(intervals) - 0.4, -0.6)
        axes.set_yticks(range(len(intervals)), list(intervals) if names else [""] * len(intervals))
        for label in axes.get_yticklabels():
            label.set_parse_math(False)
        axes.tick_params(axis="y", length=0, labelsize=style.LABEL)
        axes.spines["left"].set_visible(False)
        axes.grid(False, axis="y")
        axes.grid(True, axis="x", color=style.PALE, linewidth=0.6)
        axes.locator_params(axis="x", nbins=5)
        axes.use_sticky_edges = False  # bars keep clear of the left edge
        axes.margins(x=0.06)

    def _band(self, axes: Axes, method: str, x: np.ndarray, y: Interval, stairs: bool = False) -> None:
        colour, dash = self.looks[method]
        drawstyle, step = ("steps-mid", "mid") if stairs else ("default", None)
        axes.plot(x, y.value, color=colour, linestyle=dash, linewidth=1.8, drawstyle=drawstyle)
        axes.fill_between(x, y.low, y.high, color=colour, alpha=0.16, linewidth=0, zorder=1.8, step=step)

    def _finish(self, figure: Figure, title: str, legend: bool = False) -> Figure:
        """Title above, and where wanted one legend of all methods below all panels."""
        lines = max(axes.get_title("left").count("\n") for axes in figure.axes)
        rows = {axes.get_position().y0 for axes in figure.axes}
        figure.set_figheight(figure.get_figheight() + lines * len(rows) * 1.2 * style.TITLE / 72)
        figure.suptitle(title, x=0.01, ha="left", fontsize=style.LABEL, color=style.GREY, parse_math=False)
        if legend:
            entry = 0.55 + 0.068 * max(map(len, self.looks))  # inches
            columns = max(1, min(len(self.looks), int(figure.get_figwidth() / entry)))
            figure.set_figheight(figure.get_figheight() + 0.19 * (math.ceil(len(self.looks) / columns) - 1))
            handles = [
                Line2D([], [], color=colour, linestyle=dash, linewidth=1.8, label=method)
                for method, (colour, dash) in self.looks.items()
            ]
            drawn = figure.legend(
                handles=handles, loc="outside lower center", fontsize=style.SMALL, frameon=False,
                ncols=columns, columnspacing=1.6,
            )  # fmt: skip
            for text in drawn.get_texts():
                text.set_parse_math(False)
        return figure


def _grid(
    rows: int, columns: int, width: float, height: float, labels: Sequence[str] = ()
) -> tuple[Figure, list[Axes]]:
    """Axes of about a size in inches each, with room at the left for labels."""
    room = 0.075 * max(map(len, labels), default=0)
    figure, axes = style.figure(rows, columns, (columns * width + room, rows * height + 0.35))
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.08)
    return figure, axes


def _hide(axes: Sequence[Axes]) -> None:
    for panel in axes:
        panel.set_axis_off()


def _near(references: Sequence[Reference], intervals: dict[str, Interval]) -> list[Reference]:
    """The reference scores that do not squeeze the intervals when they are drawn beside them."""
    ends = np.array([float(end) for interval in intervals.values() for end in interval])
    low, high = np.nanmin(ends), np.nanmax(ends)
    room = high - low
    return [reference for reference in references if low - room <= reference.score <= high + room]


def _heading(axes: Axes, text: str, pad: float = 24) -> None:
    """A panel's title, in as many lines as it needs, with room below for the names of reference lines."""
    inches = axes.get_window_extent().width / axes.figure.dpi
    letters = int(inches * 72 / (0.62 * style.TITLE))
    lines = textwrap.fill(text, letters, break_long_words=False, break_on_hyphens=False)
    title = axes.set_title(
        lines, loc="left", fontsize=style.TITLE, fontweight="bold", color=style.BLACK, pad=pad
    )
    title.set_parse_math(False)


def _verticals(axes: Axes, references: Sequence[Reference]) -> None:
    """Reference scores as dashed lines, their names above the axes and none on another.

    Call it when everything else is drawn; it widens the limits to hold the lines.
    """
    if not references:
        return
    references = sorted(references, key=lambda reference: reference.score)
    low, high = axes.get_xlim()
    pad = 0.03 * (high - low)
    axes.set_xlim(min(low, references[0].score - pad), max(high, references[-1].score + pad))
    low, high = axes.get_xlim()
    size = style.SMALL - 1
    inches = axes.get_window_extent().width / axes.figure.dpi
    widths = [(0.62 * len(reference.name) + 1.2) * size / 72 / inches for reference in references]
    lefts = [sum(widths[:at]) + widths[at] / 2 for at in range(len(widths))]  # of names in a row
    middles = [(reference.score - low) / (high - low) for reference in references]
    apart = style.spread([middle - left for middle, left in zip(middles, lefts, strict=True)], 0.0)
    above = axes.transAxes + ScaledTranslation(0, LEADER / 72, axes.figure.dpi_scale_trans)
    for reference, place, left in zip(references, apart, lefts, strict=True):
        axes.axvline(reference.score, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
        axes.annotate(
            reference.name, (reference.score, 1.0), xycoords=("data", "axes fraction"),
            xytext=(place + left, 1.0), textcoords=above, fontsize=size, color=style.GREY,
            ha="center", va="bottom", parse_math=False,
            arrowprops={"arrowstyle": "-", "color": style.GREY, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
