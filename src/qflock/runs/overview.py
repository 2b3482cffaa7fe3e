"""What runs there are under a folder, how far each is, what it scored and how much it takes."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from qflock.core.errors import UserError
from qflock.files import lock
from qflock.files.storage import refuse_odd
from qflock.runs import summaries
from qflock.runs.folder import RunFolder

State = Literal["training", "finished", "stopped", "damaged"]
TAIL = 1 << 14
"""Bytes at the end of a log in which the last row of every seed is looked for."""


@dataclass(frozen=True)
class Overview:
    """A run, as a table has it.

    Attributes:
        path: its folder.
        state: "training" while a process writes it; "stopped" before its end and nobody does.
        algorithm, environment: as in its settings; empty where these cannot be read.
        begun: when, as ISO 8601 has it.
        seeds: how many.
        env_steps: done by the slowest seed, as far as its log tells.
        total_steps: asked for.
        score: mean discounted return of the final evaluation over seeds; None before it.
        references: the same of the policies beside it, by name.
        size: bytes of all files.
        states: bytes of the training states among them.
        problem: what is damaged.
    """

    path: Path
    state: State
    algorithm: str = ""
    environment: str = ""
    begun: str = ""
    seeds: int = 0
    env_steps: int = 0
    total_steps: int = 0
    score: float | None = None
    references: Mapping[str, float] = field(default_factory=dict)
    size: int = 0
    states: int = 0
    problem: str = ""


def find_runs(folder: Path | str = "runs") -> list[Overview]:
    """Every run in a folder or deeper, the newest first; links are not followed.

    Args:
        folder: where to look; a run's own folder gives that run.

    Raises:
        UserError: there is no such folder.
    """
    root = Path(folder)
    if not os.path.isdir(root):
        raise UserError(f"no folder {root}; runs are made in runs/ by: qflock train")
    found = [overview(RunFolder(path)) for path in run_folders(root)[0]]
    return sorted(found, key=lambda run: (run.begun, str(run.path)), reverse=True)


def run_folders(root: Path, most: float = math.inf) -> tuple[list[Path], bool]:
    """Where there are runs, in a folder or deeper; links are not followed.

    Args:
        root: where to look.
        most: folders that are looked into, at most.

    Returns:
        The runs' folders, and whether all folders were looked into.
    """
    found = []
    for looked, (name, folders, _) in enumerate(os.walk(root)):
        if looked >= most:
            return found, False
        place = Path(name)
        if os.path.isfile(place / "configs" / "hparams.json"):
            folders[:] = []  # there are no runs in a run
            found.append(place)
        else:
            folders[:] = [f for f in folders if not f.startswith(".")]
    return found, True


def overview(run: RunFolder) -> Overview:
    """One run. Nothing is written, and no process that trains is disturbed.

    Args:
        run: its folder.
    """
    sizes = {path: size(path) for path in (run.path, run.state)}
    found = {"path": run.path, "size": sizes[run.path], "states": sizes[run.state]}
    busy = lock.is_held(run.path)
    try:
        refuse_odd(run.path, run.hparams, run.summary, run.training_log, run.evaluation)
        facts = run.read_hparams()
        settings = facts["settings"]
        known = {
            **found,
            "algorithm": str(settings["algorithm"]),
            "environment": str(settings["env"]["name"]),
            "begun": str(facts["created"]),
            "seeds": int(settings["seeds"]),
            "total_steps": int(settings["total_steps"]),
        }
        summary = summaries.read(run) if run.summary.is_file() else None
        scores = {} if summary is None else _scores(summary)
    except UserError as problem:
        return Overview(**found, state="training" if busy else "damaged", problem=str(problem))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return Overview(**found, state="damaged", problem=f"{run.hparams} is of another version of qflock")
    logged = _steps(run, known["seeds"])
    if summary is not None and not busy and int(summary.get("env_steps", logged)) >= logged:
        return Overview(**known, **scores, state="finished")
    return Overview(**known, env_steps=logged, state="training" if busy else "stopped")


def size(folder: Path) -> int:
    """Bytes of all files in a folder, links not followed.

    Args:
        folder: may be gone.
    """
    total = 0
    for name, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.lstat(os.path.join(name, file)).st_size
            except OSError:  # gone meanwhile
                continue
    return total


def _scores(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary says; others may have written what they like in it."""
    references = {str(name): _score(row) for name, row in (summary.get("references") or {}).items()}
    return {
        "env_steps": int(summary.get("env_steps", 0)),
        "score": _score(summary.get("over_seeds")),
        "references": {name: x for name, x in references.items() if x is not None},
    }


def _score(row: Any) -> float | None:
    value = row.get("discounted_mean") if isinstance(row, Mapping) else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _steps(run: RunFolder, seeds: int) -> int:
    """Steps of the slowest seed in the last rows of the training log; 0 where there are none yet."""
    try:
        with open(run.training_log, "rb") as log:
            columns = log.readline().decode().strip().split(",")
            where = [columns.index(name) for name in ("seed", "env_step")]
            log.seek(max(log.tell(), os.path.getsize(run.training_log) - TAIL))
            lines = log.read().split(b"\n")
    except (OSError, ValueError):
        return 0
    last = _last_steps([line.decode(errors="replace").split(",") for line in lines], where, len(columns))
    return min(last.values()) if len(last) == seeds else 0


def _last_steps(rows: Sequence[Sequence[str]], where: Sequence[int], columns: int) -> dict[str, int]:
    """The last step of each seed; rows that are not whole are passed over."""
    seed, step = where
    whole = (row for row in rows if len(row) == columns and row[step].isdigit())
    return {row[seed]: int(row[step]) for row in whole}
