"""``training_history.json`` of a memory: every run on it, step by step, in one JSON object; and of a run.

``{"schema": 1, "of": {...}, "runs": [{"id", "parent", "started", "seed", "configuration_hash", "settings",
"steps": [{"step", "best", "mean", "acceptance", "sigma", "beta", "seconds", ...}], "offers": [...]}],
"sha256"}``. ``parent`` is the run whose best model a run started from, None where there was none. A number
that JSON cannot say (not a number, infinite) is None.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.files.storage import DamagedFile, write_text

NAME = "training_history.json"
SCHEMA = 1
STEP = ("step", "best", "mean", "acceptance", "sigma", "beta", "seconds")
RUN = ("id", "parent", "started", "seed", "configuration_hash", "settings", "steps", "offers")


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the history is of, and its runs, the oldest first; checked.

    Raises:
        DamagedFile: truncated, changed, or not what `write` writes.
        UserError: written by a newer qflock, or it cannot be read.
    """
    if not os.path.isfile(path):
        raise UserError(f"no file {path}")
    try:
        content = texts.read_json(path)
        version = content["schema"]
        if isinstance(version, int) and version > SCHEMA:
            raise UserError(f"{path} is of version {version}, this qflock reads {SCHEMA}; update qflock")
        whole = version == SCHEMA and content["sha256"] == digest({**content, "sha256": None})
        of, runs = dict(content["of"]), list(content["runs"])
        complete = all(set(RUN) <= set(run) and _steps_are_whole(run["steps"]) for run in runs)
    except OSError as problem:
        raise UserError(f"cannot read {path}: {problem.strerror or problem}") from problem
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise DamagedFile(f"{path} is damaged: it is not what qflock wrote") from problem
    if not whole or not complete:
        raise DamagedFile(f"{path} is damaged or was edited: it does not agree with its checksum")
    return of, runs


def write(path: Path, of: Mapping[str, Any], runs: list[dict[str, Any]]) -> None:
    """Replace the history whole.

    Args:
        path: the file.
        of: what the history is of; JSON can hold it.
        runs: one entry for each run, oldest first.

    Raises:
        CannotWrite: the disk is full ...; the old file is whole.
    """
    contents = plain({"schema": SCHEMA, "of": of, "runs": runs, "sha256": None})
    contents["sha256"] = digest(contents)
    write_text(path, json.dumps(contents, allow_nan=False) + "\n")


def digest(value: Any) -> str:
    """SHA-256 of a value's JSON with sorted keys."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()


def plain(value: Any) -> Any:
    """A value as JSON can say it: arrays as lists, paths as text, numbers that are none as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    array = np.asarray(value)
    if array.dtype == object:
        raise TypeError(f"{value!r} cannot be said in JSON")
    return plain(array.tolist())


def _steps_are_whole(steps: list[dict[str, Any]]) -> bool:
    return all(set(STEP) <= set(step) for step in steps)
