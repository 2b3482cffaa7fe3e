"""training_plots.png: four panels out of what a run has logged, whatever it was that it logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qflock.evidence import metrics
from qflock.evidence.figures import style
from qflock.evidence.figures.series import (
    MOST_POINTS,
    SHARE_AVERAGED,
    Columns,
    by_seed,
    drawable,
    moving_average,
    numbers,
    over_seeds,
)
from qflock.runs.folder import RunFolder

DECADES = 2.0  # spanned by a positive column before it gets a logarithmic axis


class Panel(NamedTuple):
    """What may be drawn together.

    Attributes:
        title: heading of the panel.
        left: columns on the left axis.
        right: the same for a second axis.
        logarithmic: whether a wide positive range is drawn on a logarithmic axis.
    """

    title: str
    left: tuple[str, ...]
    right: tuple[str, ...] = ()
    logarithmic: bool = False


class Clock(NamedTuple):
    """The column that runs along the x axis, what it counts, and how far it goes."""

    column: str
    word: str
    end: float


# In order of precedence; the first three of which the log has a column follow the panel of returns.
# A family of algorithms adds its own here.
PANELS = (
    Panel("Loss", ("loss",), logarithmic=True),
    Panel("Q-values", ("q_value",)),
    Panel("Exploration and TD error", ("epsilon",), ("td_error",)),
    Panel("Policy loss", ("policy_loss",)),
    Panel("Value loss", ("value_loss",), logarithmic=True),
    Panel("Entropy", ("entropy", "entropy_floor"), ("alpha", "floor_share")),
    Panel("Acceptance", ("acceptance", "swap_rate"), ("sigma",)),
    Panel("Best and mean of the chains", ("best", "mean")),
    Panel("Inverse temperature", ("beta",)),
)
RETURNS = (  # in the training log, and in the evaluations
    ("episode_return", "discounted_mean"),
    ("episode_return_undiscounted", "return_mean"),
)
CLOCKS = (
    ("env_step", metrics.of("env_steps").word),
    ("step", "steps"),
    ("update", "updates"),
    ("episode", "episodes"),
)
SCHEDULES = {"epsilon", "sigma", "beta"}  # set, not measured: an average would only round their corners
NOT_DRAWN = {"seed", "chain", "seconds", *(name for name, _ in CLOCKS), *(name for name, _ in RETURNS)}


def training_plots(
    folder: Path, references: Mapping[str, float] | None = None, title: str | None = None
) -> Path:
    """Write `training_figure` as ``training_plots.png`` in the run's folder.

    Args:
        folder, references, title: as there.

    Returns:
        The path of the picture.

    Raises:
        DamagedFile: a log is there but cannot be read.
        CannotWrite: the picture cannot be written.
    """
    return style.save(training_figure(folder, references, title), RunFolder(Path(folder)).plots)


def training_figure(
    folder: Path, references: Mapping[str, float] | None = None, title: str | None = None
) -> Figure:
    """Draw a run's log and evaluations as four panels: returns, then the three that suit the algorithm.

    Args:
        folder: the run folder; logs that are missing or empty leave their panel empty.
        references: scores to compare with, by name (``oracle``, ``random``), in the unit of
            ``episode_return``.
        title: shown above; by default the folder's name.

    Raises:
        DamagedFile: a log is there but cannot be read.
    """
    run = RunFolder(Path(folder))
    trained, evaluated = numbers(run.training_log), numbers(run.evaluation)
    clock = _clock(trained, evaluated)
    panels = _panels(trained)
    figure, axes = style.figure(2, 2, (12.0, 7.6))
    figure.suptitle(title or run.name, x=0.012, ha="left", fontsize=13, color=style.BLACK, parse_math=False)
    figure.text(0.988, 0.974, _legend(trained), ha="right", va="top", fontsize=style.SMALL, color=style.GREY)
    _draw_returns(axes[0], clock, trained, evaluated, references or {})
    for place, panel in zip(axes[1:], panels, strict=False):
        _draw_panel(place, clock, panel, trained)
    for place in axes[1 + len(panels) :]:
        place.set_axis_off()
    figure.tight_layout(rect=(0, 0, 1, 0.97), h_pad=2.2, w_pad=2.5)
    return figure


def returns_figure(folder: Path, references: Mapping[str, float] | None = None) -> Figure:
    """The first of the four panels alone: returns while training, evaluations, references.

    Args:
        folder, references: as in `training_figure`.

    Raises:
        DamagedFile: a log is there but cannot be read.
    """
    run = RunFolder(Path(folder))
    trained, evaluated = numbers(run.training_log), numbers(run.evaluation)
    figure, (axes,) = style.figure(1, 1, (7.0, 3.2))
    _draw_returns(axes, _clock(trained, evaluated), trained, evaluated, references or {})
    figure.tight_layout()
    return figure


def _clock(trained: Columns, evaluated: Columns) -> Clock:
    for name, word in CLOCKS:
        ends = [np.nanmax(columns[name]) for columns in (trained, evaluated) if drawable(columns, name)]
        if ends:
            return Clock(name, word, float(max(ends)))
    return Clock("", "rows", float(len(next(iter(trained.values()), ()))))


def _legend(trained: Columns) -> str:
    seeds = len(np.unique(trained.get("seed", np.zeros(0))))
    band = f"; band: range of {seeds} seeds" if seeds > 1 else ""
    return f"thick: moving average over {SHARE_AVERAGED:.0%} of the rows; faint: every row{band}"


def _panels(trained: Columns) -> list[Panel]:
    """The three panels beside the returns: those of the table, then single columns it does not know."""
    drawn = [name for name in trained if name not in NOT_DRAWN and drawable(trained, name)]
    panels = []
    for panel in PANELS:
        left = tuple(name for name in panel.left if name in drawn)
        right = tuple(name for name in panel.right if name in drawn)
        if left or right:  # a right axis alone becomes the left one
            panels.append(panel._replace(left=left or right, right=right if left else ()))
    in_panels = {name for panel in panels for name in (*panel.left, *panel.right)}
    others = [name for name in drawn if name not in in_panels]
    return [*panels, *(Panel(metrics.of(name).word.capitalize(), (name,)) for name in others)][:3]


def _draw_returns(
    axes: Axes, clock: Clock, trained: Columns, evaluated: Columns, references: Mapping[str, float]
) -> None:
    name, greedy = next(
        (r for r in RETURNS if drawable(trained, r[0]) or drawable(evaluated, r[1])), RETURNS[0]
    )
    style.heading(axes, "Return")
    axes.set_ylabel(f"{metrics.of(name).word} of an episode", fontsize=style.LABEL)
    _draw_column(axes, clock, trained, name, style.BLUE, "training")
    if seeds := by_seed(evaluated, greedy, clock.column):
        x, mean, low, high = over_seeds(seeds)
        spans = np.stack([mean - low, high - mean]) if len(seeds) > 1 else None
        axes.errorbar(
            x, mean, yerr=spans, color=style.RED, marker="o", markersize=4.5,
            linewidth=1.0, elinewidth=1.0, capsize=2, label="greedy evaluation", zorder=4,
        )  # fmt: skip
    if not axes.has_data():
        axes.text(0.5, 0.5, "nothing logged yet", transform=axes.transAxes, ha="center", color=style.GREY)
        axes.set(xticks=[], yticks=[])
        return
    style.reference_lines(axes, references)
    style.legend(axes)
    style.steps_axis(axes, clock.end, clock.word)


def _draw_panel(axes: Axes, clock: Clock, panel: Panel, trained: Columns) -> None:
    style.heading(axes, panel.title)
    colours = cycle(style.CYCLE)
    for name in panel.left:
        _draw_column(axes, clock, trained, name, next(colours), metrics.of(name).word)
    if panel.logarithmic and _spans_decades(trained, panel.left[0]):
        axes.set_yscale("log")
    axes.set_ylabel(_words(panel.left), fontsize=style.LABEL, parse_math=False)
    twins = []
    if panel.right:
        twin = style.right_axis(axes, style.CYCLE[0], style.CYCLE[len(panel.left)])
        for name in panel.right:
            _draw_column(twin, clock, trained, name, next(colours), metrics.of(name).word)
        twin.set_ylabel(_words(panel.right), fontsize=style.LABEL, parse_math=False)
        twins.append(twin)
    if max(len(panel.left), len(panel.right)) > 1:
        style.legend(axes, *twins)
    style.steps_axis(axes, clock.end, clock.word)


def _words(names: Sequence[str]) -> str:
    return ", ".join(metrics.of(name).word for name in names)


def _draw_column(axes: Axes, clock: Clock, columns: Columns, name: str, colour: str, label: str) -> None:
    """One column: every seed faintly, the mean over seeds of moving averages, and the seeds' range."""
    seeds = by_seed(columns, name, clock.column)
    if not seeds:
        return
    for x, y in seeds if len(seeds[0][0]) > 1 else ():
        every = -(-len(x) // MOST_POINTS)
        axes.plot(x[::every], y[::every], color=colour, alpha=0.25, linewidth=0.7, zorder=2)
    if name not in SCHEDULES:
        seeds = [(x, moving_average(y)) for x, y in seeds]
    x, mean, low, high = over_seeds(seeds)
    marker = "o" if len(x) == 1 else ""
    axes.plot(x, mean, color=colour, linewidth=1.8, marker=marker, markersize=4, label=label)
    if len(seeds) > 1:
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, zorder=1.8)


def _spans_decades(columns: Columns, name: str) -> bool:
    values = columns[name][np.isfinite(columns[name])]
    return bool(values.min() > 0 and np.log10(values.max() / values.min()) > DECADES)
