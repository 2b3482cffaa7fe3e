"""The curve in a large window: the mean as a line, seeds as a band around it, references as lines across."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

import numpy as np
from rich.text import Text

from qflock.runs.train import curve

LINE, BAND, REFERENCES, AXIS = "cyan", "blue", ("green", "yellow"), "dim"
LEAST_WIDTH, LEAST_HEIGHT = 100, 30
"""A window is large from here on."""
REST = 14
"""Rows of a large window that are left to what stands above the chart."""
WIDEST, HIGHEST = 140, 20


def size(columns: int, rows: int) -> tuple[int, int] | None:
    """The chart's width and height in a window of so many columns and rows; None in a small one.

    Args:
        columns, rows: of the window.
    """
    if columns < LEAST_WIDTH or rows < LEAST_HEIGHT:
        return None
    return min(columns - 1, WIDEST), min(rows - REST, HIGHEST)


def draw(
    points: np.ndarray,
    references: Mapping[str, float],
    width: int,
    height: int,
    *,
    unit: str = "steps",
    seeds: int = 1,
    ascii_only: bool = False,
) -> Text:
    """The chart; empty before the first point.

    Args:
        points: ``(points, 4)``, as `Curve.points` gives them.
        references: scores of other policies, a line across for each.
        width, height: in characters, without the line that says what is what.
        unit: of x.
        seeds: how many the line is the mean of.
        ascii_only: no braille dots.
    """
    if not len(points):
        return Text()
    every = [points[:, 2].min(), points[:, 3].max(), *references.values()]
    low, high = float(min(every)), float(max(every))
    at: dict[int, list[str]] = {}
    for name, value in references.items():
        at.setdefault(int(curve.row_of(np.array(value), height, low, high)), []).append(name)
    names = {row: ", ".join(f"{name} {references[name]:.3g}" for name in some) for row, some in at.items()}
    labels = curve.y_labels(low, high, height)
    left, right = max(map(len, labels)), max(map(len, names.values()), default=-1) + 1
    columns = width - left - right - 2
    line = curve.dots_of_line(points[:, :2], 2 * columns, 4 * height, low, high)
    band = _band(points, 2 * columns, 4 * height, low, high) & (seeds > 1)
    tick, corner, across = ("|", "+", "-") if ascii_only else ("┤", "└", "─")
    glyphs = curve.stars if ascii_only else curve.braille
    colours = dict(zip(references, REFERENCES, strict=False))
    picture = Text()
    for row, (drawn, shaded) in enumerate(zip(glyphs(line), glyphs(band), strict=True)):
        reference = colours[at[row][0]] if row in at else None
        cells = [_cell(*both, reference, across) for both in zip(drawn, shaded, strict=True)]
        picture.append(f"{labels[row]:>{left}} {tick}", AXIS)
        for style, some in groupby(cells, key=lambda cell: cell[1]):
            picture.append("".join(glyph for glyph, _ in some), style)
        picture.append(f" {names[row]}\n" if row in names else "\n", reference or "")
    picture.append(f"{'':>{left}} {corner}{curve.x_axis(points, columns, unit)}", AXIS)
    if seeds > 1:
        picture.append(f"\n{'':>{left}}  line: mean of {seeds} seeds   ", LINE)
        picture.append("band: the lowest to the highest", BAND)
    return picture


def _cell(line: str, band: str, reference: str | None, across: str) -> tuple[str, str]:
    """A character and its colour: the line lies over a reference, and that over the band."""
    if line not in EMPTY:
        return line, LINE
    if reference is not None:
        return across, reference
    return (":" if band == "*" else band, BAND) if band not in EMPTY else (" ", "")


EMPTY = (" ", "\u2800")


def _band(points: np.ndarray, width: int, height: int, low: float, high: float) -> np.ndarray:
    """Which dots lie between the lowest and the highest, every second one of them."""
    top, bottom = (curve.rows_of_line(points[:, [0, column]], width, height, low, high) for column in (3, 2))
    down = np.arange(height)[:, None]
    dots = np.zeros((height, width), bool)
    dots[:, : len(top)] = (down >= top) & (down <= bottom)
    return dots & ((down + np.arange(width)) % 2 == 0)
