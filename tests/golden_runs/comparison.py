"""What a golden run leaves, as it is recorded, and where another run differs from it.

Weights are read without asking how their tree is built or named, logs by the names of their columns. So code
may be renamed and moved; what it computes may not change.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parent / "recorded"
RENAMED: dict[str, str] = {}
"""Columns of logs and entries of the summary that have another name today: the old name, the new one."""
NOT_COMPARED = ("run", "seconds", "seconds_per_seed", "logs", "sha256", "memory")
"""Wall-clock times, names of folders, and checksums of what is compared itself."""
TOLERANCE = 1e-5
"""Relative and absolute, where bits may differ."""
LOGS = ("training_log.csv", "evaluation.csv")


class Run(NamedTuple):
    """Attributes:
    weights: the policy's and all that was trained, of all seeds; the names are hints.
    tables: of each log, cells of each column as they are written.
    summary: numbers and texts by their path, ``over_seeds.return_mean``.
    """

    weights: dict[str, np.ndarray]
    tables: dict[str, dict[str, list[str]]]
    summary: dict[str, Any]


def read(folder: Path) -> Run:
    """What a finished run left."""
    tables = {}
    for name in LOGS:
        with (folder / name).open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        tables[name] = {column: [row[i] for row in rows] for i, column in enumerate(head)}
    text = (folder / "summary.json").read_text(encoding="utf-8")
    summary = json.loads(text.replace(f'"{ROOT}/', '"'))  # an environment's file, wherever the checkout lies
    kept = dict(_flat({name: value for name, value in summary.items() if name not in NOT_COMPARED}))
    return Run(load_file(folder / "models" / "final_model.safetensors"), tables, kept)


def recorded(name: str) -> tuple[Run, dict[str, str]]:
    """A record, and the fingerprint of where it was made."""
    told = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    weights = load_file(RECORDED / f"{name}.safetensors")
    return Run(weights, told["tables"], told["summary"]), told["fingerprint"]


def write(name: str, run: Run, fingerprint: Mapping[str, str]) -> None:
    """Keep a run as the record of a case."""
    RECORDED.mkdir(exist_ok=True)
    save_file(run.weights, RECORDED / f"{name}.safetensors")
    told = {"fingerprint": fingerprint, "tables": run.tables, "summary": run.summary}
    (RECORDED / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def differences(old: Run, new: Run, exact: bool) -> list[str]:
    """A line for each leaf, column and entry of a record that another run does not repeat.

    Args:
        exact: hold it to the same bits and the same text; else to TOLERANCE, and whole numbers exactly.
    """
    found = list(_of_weights(old.weights, new.weights, exact))
    for log, columns in old.tables.items():
        for name, cells in columns.items():
            others = new.tables[log].get(RENAMED.get(name, name))
            if others is None:
                found.append(f"{log} has no column {name}")
            elif len(others) != len(cells):
                found.append(f"{log} has {len(others)} rows, not {len(cells)}")
            else:
                pairs = enumerate(zip(cells, others, strict=True), 1)
                found += [
                    f"{log}, row {row}, {name}: {b} instead of {a}"
                    for row, (a, b) in pairs
                    if not same(a, b, exact)
                ]
    for name, value in old.summary.items():
        other = new.summary.get(RENAMED.get(name, name), "nothing")
        if not same(str(value), str(other), exact):
            found.append(f"summary, {name}: {other} instead of {value}")
    return found


def same(old: str, new: str, exact: bool) -> bool:
    """Whether two cells say the same; whole numbers always to the last digit."""
    if exact or old == new or re.fullmatch(r"-?\d+", old):
        return old == new
    try:
        return bool(np.isclose(float(old), float(new), TOLERANCE, TOLERANCE, equal_nan=True))
    except ValueError:  # words, or an empty cell
        return False


def _of_weights(old: Mapping[str, np.ndarray], new: Mapping[str, np.ndarray], exact: bool) -> Iterator[str]:
    count = lambda leaves: sorted((x.dtype.name, x.shape) for x in leaves.values())
    if count(old) != count(new):
        yield f"weights are {count(new)} instead of {count(old)}"
        return
    for name, a, b in _pairs(old, new):
        if a.tobytes() == b.tobytes():
            continue
        apart = np.abs(a.astype(np.float64) - b)
        if exact or not (apart <= TOLERANCE * (1 + np.abs(a))).all():
            yield f"weights, {name} {list(a.shape)}: up to {apart.max():.2g} away"


def _pairs(
    old: Mapping[str, np.ndarray], new: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Leaves that belong together: by name, or where names have changed, the nearest of the same shape."""
    if old.keys() == new.keys():
        yield from ((name, old[name], new[name]) for name in old)
        return
    left = list(new.values())
    for name, a in old.items():
        fitting = [i for i, b in enumerate(left) if (b.dtype, b.shape) == (a.dtype, a.shape)]
        apart = [np.abs(a.astype(np.float64) - left[i]).max(initial=0.0) for i in fitting]
        yield name, a, left.pop(fitting[int(np.argmin(apart))])


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, part in items:
            yield from _flat(part, f"{path}.{name}" if path else str(name))
    else:
        yield path, value
