"""What runs there are at the moment, read again where something changed, not too often."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qflock.core.errors import UserError
from qflock.core.shell import command
from qflock.evidence import verdict
from qflock.evidence.dash import logs
from qflock.evidence.dash.logs import Curves
from qflock.evidence.figures.series import plain
from qflock.files import lock
from qflock.runs import overview, summaries
from qflock.runs.folder import RunFolder
from qflock.runs.overview import Overview

MOST_RUNS, MOST_FOLDERS = 500, 20_000
"""Runs that a page lists, the newest; folders that are looked into for them."""
OFTEN, SHARE = 1.0, 0.005
"""Seconds between two looks, at least, and the share of a core that looking may take: trainings need it."""
FILES = (
    "configs",
    "configs/hparams.json",
    "summary.json",
    "training_log.csv",
    "evaluation.csv",
    "state",
    "models",
)
"""What changes in a run's folder when there is something new to see."""


@dataclass(frozen=True)
class Seen:
    """A run as it was when it was last read.

    Attributes:
        key: a name of it that can stand in an address, and says nothing of where the folder lies.
        name: its folder, below the one that is shown.
        overview: state, steps, scores and sizes.
        environment: the settings of its environment, its name included.
        curves: what its logs say.
        verdict: a sentence on its score; empty before it has one.
    """

    key: str
    name: str
    overview: Overview
    environment: Mapping[str, Any] = field(default_factory=dict)
    curves: Curves = field(default_factory=Curves)
    verdict: str = ""


class Board:
    """The runs below a folder. May be asked from several threads."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Look at nothing yet.

        Args:
            folder: where runs are; messages and commands name it as it is given.
            clock: seconds.
        """
        self.folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[Path, tuple[Any, Seen]] = {}
        self._runs: list[Seen] = []
        self._whole = True
        self._due = -float("inf")

    def runs(self) -> list[Seen]:
        """The runs, those that train first, then the newest first.

        Raises:
            UserError: the folder is gone.
        """
        with self._lock:
            begun = self._clock()
            if begun < self._due:
                return self._runs
            if not os.path.isdir(self.folder):
                raise UserError(f"no folder {self.folder}; runs are made in runs/ by: qflock train")
            self._runs = self._look()
            ended = self._clock()
            self._due = ended + max(OFTEN, (ended - begun) / SHARE)
            return self._runs

    def find(self, keys: Sequence[str]) -> list[Seen]:
        """The runs of some keys, in their order.

        Args:
            keys: as `Seen.key`.

        Raises:
            UserError: there is no such run (any more).
        """
        by_key = {run.key: run for run in self.runs()}
        if any(key not in by_key for key in keys):
            raise UserError("there is no such run in the folder (any more); load the page anew")
        return [by_key[key] for key in dict.fromkeys(keys)]

    def as_json(self) -> dict[str, Any]:
        """What the page's table shows.

        Raises:
            UserError: the folder is gone.
        """
        runs = self.runs()
        notes = []
        if len(runs) > MOST_RUNS:
            notes.append(
                f"{MOST_RUNS} of {len(runs)} runs are listed; show a folder that is deeper for others"
            )
        if not self._whole:
            notes.append(f"only {MOST_FOLDERS:,} folders were looked into")
        return {
            "folder": str(self.folder),
            "count": len(runs),
            "notes": notes,
            "runs": [_row(run) for run in runs[:MOST_RUNS]],
        }

    def _look(self) -> list[Seen]:
        folders, self._whole = overview.run_folders(self.folder, MOST_FOLDERS)
        seen = {}
        for path in folders:
            signature = (_signature(path), lock.is_held(path))
            known = self._seen.get(path)
            seen[path] = known if known and known[0] == signature else (signature, self._read(path))
        self._seen = seen
        runs = sorted(
            (run for _, run in seen.values()), key=lambda run: (run.overview.begun, run.name), reverse=True
        )
        return sorted(runs, key=lambda run: run.overview.state != "training")

    def _read(self, path: Path) -> Seen:
        name = str(path.relative_to(self.folder))
        name = path.resolve().name if name == "." else name
        key = hashlib.sha256(os.fsencode(path)).hexdigest()[:20]
        try:
            return _seen(key, name, RunFolder(path))
        except Exception as problem:  # whatever others have put there: one odd run hides no other
            why = str(problem) if isinstance(problem, UserError) else type(problem).__name__
            return Seen(key, name, Overview(path, "damaged", problem=f"{path} cannot be read: {why}"))


def _seen(key: str, name: str, run: RunFolder) -> Seen:
    one = overview.overview(run)
    if one.problem:
        return Seen(key, name, one)
    environment = dict(run.read_hparams()["settings"]["env"])
    found = logs.read(run)
    said = ""
    if one.state == "finished":
        summary = summaries.read(run)
        said = verdict.verdict(summary.get("over_seeds") or {}, summary.get("references") or {})
    return Seen(key, name, one, environment, found, said)


def _signature(path: Path) -> list[Any]:
    """Equal while nothing that is shown has changed."""
    marks: list[Any] = []
    for name in FILES:
        try:
            facts = os.lstat(path / name)
            marks.append((facts.st_mtime_ns, facts.st_size, facts.st_ino))
        except OSError:
            marks.append(None)
    return marks


def _row(run: Seen) -> dict[str, Any]:
    one = run.overview
    score = run.curves.newest if one.score is None else one.score
    best = next((name for name in one.references if name != "random"), None)
    return {
        "key": run.key,
        "name": run.name,
        "state": one.state,
        "algorithm": one.algorithm,
        "environment": one.environment,
        "begun": one.begun[:16].replace("T", " "),
        "seeds": one.seeds,
        "steps": one.env_steps,
        "total": one.total_steps,
        "score": None if score is None else plain(score),
        "final": one.score is not None,
        "random": one.references.get("random"),
        "best": None if best is None else {"name": best, "score": one.references[best]},
        "size": one.size,
        "problem": one.problem or run.curves.problem,
        "verdict": run.verdict,
        "commands": commands(run),
    }


def commands(run: Seen) -> list[dict[str, str]]:
    """What can be done with a run, as it is typed in the terminal; the page itself does none of it.

    Args:
        run: one of the board.

    Returns:
        ``what`` and the ``command`` of each.
    """
    one, path = run.overview, run.overview.path
    if one.state == "damaged":
        return []
    lines = []
    process = lock.holder(path) if one.state == "training" else None
    if process is not None and process > 1:
        what = "stop it, with its state saved (or Ctrl-C in its terminal)"
        lines.append({"what": what, "command": f"kill -INT {process}"})
    if one.state == "finished":
        longer = command("resume", path, "--total_steps", 2 * one.total_steps)
        lines.append({"what": "train it for longer", "command": longer})
    else:
        what = "go on with it" if one.state == "stopped" else "go on with it, once it is stopped"
        lines.append({"what": what, "command": command("resume", path)})
    lines.append({"what": "see it play, in the terminal", "command": command("watch", path)})
    lines.append({"what": "score it on fresh episodes", "command": command("evaluate", path)})
    return lines
