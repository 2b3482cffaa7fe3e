"""A line plot for the terminal: braille dots, axis numbers, bounded memory."""

from __future__ import annotations

import math

import numpy as np

POINTS = 1024  # more than a terminal can show; beyond it neighbours are merged


class Curve:
    """Points of one curve, in the order of their x; memory stays bounded however many are added."""

    def __init__(self, unit: str = "steps") -> None:
        """``unit`` is what its x counts."""
        self._unit = unit
        self._points: list[tuple[float, float]] = []
        self._merged: list[tuple[float, float]] = []  # points that wait to be one
        self._each = 1

    def add(self, x: float, y: float) -> None:
        """Add a point; one that is not finite is left out.

        Args:
            x: in the curve's unit; not below those before it.
            y: the value there.
        """
        if not (math.isfinite(x) and math.isfinite(y)):
            return
        self._merged.append((x, y))
        if len(self._merged) < self._each:
            return
        self._points.append(_mean(self._merged))
        self._merged = []
        if len(self._points) >= POINTS:
            self._points = [_mean(self._points[i : i + 2]) for i in range(0, POINTS, 2)]
            self._each *= 2

    @property
    def points(self) -> list[tuple[float, float]]:
        """The points, in their order; those that are too many are merged with their neighbours."""
        return [*self._points, *([_mean(self._merged)] if self._merged else [])]

    def lines(self, width: int, height: int, *, ascii_only: bool = False) -> list[str]:
        """The plot as text: ``height`` rows with numbers at the top and bottom, then the x axis.

        Args:
            width: characters in a row, the axis numbers included.
            height: rows of the plot.
            ascii_only: stars in place of braille dots.

        Returns:
            ``height + 1`` lines; none before the first point or where there is no room.
        """
        points = np.array(self.points)
        if not len(points):
            return []
        low, high = float(points[:, 1].min()), float(points[:, 1].max())
        labels = _y_labels(low, high, height)
        margin = max(len(label) for label in labels)
        columns = width - margin - 2
        if columns < 8 or height < 2:
            return []
        dots = _dots(points, columns * 2, height * 4, low, high)
        rows = _stars(dots) if ascii_only else _braille(dots)
        tick, corner = ("|", "+") if ascii_only else ("┤", "└")
        plot = [f"{label:>{margin}} {tick}{row}" for label, row in zip(labels, rows, strict=True)]
        return [*plot, f"{'':>{margin}} {corner}{_x_axis(points, columns, self._unit)}"]


def quantity(number: float) -> str:
    """A count in a few characters: ``950``, ``52.3k``, ``4.00M``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:#.3g}".rstrip(".") + letter
    return f"{number:.3g}"


def _mean(points: list[tuple[float, float]]) -> tuple[float, float]:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _y_labels(low: float, high: float, height: int) -> list[str]:
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


def _x_axis(points: np.ndarray, columns: int, unit: str) -> str:
    left, right = quantity(points[0, 0]) if len(points) > 1 else "", f"{quantity(points[-1, 0])} {unit}"
    return left + right.rjust(columns - len(left)) if len(left) + len(right) < columns else left


def _dots(points: np.ndarray, width: int, height: int, low: float, high: float) -> np.ndarray:
    """Which dots are set, ``(height, width)`` with row 0 at the top: one connected line."""
    x, y = points.T
    span = (x[-1] - x[0]) or 1.0
    across = np.clip(((x - x[0]) / span * (width - 1)).round().astype(int), 0, width - 1)
    count = np.bincount(across, minlength=width)
    mean = np.bincount(across, weights=y, minlength=width) / np.maximum(count, 1)
    filled = np.flatnonzero(count)
    line = np.interp(np.arange(filled[-1] + 1), filled, mean[filled])
    heights = (line - low) / (high - low) if high > low else np.full(len(line), 0.5)
    row = ((1 - np.clip(heights, 0, 1)) * (height - 1)).round().astype(int)
    # each column reaches half-way to its neighbours, so that steep lines stay connected and thin
    halves = (row[:-1] + row[1:]) // 2
    ends = np.stack([row, np.concatenate([row[:1], halves]), np.concatenate([halves, row[-1:]])])
    down = np.arange(height)[:, None]
    dots = np.zeros((height, width), bool)
    dots[:, : len(row)] = (down >= ends.min(0)) & (down <= ends.max(0))
    return dots


def _braille(dots: np.ndarray) -> list[str]:
    height, width = dots.shape
    cells = dots.reshape(height // 4, 4, width // 2, 2)
    bits = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # Unicode's order of dots
    codes = 0x2800 + np.einsum("rych,yh->rc", cells, bits)
    return ["".join(map(chr, row)) for row in codes]


def _stars(dots: np.ndarray) -> list[str]:
    height, width = dots.shape
    full = dots.reshape(height // 4, 4, width // 2, 2).any((1, 3))
    return ["".join(row) for row in np.where(full, "*", " ")]
