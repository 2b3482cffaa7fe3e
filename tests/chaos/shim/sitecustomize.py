"""Disturbs a Python from inside: a disk that fails or is slow, a clock that steps. Python imports it first.

``CHAOS`` holds JSON: ``folder``, where all of it happens; ``ready``, a file that is made when qflock begins;
and ``errno`` with ``after`` operations on files, ``slow`` (seconds for each of them), or ``step`` (seconds)
with ``after`` looks at the clock.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from typing import Any

HOW = json.loads(os.environ.get("CHAOS", "{}"))
FOLDER = HOW.get("folder", "/nowhere")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
counted = itertools.count()
really_sleep, really_time = time.sleep, time.time


def inside(target: Any) -> bool:
    """Whether a path or a descriptor is of the folder."""
    try:
        path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fsdecode(target)
    except (OSError, TypeError, ValueError):
        return False
    return os.path.abspath(path).startswith(FOLDER) and path != HOW["ready"]


def operation(target: Any) -> None:
    """Before an operation that changes the disk."""
    if inside(target):
        really_sleep(HOW.get("slow", 0))
        if "errno" in HOW and next(counted) >= HOW["after"]:
            raise OSError(HOW["errno"], os.strerror(HOW["errno"]))


def audit(event: str, arguments: tuple[Any, ...]) -> None:
    """What Python says of itself: files opened to be written, and names that change."""
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & WRITES:
            operation(path)
    elif event in ("os.mkdir", "os.truncate"):
        operation(arguments[0])
    elif event == "os.rename":
        operation(arguments[1])


def before(name: str) -> None:
    """The same before a function of ``os`` that Python does not speak of."""
    real = getattr(os, name)

    def disturbed(target: Any, *others: Any) -> Any:
        operation(target)
        return real(target, *others)

    setattr(os, name, disturbed)


def stepped() -> float:
    """The time, which has stepped by now."""
    return really_time() + (HOW["step"] if next(counted) >= HOW["after"] else 0)


class Watch:
    """Among the importers: makes a file when the command line begins, with the import of its command."""

    def find_spec(self, name: str, *_: Any) -> None:
        """Finds nothing."""
        if name.startswith("qflock.commands.") and not name.startswith("qflock.commands._"):
            sys.meta_path.remove(self)  # type: ignore[arg-type]
            os.close(os.open(HOW["ready"], os.O_CREAT | os.O_WRONLY))


if "ready" in HOW:
    sys.meta_path.insert(0, Watch())  # type: ignore[arg-type]
if "errno" in HOW or "slow" in HOW:
    sys.addaudithook(audit)
    for name in ("fsync", "write", "pwrite", "ftruncate"):
        before(name)
if "step" in HOW:
    time.time = stepped
