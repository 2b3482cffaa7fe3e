"""The run's folder where several processes train one run: the first holds it, the others a scratch one.

Every process does the same with its folder, so that none takes another path through the program; what the
others write is thrown away.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from qflock.machine import processes
from qflock.runs import folder
from qflock.runs.folder import RunFolder
from qflock.settings.config import Settings


@contextlib.contextmanager
def created(settings: Settings) -> Iterator[RunFolder]:
    """A new run's folder, held by this process. Raises as `folder.create` and `RunFolder.lock`."""
    with contextlib.ExitStack() as stack:
        run_dir = settings.run.run_dir
        if not processes.first():
            run_dir = stack.enter_context(_scratch())
            settings = replace(settings, run=replace(settings.run, loggers=()))
        where = folder.create(settings, run_dir, now=datetime.now())
        if processes.first():
            stack.enter_context(where.lock())
        yield where


@contextlib.contextmanager
def opened(where: RunFolder) -> Iterator[RunFolder]:
    """An old run's folder, held by this process. Raises as `RunFolder.lock`."""
    with contextlib.ExitStack() as stack:
        if processes.first():
            stack.enter_context(where.lock())
        else:
            scratch = stack.enter_context(_scratch())
            shutil.copytree(where.path, scratch, ignore=shutil.ignore_patterns("state", ".*", "tensorboard"))
            (scratch / "state").mkdir()
            for state in where.state.glob("state-*.safetensors"):
                (scratch / "state" / state.name).symlink_to(state.resolve())
            where = RunFolder(scratch)
            settings = where.settings()
            quiet = replace(settings, run=replace(settings.run, loggers=()))
            where.record_settings(quiet, now=datetime.now())
        processes.meet("run folder")  # the first may not write before the others have read
        yield where


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qflock-") as place:
        yield Path(place) / "run"
