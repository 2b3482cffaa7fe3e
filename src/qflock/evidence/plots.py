"""training_plots.png: four panels out of what a run has logged, whatever it was that it logged."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from qflock.evidence import style
from qflock.runs import log
from qflock.runs.folder import RunFolder

Columns = dict[str, np.ndarray]
MOST_POINTS = 2000  # of a curve; more cannot be seen and would cost time
MOST = 1e100  # larger numbers count as missing: axes cannot be laid out for them
SHARE_AVERAGED = 0.05  # of all rows, in a moving average
DECADES = 2.0  # spanned by a positive column before it gets a logarithmic axis


class Panel(NamedTuple):
    """What may be drawn together.

    Attributes:
        title: heading of the panel.
        left: columns on the left axis, with the names they are shown under.
        right: the same for a second axis.
        logarithmic: whether a wide positive range is drawn on a logarithmic axis.
    """

    title: str
    left: tuple[tuple[str, str], ...]
    right: tuple[tuple[str, str], ...] = ()
    logarithmic: bool = False


class Clock(NamedTuple):
    """The column that runs along the x axis, what it counts, and how far it goes."""

    column: str
    word: str
    end: float


# In order of precedence; the first three of which the log has a column follow the panel of returns.
# A family of algorithms adds its own here.
PANELS = (
    Panel("Loss", (("loss", "loss"),), logarithmic=True),
    Panel("Q-values", (("q_value", "mean Q-value"),)),
    Panel("Exploration and TD error", (("epsilon", "epsilon"),), (("td_error", "TD error"),)),
    Panel("Policy loss", (("policy_loss", "policy loss"),)),
    Panel("Value loss", (("value_loss", "value loss"),), logarithmic=True),
    Panel("Policy entropy", (("entropy", "entropy"),)),
    Panel("Acceptance", (("acceptance", "acceptance rate"), ("swap_rate", "swap rate")), (("sigma", "sigma"),)),
    Panel("Best and mean of the chains", (("best", "best"), ("mean", "mean"))),
    Panel("Inverse temperature", (("beta", "beta"),)),
)  # fmt: skip
RETURNS = (  # in the training log, in the evaluations, and the word for both
    ("episode_return", "discounted_mean", "discounted"),
    ("episode_return_undiscounted", "return_mean", "undiscounted"),
)
CLOCKS = (
    ("env_step", "environment steps"),
    ("step", "steps"),
    ("update", "updates"),
    ("episode", "episodes"),
)
SCHEDULES = {"epsilon", "sigma", "beta"}  # set, not measured: an average would only round their corners
NOT_DRAWN = {"seed", "chain", "seconds", *(name for name, _ in CLOCKS), *(name for name, _, _ in RETURNS)}


def training_plots(
    folder: Path, references: Mapping[str, float] | None = None, title: str | None = None
) -> Path:
    """Draw a run's log and evaluations as four panels: returns, then the three that suit the algorithm.

    Args:
        folder: the run folder; logs that are missing or empty leave their panel empty.
        references: scores to compare with, by name (``oracle``, ``random``), in the unit of
            ``episode_return``.
        title: shown above; by default the folder's name.

    Returns:
        The path of ``training_plots.png``.

    Raises:
        DamagedFile: a log is there but cannot be read.
        CannotWrite: the picture cannot be written.
    """
    run = RunFolder(Path(folder))
    trained, evaluated = _numbers(run.training_log), _numbers(run.evaluation)
    clock = _clock(trained, evaluated)
    panels = _panels(trained)
    made, axes = style.figure(2, 2, (12.0, 7.6))
    made.suptitle(title or run.name, x=0.012, ha="left", fontsize=13, color=style.BLACK, parse_math=False)
    made.text(0.988, 0.974, _legend(trained), ha="right", va="top", fontsize=style.SMALL, color=style.GREY)
    _draw_returns(axes[0], clock, trained, evaluated, references or {})
    for place, panel in zip(axes[1:], panels, strict=False):
        _draw_panel(place, clock, panel, trained)
    for place in axes[1 + len(panels) :]:
        place.set_axis_off()
    made.tight_layout(rect=(0, 0, 1, 0.97), h_pad=2.2, w_pad=2.5)
    return style.save(made, run.plots)


def _numbers(path: Path) -> Columns:
    """The numeric columns of a log; what is too large to draw counts as not there."""
    columns = log.read(path) if path.is_file() else {}
    return {
        name: np.where(np.abs(column) < MOST, column, np.nan)
        for name, column in columns.items()
        if column.dtype.kind == "f"
    }


def _clock(trained: Columns, evaluated: Columns) -> Clock:
    for name, word in CLOCKS:
        ends = [np.nanmax(columns[name]) for columns in (trained, evaluated) if _drawable(columns, name)]
        if ends:
            return Clock(name, word, float(max(ends)))
    return Clock("", "rows", float(len(next(iter(trained.values()), ()))))


def _legend(trained: Columns) -> str:
    seeds = len(np.unique(trained.get("seed", np.zeros(1))))
    band = f"; band: range of {seeds} seeds" if seeds > 1 else ""
    return f"thick: moving average over {SHARE_AVERAGED:.0%} of the rows; faint: every row{band}"


def _panels(trained: Columns) -> list[Panel]:
    """The three panels beside the returns: those of the table, then single columns it does not know."""
    drawable = [name for name in trained if name not in NOT_DRAWN and _drawable(trained, name)]
    chosen = []
    for panel in PANELS:
        left = tuple(part for part in panel.left if part[0] in drawable)
        right = tuple(part for part in panel.right if part[0] in drawable)
        if left or right:  # a right axis alone becomes the left one
            chosen.append(panel._replace(left=left or right, right=right if left else ()))
    shown = {name for panel in chosen for name, _ in (*panel.left, *panel.right)}
    words = {name: name.replace("_", " ") for name in drawable if name not in shown}
    return [*chosen, *(Panel(word.capitalize(), ((name, word),)) for name, word in words.items())][:3]


def _draw_returns(
    axes: Axes, clock: Clock, trained: Columns, evaluated: Columns, references: Mapping[str, float]
) -> None:
    name, greedy, word = next(
        (r for r in RETURNS if _drawable(trained, r[0]) or _drawable(evaluated, r[1])), RETURNS[0]
    )
    style.heading(axes, "Return")
    axes.set_ylabel(f"{word} return of an episode", fontsize=style.LABEL)
    if _drawable(trained, name):
        _draw_column(axes, clock, trained, name, style.BLUE, "training")
    if _drawable(evaluated, greedy):
        x, rows = _by_seed(evaluated, greedy, clock)
        mean, low, high = _mean_and_range(rows)
        spans = np.stack([mean - low, high - mean])
        axes.errorbar(
            x, mean, yerr=spans if len(rows) > 1 else None, color=style.RED, marker="o", markersize=4.5,
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
    colours = iter(style.CYCLE)
    for name, label in panel.left:
        _draw_column(axes, clock, trained, name, next(colours), label)
    if panel.logarithmic and _spans_decades(trained, panel.left[0][0]):
        axes.set_yscale("log")
    axes.set_ylabel(", ".join(label for _, label in panel.left), fontsize=style.LABEL, parse_math=False)
    if panel.right:
        twin = style.right_axis(axes, style.CYCLE[0], style.CYCLE[len(panel.left)])
        for name, label in panel.right:
            _draw_column(twin, clock, trained, name, next(colours), label)
        twin.set_ylabel(", ".join(label for _, label in panel.right), fontsize=style.LABEL, parse_math=False)
    if len(panel.left) > 1:
        style.legend(axes)
    style.steps_axis(axes, clock.end, clock.word)


def _draw_column(axes: Axes, clock: Clock, columns: Columns, name: str, colour: str, label: str) -> None:
    """One column: every seed faintly, the mean over seeds of moving averages, and the seeds' range."""
    x, rows = _by_seed(columns, name, clock)
    smooth = rows if name in SCHEDULES else np.stack([_moving_average(row) for row in rows])
    every = -(-len(x) // MOST_POINTS)
    for row in rows if len(x) > 1 else ():
        known = np.flatnonzero(np.isfinite(row))[::every]
        axes.plot(x[known], row[known], color=colour, alpha=0.25, linewidth=0.7, zorder=2)
    x, (mean, low, high) = x[::every], _mean_and_range(smooth[:, ::every])
    marker = "o" if np.isfinite(mean).sum() == 1 else ""
    axes.plot(x, mean, color=colour, linewidth=1.8, marker=marker, markersize=4, label=label)
    if len(rows) > 1:
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, zorder=1.8)


def _by_seed(columns: Columns, name: str, clock: Clock) -> tuple[np.ndarray, np.ndarray]:
    """Common times ``(T,)`` and a column's values ``(seeds, T)``, NaN where a seed has no row."""
    values = columns[name]
    time = columns[clock.column] if _drawable(columns, clock.column) else np.arange(1.0, len(values) + 1)
    known = np.isfinite(time)
    x, column = np.unique(time[known], return_inverse=True)
    seeds, row = np.unique(columns.get("seed", np.zeros(len(values)))[known], return_inverse=True)
    rows = np.full((len(seeds), len(x)), np.nan)
    rows[row, column] = values[known]
    return x, rows


def _mean_and_range(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a time at which no seed has a value
        return np.nanmean(rows, 0), np.nanmin(rows, 0), np.nanmax(rows, 0)


def _moving_average(values: np.ndarray) -> np.ndarray:
    """Mean over the rows around each, NaN left out; the window is cut at both ends, gaps are bridged."""
    known = np.isfinite(values)
    if not known.any():
        return values
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    index = np.arange(len(values))
    reach = round(SHARE_AVERAGED * len(values) / 2)
    first, last = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    filled = np.flatnonzero(count[last] > count[first])
    mean = (total[last] - total[first])[filled] / (count[last] - count[first])[filled]
    return np.interp(index, filled, mean, left=np.nan, right=np.nan)


def _spans_decades(columns: Columns, name: str) -> bool:
    values = columns[name][np.isfinite(columns[name])]
    return bool(values.min() > 0 and np.log10(values.max() / values.min()) > DECADES)


def _drawable(columns: Columns, name: str) -> bool:
    return name in columns and bool(np.isfinite(columns[name]).any())
