"""Train and resume: a run folder, what was saved in it, and the work that is left (see `work`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from qflock.core.errors import UserError
from qflock.core.shell import command
from qflock.runs import checkpoint, folder
from qflock.runs.folder import RunFolder
from qflock.runs.train import longer, opening, together
from qflock.runs.train.callbacks import Callback, Callbacks, OnChunk
from qflock.runs.train.work import Work
from qflock.settings.config import Settings


def train(
    settings: Settings,
    quiet: bool = False,
    first_line: str = "",
    callbacks: Sequence[OnChunk | Callback] = (),
) -> dict[str, Any]:
    """Train from the beginning, in a new run folder.

    Args:
        settings: all settings, resolved.
        quiet: show no progress.
        first_line: as `opening` has it; said once it is clear that there will be a run.
        callbacks: called after each chunk of updates.

    Returns:
        What ``summary.json`` holds: the final scores beside the references, sizes and times.

    Raises:
        UserError: settings that cannot work, a folder that cannot be written ...
        Interrupted: Ctrl-C or SIGTERM; the state is saved.
        Diverged: NaN or infinity, with ``on_nan`` "stop"; the last good state is kept.
    """
    with opening.first(first_line):
        work = Work(
            settings, quiet, Callbacks(callbacks)
        )  # before the folder: bad settings leave nothing behind
    with work.hooked(), together.created(settings) as where:
        return work.go(where, None)


def resume(
    run: Path | str,
    total_steps: int | None = None,
    quiet: bool = False,
    on_nan: str | None = None,
    devices: int | str | None = None,
    first_line: str = "",
    callbacks: Sequence[OnChunk | Callback] = (),
) -> dict[str, Any]:
    """Go on with a run from its newest whole state; from the start where none was saved yet.

    Args:
        run: its folder, or "latest".
        total_steps: environment steps of the whole run, however many episodes and whatever else limits it; as
            planned if left out.
        quiet: show no progress.
        on_nan: "stop", "skip" or "rollback" from now on; as before if left out.
        devices: how many share the work from now on, or "all"; as before if left out.
        first_line, callbacks: as in `train`.

    Returns:
        As `train`.

    Raises:
        UserError: no such run, a damaged one, another process writing it ...
    """
    called = Callbacks(callbacks)
    with together.opened(folder.open_run(run)) as where:
        before = settings = where.settings()
        if on_nan is not None:
            settings = replace(settings, run=replace(settings.run, on_nan=on_nan))  # type: ignore[arg-type]
        if devices is not None:
            settings = replace(settings, run=replace(settings.run, devices=devices))  # type: ignore[arg-type]
        if total_steps is not None and total_steps != settings.run.total_steps:
            settings = _to_end_at(settings, total_steps)
        if settings != before:
            where.record_settings(settings, now=datetime.now())
        with opening.first(first_line):
            _refuse_pruned(where, settings)
            work = Work(settings, quiet, called)
        with work.hooked():
            newest = checkpoint.newest_state(where, work.shapes, work.doubt(where))
            return work.go(where, longer.from_before(where, newest, work.total, work.shapes))


def _refuse_pruned(where: RunFolder, settings: Settings) -> None:
    """A finished run whose states were removed would begin again, over its own results."""
    if where.summary.is_file() and not any(where.state.glob("state-*.safetensors")):
        again = command("train", settings.algorithm, "--env", settings.run.env, "--init_from", where.known_as)
        raise UserError(
            f"{where.known_as} is finished and its training states are gone; a new run can start from its "
            f"weights: {again}"
        )


def _to_end_at(settings: Settings, total_steps: int) -> Settings:
    """Settings of a run of so many steps; other limits give way, the learner's own (``LIMITS``) as well."""
    run = replace(settings.run, total_steps=total_steps, total_episodes=0)
    given_up = dict.fromkeys(getattr(type(settings.learner), "LIMITS", ()), 0)
    return replace(settings, run=run, learner=replace(settings.learner, **given_up))
