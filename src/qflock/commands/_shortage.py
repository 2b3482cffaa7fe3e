"""Failures that are the machine's and no bug: no memory, no threads, no open files, no room on the disk."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
NO_MEMORY = "RESOURCE_EXHAUSTED", "can't start new thread", "failed to map segment", "annot allocate memory"
"""What XLA, Python's threads, the loader of libraries and the system say where memory is short."""
MEMORY = "not enough memory: free some, raise its limit (ulimit -v, the container's), or take less at once"
FILES = "too many open files: close some, or raise their limit (ulimit -n)"


def line(problem: BaseException) -> str | None:
    """What is short, in one line; None where nothing is known to be.

    Args:
        problem: what was raised, with its causes.
    """
    for each in _causes(problem):
        number = each.errno if isinstance(each, OSError) else None
        if number in FULL:
            from qflock.files.storage import cannot_write

            return str(cannot_write(Path(each.filename or "a file"), each))  # type: ignore[reportAttributeAccessIssue]
        if number in (errno.EMFILE, errno.ENFILE):
            return FILES
        if isinstance(each, MemoryError) or number == errno.ENOMEM or any(s in str(each) for s in NO_MEMORY):
            return MEMORY
    return None


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__
