"""Make room: what of finished and given-up runs can go, by a rule."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from qflock.core.errors import UserError
from qflock.files import lock
from qflock.files.storage import cannot_write
from qflock.runs.folder import RunFolder
from qflock.runs.overview import Overview, size

Rule = Literal["states", "checkpoints", "unfinished"]
RULES: dict[Rule, str] = {
    "states": "training states of finished runs; they can then not be trained for longer",
    "checkpoints": "weights that finished runs kept on the way; the final and the best stay",
    "unfinished": "runs that did not get to their end, whole",
}
DAY = 24 * 60 * 60


class Pruned(NamedTuple):
    """What of a run can go.

    Attributes:
        run: its folder.
        paths: files, or the run's folder.
        size: their bytes.
        touched: when a file of the run was last written, in seconds since 1970.
    """

    run: Path
    paths: list[Path]
    size: int
    touched: float


def by_rule(runs: Sequence[Overview], rule: Rule, older: float = 0.0) -> list[Pruned]:
    """What a rule lets go of. Runs that are being trained are never among it.

    Args:
        runs: as `overview.find_runs` gives them.
        rule: one of `RULES`.
        older: days since anything of the run was last written.
    """
    found: list[Pruned] = []
    for run in runs:
        wanted = ("stopped",) if rule == "unfinished" else ("finished",)
        touched = _touched(run.path)
        if run.state not in wanted or time.time() - touched < older * DAY:
            continue
        where, paths = RunFolder(run.path), [run.path]
        if rule == "states":
            paths = sorted(where.state.glob("*.safetensors"))
        elif rule == "checkpoints":
            paths = sorted(where.models.glob("checkpoint_ep*.safetensors"))
        if paths:
            bytes_ = run.size if rule == "unfinished" else sum(path.lstat().st_size for path in paths)
            found.append(Pruned(run.path, paths, bytes_, touched))
    return found


def remove(pruned: Pruned) -> int:
    """Remove it; returns the bytes that this freed.

    Args:
        pruned: as `by_rule` gives it.

    Raises:
        UserError: a process has trained the run since, or does now, or a link in it leads elsewhere.
        CannotWrite: something cannot be removed.
    """
    with lock.held(pruned.run):
        if _touched(pruned.run) != pruned.touched:
            raise UserError(f"{pruned.run} has changed meanwhile; it is left alone")
        before = size(pruned.run)
        try:
            for path in pruned.paths:
                shutil.rmtree(path) if path == pruned.run else path.unlink(missing_ok=True)
        except OSError as problem:
            raise cannot_write(Path(problem.filename or pruned.run), problem) from problem
        return before - size(pruned.run)


def _touched(run: Path) -> float:
    """When a file of the run was last written."""
    return max((path.lstat().st_mtime for path in run.rglob("*") if path.name != ".lock"), default=0.0)
