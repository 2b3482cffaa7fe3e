"""The standard streams of a process of ours: none is missing, and a write that fails is at most one line.

A program's standard error is for people. Where nobody can read it any more (the terminal is closed, the disk
behind it is full, the pipe has no reader) what is written there goes nowhere and nothing else changes.
Standard output is the result: that it cannot be written is an error, once, unless it was a terminal that is
gone.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

from qflock.core.errors import UserError

IN, OUT, ERR = 0, 1, 2


class NotWritten(UserError):
    """Standard output cannot be written."""


class _Descriptor(io.FileIO):
    """Standard output or standard error, below Python's buffers; other programs may write there too."""

    def __init__(self, descriptor: int, tells: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.name = "<stdout>" if descriptor == OUT else "<stderr>"
        self._tells = tells and not self.isatty()

    def write(self, data: Any, /) -> int:
        """Write; what cannot be written counts as written.

        Args:
            data: bytes.

        Raises:
            BrokenPipeError: the reader of standard output has gone.
            NotWritten: standard output cannot be written; the first time.
        """
        if not memoryview(data).nbytes:  # that a full device refuses nothing is no failure
            return 0
        try:
            while (count := super().write(data)) is None:  # full, and another program made it non-blocking
                import select  # rarely, and help need not wait for it

                select.select([], [self], [])
            return count
        except BrokenPipeError:
            if self._tells:
                raise
        except OSError as problem:
            if self._tells:
                self._tells = False  # the rest would fail too, also when the program ends
                raise NotWritten(f"standard output cannot be written: {problem.strerror}") from problem
        return memoryview(data).nbytes


def own() -> None:
    """Put this process's standard streams in order, at its start; where somebody replaced them already, not.

    A descriptor that is closed would be given to the next file that is opened, and what is printed would
    stand in it. It becomes the null device, here and in programs that this one starts.

    Raises:
        NotWritten: standard output is closed.
    """
    closed = [descriptor for descriptor in (IN, OUT, ERR) if not is_open(descriptor)]
    for descriptor in closed:  # each takes the lowest number that is free
        os.open(os.devnull, os.O_RDONLY if descriptor == IN else os.O_WRONLY)
        os.set_inheritable(descriptor, True)
    if IN in closed:
        sys.stdin = open(IN, closefd=False)  # noqa: SIM115 (open until the end)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(ERR, sys.stderr, "backslashreplace")
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(OUT, sys.stdout, "strict")
    if OUT in closed:
        raise NotWritten("standard output is closed, so nothing can be told; send it to a file or /dev/null")


def is_open(descriptor: int) -> bool:
    """Whether a descriptor leads anywhere."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _text(descriptor: int, before: Any, errors: str) -> TextIO:
    """A stream like the one that Python made, which is None for a descriptor that was closed."""
    raw = _Descriptor(descriptor, tells=descriptor == OUT)
    at_once = before is not None and isinstance(before.buffer, io.FileIO)  # python -u
    stream = io.TextIOWrapper(
        raw if at_once else io.BufferedWriter(raw),  # type: ignore[arg-type]
        encoding=before.encoding if before is not None else "utf-8",
        errors=before.errors if before is not None else errors,
        newline="\n",
        line_buffering=before is not None and before.line_buffering,
        write_through=before is not None and before.write_through,
    )
    stream.mode = "w"  # type: ignore[misc]
    return stream
