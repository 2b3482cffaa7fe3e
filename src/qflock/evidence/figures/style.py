"""How every figure of the library looks. Nothing global is touched: figures and axes are made here."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from qflock.core.printing import printable
from qflock.evidence import metrics
from qflock.files.storage import replacing

# Okabe and Ito's colours, told apart by colour-blind readers and in print
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#222222"
CYCLE = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
GREY, PALE = "#666666", "#DDDDDD"

TITLE, LABEL, SMALL = 11.5, 9.5, 8.5  # points
DOTS_PER_INCH = 150


class Shown(Figure):
    """A figure that a notebook shows, also where ``matplotlib.pyplot`` was never imported."""

    def _repr_png_(self) -> bytes:
        return png(self)


def figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """An empty figure and its axes in reading order.

    Args:
        rows, columns: of the grid of axes.
        size: width and height in inches.
    """
    empty = Shown(figsize=size, dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(empty)
    axes = [dress(empty.add_subplot(rows, columns, i + 1)) for i in range(rows * columns)]
    return empty, axes


def right_axis(axes: Axes, left_colour: str, right_colour: str) -> Axes:
    """A second y axis; the numbers of both take the colours of their curves.

    Args:
        axes: that get it.
        left_colour, right_colour: of the curves on each.
    """
    twin = dress(axes.twinx())
    twin.grid(False)
    twin.spines["right"].set(visible=True, linewidth=0.7, color=GREY)
    for side, colour in ((axes, left_colour), (twin, right_colour)):
        side.yaxis.label.set_color(colour)
        side.tick_params(axis="y", labelcolor=colour)
    return twin


def dress(axes: Axes) -> Axes:
    """Give axes the house's look: two thin spines, a pale grid, small numbers."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.7)
        axes.spines[side].set_color(GREY)
    axes.tick_params(labelsize=SMALL, width=0.7, length=3, color=GREY, labelcolor=BLACK)
    axes.grid(True, axis="y", color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def heading(axes: Axes, text: str) -> None:
    """A panel's title, at its left. The text is shown as it is, never as a formula.

    Args:
        axes: of the panel.
        text: the title.
    """
    title = axes.set_title(text, loc="left", fontsize=TITLE, fontweight="bold", color=BLACK, pad=9)
    title.set_parse_math(False)


def steps_axis(axes: Axes, largest: float, what: str = metrics.of("env_steps").word) -> None:
    """An x axis from 0 to ``largest``, in thousands or millions as reads well.

    Args:
        axes: whose x axis it is.
        largest: number of steps at its end.
        what: is counted.
    """
    size, word = next(
        ((s, w) for s, w in ((1e9, "billion "), (1e6, "million "), (1e4, "thousand ")) if largest >= s),
        (1, ""),
    )
    size = 1e3 if size == 1e4 else size
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / size:g}"))
    if largest > 0:
        axes.set_xlim(-0.02 * largest, 1.02 * largest)
    axes.set_xlabel(f"{word}{what}", fontsize=LABEL, color=BLACK)


def legend(axes: Axes, *twins: Axes) -> None:
    """A legend on the title's line, of all curves, where it hides none; nothing where nothing is labelled.

    Args:
        axes: the axes with the title.
        twins: further axes over the same panel.
    """
    handles, labels = axes.get_legend_handles_labels()
    for twin in twins:
        more, names = twin.get_legend_handles_labels()
        handles, labels = [*handles, *more], [*labels, *names]
    if handles:
        axes.legend(
            handles, labels, loc="lower right", bbox_to_anchor=(1.02, 1.01),
            ncols=len(handles) if len(handles) < 4 else 2,
            frameon=False, fontsize=SMALL, handlelength=1.4, handletextpad=0.5, columnspacing=1.3,
            borderaxespad=0.3,
        )  # fmt: skip


def reference_lines(axes: Axes, references: Mapping[str, float]) -> None:
    """Dashed horizontal lines with their names and values outside the right edge, none on another.

    Call it when the axes' limits are final but for these lines; it widens them to hold the lines.

    Args:
        axes: to draw in.
        references: heights of the lines by name; what is not finite is left out.
    """
    heights = {name: float(value) for name, value in references.items() if math.isfinite(value)}
    if not heights:
        return
    low, high = axes.get_ylim()
    values = np.array(sorted(heights.values()))
    low, high = min(low, values[0]), max(high, values[-1])
    pad = 0.04 * (high - low or 1.0)
    axes.set_ylim(min(axes.get_ylim()[0], values[0] - pad), max(axes.get_ylim()[1], values[-1] + pad))
    names = sorted(heights, key=lambda name: heights[name])
    bottom, top = axes.get_ylim()
    places = spread([(heights[name] - bottom) / (top - bottom) for name in names], gap=0.075)
    for name, place in zip(names, places, strict=True):
        axes.axhline(heights[name], color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
        axes.annotate(
            f"{name}  {heights[name]:.3g}", (1.0, heights[name]), xycoords=("axes fraction", "data"),
            xytext=(1.03, place), textcoords="axes fraction", fontsize=SMALL, color=GREY, va="center",
            parse_math=False,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 0},
        )  # fmt: skip


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Move sorted places apart until neighbours are ``gap`` from each other, and no further than needed.

    Args:
        places: in increasing order.
        gap: between neighbours, in the places' unit.
    """
    groups: list[tuple[float, int]] = []  # middle and size of each cluster
    for place in places:
        groups.append((place, 1))
        while len(groups) > 1:
            (below, n), (above, m) = groups[-2:]
            if above - below >= gap * (n + m) / 2:
                break
            groups[-2:] = [((below * n + above * m) / (n + m), n + m)]
    return [middle + gap * (i - (size - 1) / 2) for middle, size in groups for i in range(size)]


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all; names in it turn no text around.

    Args:
        figure: the figure.
        path: the file.

    Raises:
        CannotWrite: the disk is full or the folder cannot be written.
    """
    with replacing(path) as temporary:
        _render(figure, temporary)
    return path


def png(figure: Figure) -> bytes:
    """A figure as `save` would write it."""
    content = io.BytesIO()
    _render(figure, content)
    return content.getvalue()


def _render(figure: Figure, where: Path | IO[bytes]) -> None:
    for text in figure.findobj(Text):
        text.set_text(printable(text.get_text()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands for it
        figure.savefig(where, dpi=DOTS_PER_INCH, format="png")
