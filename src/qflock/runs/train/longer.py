"""A run that is made longer goes on as one that was planned as long: the same rows, evaluations and weights.

The last updates of a budget come in parts that are shorter than a log interval (see `Ledger.rest`). A longer
run has no rows there. So the state before the first of them is kept, and a run with a larger budget goes on
from that one: its updates after it are done again.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from jaxtyping import PyTree

from qflock.core.errors import UserError
from qflock.files.storage import remove, replacing
from qflock.machine import processes
from qflock.runs import checkpoint
from qflock.runs.checkpoint import Saved
from qflock.runs.folder import RunFolder
from qflock.runs.train.ledger import Position
from qflock.runs.train.program import Part


def begins(part: Part, updates: int, position: Position) -> bool:
    """Whether a part is the first of a budget's last, shorter ones.

    Args:
        part: the next one.
        updates: of a whole log interval.
        position: where the run stands.
    """
    return not position.budget and (int(part.updates) < updates or not part.going.all())


def begun(where: RunFolder, position: Position, total: int) -> None:
    """Note that the last parts of a budget begin at a position; none of their weights is the best yet.

    Args:
        where: the run.
        position: changed in place.
        total: the budget, in environment steps of each seed.
    """
    position.budget, position.before_last = total, position.update
    remove(spare_best(where))


def spare_best(where: RunFolder) -> Path:
    """Where the best weights lie as they were before the last parts, once one of these is better.

    Args:
        where: the run.
    """
    return where.state / "best-before-the-last.safetensors"


def spare(where: RunFolder, position: Position) -> None:
    """Keep the best weights of before the last parts; these have better ones.

    Args:
        where: the run.
        position: where it stands.

    Raises:
        CannotWrite: the disk is full ...
    """
    if position.budget and where.best_model.is_file() and not spare_best(where).exists():
        with replacing(spare_best(where)) as path:
            shutil.copyfile(where.best_model, path)


def from_before(where: RunFolder, saved: Saved | None, total: int, like: PyTree) -> Saved | None:
    """What a run goes on from that may have been made longer.

    Args:
        where: the run's folder, locked by this process.
        saved: the newest whole state, if any.
        total: environment steps of each seed, as wanted now.
        like: the pytree expected, as in ``checkpoint.newest_state``.

    Returns:
        ``saved`` where nothing was made longer, else the state before the last parts, or None where these
        were the first.
    """
    if saved is None or not 0 < saved.position.get("budget", 0) < total:
        return saved
    before = saved.position["before_last"]
    try:
        earlier = checkpoint.state_of(where, like, before) if before else None
    except UserError as problem:
        note = f"{problem}; going on from the end, so rows stand at other steps than in a run planned as long"
        fresh = {**saved.position, "budget": 0}
        return saved._replace(position=fresh, warnings=[*saved.warnings, note])
    processes.meet()  # the others read the files that now go
    if any(b is not None for b in saved.position["best"]):
        _best_of(where, earlier)
    checkpoint.forget_after(where, before)
    if earlier is None:
        return None
    seconds = saved.position["seconds"]
    return earlier._replace(
        position={**earlier.position, "budget": 0, "seconds": seconds}, warnings=saved.warnings
    )


def _best_of(where: RunFolder, earlier: Saved | None) -> None:
    """Put the best weights back as they were."""
    if spare_best(where).exists():
        os.replace(spare_best(where), where.best_model)
    elif earlier is None or all(b is None for b in earlier.position["best"]):
        remove(where.best_model)
