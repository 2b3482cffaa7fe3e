"""The run's folder where several processes train one run: the first holds it, the others a scratch one.

Every process does the same with its folder, so that none takes another path through the program; what the
others write is thrown away.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from qflock.machine import processes
from qflock.runs import folder
from qflock.runs.folder import RunFolder
from qflock.settings.config import Settings


@dataclass(frozen=True)
class _Scratch(RunFolder):
    """A process's own folder, thrown away at its end, in place of the run's."""

    run: Path

    @property
    def known_as(self) -> Path:
        """The run's folder."""
        return self.run


@contextlib.contextmanager
def created(settings: Settings) -> Iterator[RunFolder]:
    """A new run's folder, held by this process. Raises as `folder.create` and `RunFolder.lock`."""
    with contextlib.ExitStack() as stack:
        if processes.first():
            where = folder.create(settings, settings.run.run_dir, now=datetime.now())
            stack.enter_context(where.lock())
            processes.told_by_first("run folder", str(where.path.absolute()))
        else:
            scratch = stack.enter_context(processes.scratch()) / "run"
            known_as = Path(processes.told_by_first("run folder", None))
            settings = replace(settings, run=replace(settings.run, loggers=()))
            where = _Scratch(folder.create(settings, scratch, now=datetime.now()).path, known_as)
        yield where


@contextlib.contextmanager
def opened(where: RunFolder) -> Iterator[RunFolder]:
    """An old run's folder, held by this process. Raises as `RunFolder.lock`."""
    with contextlib.ExitStack() as stack:
        if processes.first():
            stack.enter_context(where.lock())
        else:
            scratch = stack.enter_context(processes.scratch()) / "run"
            shutil.copytree(where.path, scratch, ignore=shutil.ignore_patterns("state", ".*", "tensorboard"))
            (scratch / "state").mkdir()
            for state in where.state.glob("state-*.safetensors"):
                (scratch / "state" / state.name).symlink_to(state.resolve())
            where = _Scratch(scratch, where.path)
            settings = where.settings()
            quiet = replace(settings, run=replace(settings.run, loggers=()))
            where.record_settings(quiet, now=datetime.now())
        processes.meet()  # the first may not write before the others have read
        yield where
