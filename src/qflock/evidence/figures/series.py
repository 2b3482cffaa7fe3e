"""Columns of a run's logs as curves: by seed, averaged, over seeds, with the points that a picture shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from qflock.files import csv_log

Columns = dict[str, np.ndarray]
MOST_POINTS = 2000  # of a curve; more cannot be seen and would cost time
ON_A_PAGE = 400  # of these
DIGITS = 5
MOST = 1e100  # larger numbers count as missing, and smaller ones than its inverse as 0: no axis shows them
SHARE_AVERAGED = 0.05  # of all rows, in a moving average


def numbers(path: Path, most: int = csv_log.MOST) -> Columns:
    """The numeric columns of a log, within what can be drawn; none where there is no log.

    Args:
        path: the log.
        most: bytes that it may have.

    Raises:
        DamagedFile: it cannot be understood, or is larger.
    """
    columns = csv_log.read(path, most) if path.is_file() else {}
    found = {name: column for name, column in columns.items() if column.dtype.kind == "f"}
    for column in found.values():
        column[np.abs(column) > MOST] = np.nan
        column[np.abs(column) < 1 / MOST] = 0.0
    return found


def drawable(columns: Columns, name: str) -> bool:
    """Whether there is a number in a column.

    Args:
        columns: of a log.
        name: of the column.
    """
    return name in columns and bool(np.isfinite(columns[name]).any())


def by_seed(columns: Columns, name: str, clock: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Times and values of each seed that has any; seeds need not have rows at the same times.

    Args:
        columns: of a log.
        name: of the column with the values.
        clock: of the column with the times; the rows count where there is none.
    """
    if not drawable(columns, name):
        return []
    y = columns[name]
    x = columns[clock] if drawable(columns, clock) else np.arange(1.0, len(y) + 1)
    seed = columns.get("seed", np.zeros(len(y)))
    finite = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x, kind="stable")
    parts = [order[(finite & (seed == one))[order]] for one in np.unique(seed)]
    return [(x[part], y[part]) for part in parts if len(part)]


def over_seeds(seeds: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """Common times, and mean, least and largest over seeds there, each seed joined up by straight lines."""
    common = np.unique(np.concatenate([x for x, _ in seeds]))
    start, end = max(x[0] for x, _ in seeds), min(x[-1] for x, _ in seeds)
    shared = common[(common >= start) & (common <= end)]
    x = shared if len(shared) else common
    x = x[:: -(-len(x) // MOST_POINTS)]
    values = np.stack([np.interp(x, *seed) for seed in seeds])
    return x, values.mean(0), values.min(0), values.max(0)


def moving_average(values: np.ndarray) -> np.ndarray:
    """Mean over the rows around each; the window is cut at both ends."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    reach = round(SHARE_AVERAGED * len(values) / 2)
    first, last = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    return (total[last] - total[first]) / (last - first)


def thinned(length: int) -> Any:
    """Places of at most `ON_A_PAGE` points, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, min(length, ON_A_PAGE)).round().astype(int))


def plain(values: Any) -> Any:
    """Numbers with the digits that are shown; None for what is not finite."""
    if np.ndim(values):
        return [plain(value) for value in np.asarray(values).tolist()]
    return float(f"{float(values):.{DIGITS}g}") if np.isfinite(float(values)) else None
