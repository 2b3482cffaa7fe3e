"""Figures of a comparison: interval estimates, performance profile, sample efficiency, who beats whom.

They follow Agarwal et al. 2021 (figures 4 to 8 there); see ``statistics`` for what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qflock.evidence import style
from qflock.evidence.comparison_table import Comparison, Reference, Table
from qflock.evidence.statistics import Interval

DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)))  # once the colours are used up
WORDS = {
    "discounted_mean": "discounted return",
    "return_mean": "return",
    "return_min": "lowest return",
    "return_max": "highest return",
    "return_std": "standard deviation of returns",
    "length_mean": "episode length",
    "solved": "share solved",
}
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
    return [style.save(made, folder / name) for name, made in figures.items() if made is not None]


class _Looks:
    """Draws one comparison; a method has the same colour and line in every figure."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        methods = dict.fromkeys(row.method for table in comparison.tables for row in table.rows)
        self.looks = {
            method: (style.CYCLE[i % len(style.CYCLE)], DASHES[i // len(style.CYCLE) % len(DASHES)])
            for i, method in enumerate(methods)
        }
        self.word = WORDS.get(comparison.metric, comparison.metric)

    def estimates(self, table: Table) -> Figure:
        """The aggregate estimates of one table, a panel each."""
        names = [n for n in ESTIMATES if all(getattr(row, n) is not None for row in table.rows)]
        made, axes = _grid(1, len(names), 2.7, 0.85 + 0.32 * len(table.rows), labels=list(self.looks))
        for i, (name, panel) in enumerate(zip(names, axes, strict=True)):
            intervals = {row.method: getattr(row, name) for row in table.rows}
            style.heading(panel, ESTIMATES[name])
            self._bars(panel, intervals, names=i == 0)
            if name == "optimality_gap":
                panel.set_xlabel("share of the way missing", fontsize=style.LABEL)
            else:
                panel.set_xlabel(self._score(table), fontsize=style.LABEL)
                _verticals(panel, table.references, intervals)
        return self._finish(made, f"{table.name}: estimates with 95 % bootstrap intervals over seeds")

    def tasks(self) -> Figure:
        """The interquartile mean on every task, a panel each."""
        tables = self.comparison.tables
        columns = min(3, len(tables))
        rows = math.ceil(len(tables) / columns)
        height = 0.95 + 0.32 * max(len(table.rows) for table in tables)
        made, axes = _grid(rows, columns, 2.7, height, labels=list(self.looks))
        for i, (table, panel) in enumerate(zip(tables, axes, strict=False)):
            intervals = {row.method: row.score for row in table.rows}
            style.heading(panel, table.name)
            self._bars(panel, intervals, names=i % columns == 0 or list(intervals) != list(self.looks))
            panel.set_xlabel(self._score(table), fontsize=style.LABEL)
            _verticals(panel, table.references, intervals)
        _hide(axes[len(tables) :])
        return self._finish(made, "Interquartile mean with 95 % bootstrap intervals over seeds")

    def profiles(self, tables: Sequence[Table]) -> Figure:
        """The share of runs better than a score."""
        columns = min(3, len(tables))
        made, axes = _grid(math.ceil(len(tables) / columns), columns, 4.8 if columns == 1 else 3.4, 3.0)
        for table, panel in zip(tables, axes, strict=False):
            style.heading(panel, table.name)
            for method, profile in table.profiles.items():
                self._band(panel, method, table.thresholds, profile)
            for reference in table.references:
                panel.axvline(
                    reference.score, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5
                )
                panel.annotate(
                    reference.name, (reference.score, 1.0), xycoords=("data", "axes fraction"), xytext=(2, 2),
                    textcoords="offset points", fontsize=style.SMALL - 1, color=style.GREY, parse_math=False,
                )  # fmt: skip
            than = "less than" if table.less_is_better else "more than"
            panel.set_xlabel(f"{self._score(table)} τ", fontsize=style.LABEL)
            panel.set_ylabel(f"share of runs with {than} τ", fontsize=style.LABEL)
            panel.set_ylim(-0.02, 1.04)
            panel.set_xlim(float(table.thresholds[0]), float(table.thresholds[-1]))
        _hide(axes[len(tables) :])
        return self._finish(made, "Performance profile with 95 % bootstrap bands", legend=True)

    def curves(self) -> Figure | None:
        """Sample efficiency: the interquartile mean over seeds against environment steps."""
        tables = [table for table in self.comparison.tables if table.curves]
        if not tables:
            return None
        columns = min(3, len(tables))
        made, axes = _grid(math.ceil(len(tables) / columns), columns, 5.4 if columns == 1 else 3.9, 3.1)
        for i, (table, panel) in enumerate(zip(tables, axes, strict=False)):
            style.heading(panel, table.name)
            for method, curve in table.curves.items():
                self._band(panel, method, curve.steps, curve.score)
            panel.margins(x=0.02)
            style.steps_axis(panel, max(float(curve.steps[-1]) for curve in table.curves.values()))
            if i % columns == 0:
                panel.set_ylabel(f"{self.word}, interquartile mean", fontsize=style.LABEL)
            style.reference_lines(panel, {reference.name: reference.score for reference in table.references})
        _hide(axes[len(tables) :])
        return self._finish(made, "Sample efficiency with 95 % bootstrap bands over seeds", legend=True)

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
        height = 1.05 + 0.32 * max(map(len, shown.values()))
        made, axes = _grid(
            math.ceil(len(shown) / columns),
            columns,
            4.2 if columns == 1 else 2.9,
            height,
            labels=list(self.looks),
        )
        for (name, intervals), panel in zip(shown.items(), axes, strict=False):
            style.heading(panel, name)
            panel.axvline(0.5, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
            self._bars(panel, intervals, names=True)
            panel.set_xlim(-0.03, 1.03)
            panel.set_xlabel(
                f"P(method beats {self.comparison.baseline})", fontsize=style.LABEL, parse_math=False
            )
        _hide(axes[len(shown) :])
        return self._finish(
            made, f"Probability of improvement over {self.comparison.baseline}, 95 % intervals"
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

    def _band(self, axes: Axes, method: str, x: np.ndarray, y: Interval) -> None:
        colour, dash = self.looks[method]
        axes.plot(x, y.value, color=colour, linestyle=dash, linewidth=1.8, label=method)
        axes.fill_between(x, y.low, y.high, color=colour, alpha=0.16, linewidth=0, zorder=1.8)

    def _finish(self, made: Figure, title: str, legend: bool = False) -> Figure:
        """Title above, and where wanted one legend of all methods below all panels."""
        height, width = made.get_figheight(), made.get_figwidth()
        made.suptitle(title, x=0.012, ha="left", fontsize=style.LABEL, color=style.GREY, parse_math=False)
        below = 0.0
        if legend:
            longest = max(map(len, self.looks))
            columns = max(1, min(len(self.looks), int(width / (0.55 + 0.075 * longest))))
            below = (0.1 + 0.2 * math.ceil(len(self.looks) / columns)) / height
            handles = [
                Line2D([], [], color=colour, linestyle=dash, linewidth=1.8, label=method)
                for method, (colour, dash) in self.looks.items()
            ]
            drawn = made.legend(
                handles=handles, loc="lower center", ncols=columns, fontsize=style.SMALL, frameon=False,
                borderaxespad=0.3, columnspacing=1.6, handlelength=2.2,
            )  # fmt: skip
            for text in drawn.get_texts():
                text.set_parse_math(False)
        made.tight_layout(rect=(0, below, 1, 1 - 0.02 / height), h_pad=1.6, w_pad=1.6)
        return made


def _grid(
    rows: int, columns: int, width: float, height: float, labels: Sequence[str] = ()
) -> tuple[Figure, list[Axes]]:
    """Axes of a size in inches each, with room at the left for labels, and the title above."""
    room = 0.075 * max(map(len, labels), default=0)
    return style.figure(rows, columns, (columns * width + room, rows * height + 0.35))


def _hide(axes: Sequence[Axes]) -> None:
    for panel in axes:
        panel.set_axis_off()


def _verticals(axes: Axes, references: Sequence[Reference], intervals: dict[str, Interval]) -> None:
    """Reference scores as dashed lines, those alone that do not squeeze the intervals."""
    ends = np.array([float(end) for interval in intervals.values() for end in interval])
    low, high = np.nanmin(ends), np.nanmax(ends)
    room = high - low
    for reference in references:
        if low - room <= reference.score <= high + room:
            axes.axvline(reference.score, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
            axes.annotate(
                reference.name, (reference.score, 0.0), xycoords=("data", "axes fraction"), xytext=(3, 3),
                textcoords="offset points", fontsize=style.SMALL - 1, color=style.GREY, rotation=90,
                ha="left", va="bottom", parse_math=False,
            )  # fmt: skip
