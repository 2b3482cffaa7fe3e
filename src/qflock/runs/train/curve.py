"""A line plot for the terminal: braille dots, axis numbers, bounded memory. `chart` is the large one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

POINTS = 1024  # more than a terminal can show; beyond it neighbours are merged


class Point(NamedTuple):
    """A value, and the lowest and highest of those that it is the mean of."""

    x: float
    y: float
    low: float
    high: float


class Curve:
    """Points of one curve, in the order of their x; memory stays bounded however many are added."""

    def __init__(self, unit: str = "steps") -> None:
        """``unit`` is what its x counts."""
        self._unit = unit
        self._points: list[Point] = []
        self._merged: list[Point] = []  # points that wait to be one
        self._each = 1

    def add(self, x: float, y: float, each: Sequence[float] = ()) -> None:
        """Add a point; one that is not finite is left out.

        Args:
            x: in the curve's unit; not below those before it.
            y: the value there.
            each: the values that ``y`` is the mean of, seed by seed, for a band around it.
        """
        if not (math.isfinite(x) and math.isfinite(y)):
            return
        finite = [value for value in each if math.isfinite(value)]
        self._merged.append(Point(x, y, min(finite, default=y), max(finite, default=y)))
        if len(self._merged) < self._each:
            return
        self._points.append(_mean(self._merged))
        self._merged = []
        if len(self._points) >= POINTS:
            self._points = [_mean(self._points[i : i + 2]) for i in range(0, POINTS, 2)]
            self._each *= 2

    def points(self) -> np.ndarray:
        """The points as they are drawn, ``(points, 4)``, with columns as `Point` has them."""
        return np.array([*self._points, *([_mean(self._merged)] if self._merged else [])]).reshape(-1, 4)

    def lines(self, width: int, height: int, *, ascii_only: bool = False) -> list[str]:
        """The plot as text: ``height`` rows with numbers at the top and bottom, then the x axis.

        Args:
            width: characters in a row, the axis numbers included.
            height: rows of the plot.
            ascii_only: stars in place of braille dots.

        Returns:
            ``height + 1`` lines; none before the first point or where there is no room.
        """
        points = self.points()[:, :2]
        if not len(points):
            return []
        low, high = float(points[:, 1].min()), float(points[:, 1].max())
        labels = y_labels(low, high, height)
        margin = max(len(label) for label in labels)
        columns = width - margin - 2
        if columns < 8 or height < 2:
            return []
        dots = dots_of_line(points, columns * 2, height * 4, low, high)
        rows = stars(dots) if ascii_only else braille(dots)
        tick, corner = ("|", "+") if ascii_only else ("┤", "└")
        plot = [f"{label:>{margin}} {tick}{row}" for label, row in zip(labels, rows, strict=True)]
        return [*plot, f"{'':>{margin}} {corner}{x_axis(points, columns, self._unit)}"]


def quantity(number: float) -> str:
    """A count in a few characters: ``950``, ``52.3k``, ``4.00M``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:#.3g}".rstrip(".") + letter
    return f"{number:.3g}"


def _mean(points: Sequence[Point]) -> Point:
    x, y, low, high = zip(*points, strict=True)
    return Point(sum(x) / len(points), sum(y) / len(points), min(low), max(high))


def y_labels(low: float, high: float, height: int) -> list[str]:
    """The numbers beside a plot's rows: at its ends, or in the middle where they are one.

    Args:
        low, high: values at the bottom and the top.
        height: rows.
    """
    labels = [""] * height
    if high == low:
        labels[height // 2] = f"{high:.3g}"
    elif max(abs(low), abs(high)) >= 1e4:
        labels[0], labels[-1] = quantity(high), quantity(low)
    else:  # as many decimals as tell the two ends apart
        span = high - low
        decimals = min(max(2 if span < 10 else 0, 1 - math.floor(math.log10(span))), 6)
        labels[0], labels[-1] = f"{high:.{decimals}f}", f"{low:.{decimals}f}"
    return labels


def x_axis(points: np.ndarray, columns: int, unit: str) -> str:
    """The numbers under a plot.

    Args:
        points: ``(points, 2 or more)``; their first column is x.
        columns: how wide the plot is.
        unit: of x.
    """
    left, right = quantity(points[0, 0]) if len(points) > 1 else "", f"{quantity(points[-1, 0])} {unit}"
    return left + right.rjust(columns - len(left)) if len(left) + len(right) < columns else left


def dots_of_line(points: np.ndarray, width: int, height: int, low: float, high: float) -> np.ndarray:
    """Which dots are set, ``(height, width)`` with row 0 at the top: one connected line.

    Args:
        points: ``(points, 2)``, x and y.
        width, height: in dots.
        low, high: values at the bottom and the top.
    """
    row = rows_of_line(points, width, height, low, high)
    # each column reaches half-way to its neighbours, so that steep lines stay connected and thin
    halves = (row[:-1] + row[1:]) // 2
    ends = np.stack([row, np.concatenate([row[:1], halves]), np.concatenate([halves, row[-1:]])])
    down = np.arange(height)[:, None]
    dots = np.zeros((height, width), bool)
    dots[:, : len(row)] = (down >= ends.min(0)) & (down <= ends.max(0))
    return dots


def rows_of_line(points: np.ndarray, width: int, height: int, low: float, high: float) -> np.ndarray:
    """The dot's row in each column that a line crosses, from the left; 0 is the top.

    Args:
        points, width, height, low, high: as `dots_of_line`.
    """
    x, y = points.T
    span = (x[-1] - x[0]) or 1.0
    across = np.clip(((x - x[0]) / span * (width - 1)).round().astype(int), 0, width - 1)
    count = np.bincount(across, minlength=width)
    mean = np.bincount(across, weights=y, minlength=width) / np.maximum(count, 1)
    filled = np.flatnonzero(count)
    line = np.interp(np.arange(filled[-1] + 1), filled, mean[filled])
    return row_of(line, height, low, high)


def row_of(value: np.ndarray, height: int, low: float, high: float) -> np.ndarray:
    """The row that a value lies in; 0 is the top.

    Args:
        value: one, or many.
        height: rows.
        low, high: values at the bottom and the top.
    """
    heights = (value - low) / (high - low) if high > low else np.full(np.shape(value), 0.5)
    return ((1 - np.clip(heights, 0, 1)) * (height - 1)).round().astype(int)


def braille(dots: np.ndarray) -> list[str]:
    """Rows of text, each character four dots high and two wide.

    Args:
        dots: ``(height, width)``, multiples of these.
    """
    height, width = dots.shape
    cells = dots.reshape(height // 4, 4, width // 2, 2)
    bits = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # Unicode's order of dots
    codes = 0x2800 + np.einsum("rych,yh->rc", cells, bits)
    return ["".join(map(chr, row)) for row in codes]


def stars(dots: np.ndarray) -> list[str]:
    """The same without Unicode: a star where a character has any dot.

    Args:
        dots: as `braille`.
    """
    height, width = dots.shape
    full = dots.reshape(height // 4, 4, width // 2, 2).any((1, 3))
    return ["".join(row) for row in np.where(full, "*", " ")]
