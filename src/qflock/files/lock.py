"""One writer for a folder: a lock that the kernel lets go of when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from qflock.core.errors import UserError
from qflock.files.storage import cannot_write

LOOKS, PAUSE = 4, 0.05
"""How often, and how many seconds apart, a lock is tried before another process is said to hold it."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder as its only writer.

    Raises:
        UserError: another process (or another run of this one) is writing the folder, or a link in it leads
            elsewhere.
        CannotWrite: the folder cannot be written.
    """
    _refuse_links(folder)
    path = folder / ".lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as problem:
        raise cannot_write(path, problem) from problem
    try:
        try:
            _take(handle)
        except BlockingIOError as other:
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip() or "another"
            raise UserError(
                f"{folder} is being written by process {holder}; wait for it, or stop it first"
            ) from other
        except OSError as problem:
            raise cannot_write(path, problem) from problem
        with contextlib.suppress(OSError):  # the number is a courtesy: a full disk may refuse it
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Whether a process writes a folder. Nothing is written, and nobody is kept from writing for long.

    Args:
        folder: may have no lock, which nobody holds then.
    """
    return holder(folder) is not None


def holder(folder: Path) -> int | None:
    """The number of the process that writes a folder, as `is_held`; None where none does, 0 where unknown.

    Args:
        folder: may have no lock. Who made the folder may have written any number into it.
    """
    try:  # a pipe is not waited for
        handle = os.open(folder / ".lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except OSError:
        with contextlib.suppress(OSError):
            text = os.pread(handle, 20, 0).strip()
            return int(text) if text.isdigit() else 0
        return 0
    finally:
        os.close(handle)


def _take(handle: int) -> None:
    """Lock an open file; one that only looked (`is_held`) lets go at once."""
    for _ in range(LOOKS):
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE)
    return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _refuse_links(folder: Path) -> None:
    """Links are ways by which a folder that others made could have files written, or removed, elsewhere."""
    home = folder.resolve()
    for pattern in ("*", "*/*"):
        for link in folder.glob(pattern):
            if link.is_symlink() and not link.resolve().is_relative_to(home):
                raise UserError(f"{link} is a link that leads out of {folder}; put a copy in its place")
