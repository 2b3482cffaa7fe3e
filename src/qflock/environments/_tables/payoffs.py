"""Payoff tables: the named ones, and tables that the user writes or keeps in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from qflock.core import texts
from qflock.core.errors import UserError, unknown

NAMED = {
    "qtran": [[8, -12, -12], [-12, 0, 0], [-12, 0, 0]],
    "climbing": [[11, -30, 0], [-30, 7, 0], [0, 6, 5]],
    "penalty": [[10, 0, None], [0, 2, 0], [None, 0, 10]],  # None is the penalty
    "xor": [[0, 1], [1, 0]],
}
SUFFIXES = (".json", ".yaml", ".yml", ".csv")
MOST_BYTES = 32 * 2**20
MOST_AGENTS, MOST_CELLS, LARGEST = 8, 1_000_000, 1e30  # (float32 ends at 3e38)
HINT = "give a name, a table like [[1, 0], [0, 1]], or a .json, .yaml or .csv file"


def is_name(payoff: str) -> bool:
    """Whether it names a table, rather than being one or a file of one."""
    return payoff in NAMED


def named(name: str, penalty: float) -> np.ndarray:
    """A table of `NAMED`, float32.

    Args:
        name: of `NAMED`.
        penalty: what the table leaves open, in the unit of rewards.
    """
    fill = lambda row: [penalty if cell is None else cell for cell in row]
    return np.array([fill(row) for row in NAMED[name]], np.float32)


def read(payoff: str) -> np.ndarray:
    """The table behind a text or a file's name, float32, one axis for each agent.

    Args:
        payoff: nested lists as JSON or YAML, or a file of them; a .csv file has a line for each action of
            the first of two agents.

    Raises:
        UserError: no table, no such file, uneven rows, a cell that is no finite number, or too large.
    """
    text = payoff.strip()
    if text[:1] in ("[", "-"):
        return _checked(_parsed(text, "payoff"), "payoff")
    path = Path(text)
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{unknown('payoff', text, NAMED)}; {HINT}")
    try:
        content = texts.read(path.expanduser(), MOST_BYTES, "utf-8-sig")
        table = _of_csv(content) if path.suffix.lower() == ".csv" else _parsed(content, text)
    except (OSError, ValueError, RuntimeError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise UserError(f"cannot read the payoff table {text}: {reason}") from problem
    return _checked(table, text)


def to_text(table: np.ndarray) -> str:
    """A table as JSON, which `read` turns back into the same numbers."""
    return json.dumps(table.astype(float).tolist())


def _parsed(text: str, where: str) -> Any:
    try:
        return texts.from_json(text)
    except ValueError:
        pass
    try:
        return texts.from_yaml(text)
    except ValueError as problem:
        raise UserError(f"{where} can be read neither as JSON nor as YAML ({problem}); {HINT}") from problem


def _of_csv(text: str) -> list[list[Any]]:
    """Rows of numbers; what is no number stays text and is refused with its place."""
    rows = []
    for line in texts.from_csv(text):
        cells: list[Any] = []
        for cell in line:
            try:
                cells.append(float(cell))
            except ValueError:
                cells.append(cell.strip())
        if any(cell != "" for cell in cells):
            rows.append(cells)
    return rows


def _checked(table: Any, where: str) -> np.ndarray:
    shape = _shape(table, where, "")
    if not 2 <= len(shape) <= MOST_AGENTS:
        raise UserError(
            f"{where} is nested {len(shape)} deep; one list inside another for each agent, "
            f"for 2 to {MOST_AGENTS} agents: [[1, 0], [0, 1]] is for two"
        )
    if np.prod([float(n) for n in shape]) > MOST_CELLS:
        raise UserError(f"{where} has more than {MOST_CELLS:,} cells")
    return np.array(table, np.float32)


def _shape(table: Any, where: str, place: str) -> tuple[int, ...]:
    """The lengths along each axis, the same everywhere; () for a number."""
    if isinstance(table, list) and place.count("[") <= MOST_AGENTS:
        if not table:
            raise UserError(f"{where}{place} is an empty list; every agent needs an action")
        shapes = [_shape(inner, where, f"{place}[{i}]") for i, inner in enumerate(table)]
        for i, shape in enumerate(shapes):
            if shape != shapes[0]:
                sizes = f"entry {i} is {_size(shape)}, entry 0 is {_size(shapes[0])}"
                raise UserError(f"{where}{place} is uneven: {sizes}")
        return (len(table), *shapes[0])
    if isinstance(table, (int, float)) and not isinstance(table, bool) and abs(table) < LARGEST:
        return ()
    raise UserError(f"{where}{place} is {table!r}; every cell must be a finite number")


def _size(shape: tuple[int, ...]) -> str:
    return f"a list of {' x '.join(map(str, shape))}" if shape else "a number"
