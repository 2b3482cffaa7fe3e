"""A command's standard streams: output that is for the result alone, and input that nobody waits for.

An environment prints when it is imported, made and stepped, from Python and from C, and so do programs that
it starts. Where a program reads what we print, none of that may come between.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from qflock.machine.streams import ERR, IN, OUT

ALONE = ("--json", "--dry_run")
"""Options after which the result alone stands on standard output."""
_kept: tuple[int, TextIO] | None = None
"""Standard output while it is kept: a descriptor of it, and Python's object."""


@contextlib.contextmanager
def kept(arguments: Sequence[str], ours: bool) -> Iterator[None]:
    """While it is entered, only `given_back` leads to standard output, if the arguments ask for that.

    What else is written there goes to standard error, whoever writes it. Where the process is ours, standard
    input is empty unless it is a terminal: what asks for a line then fails at once.

    Args:
        arguments: of the command line.
        ours: whether the process ends with the command.
    """
    global _kept
    if ours and not any(word.startswith("/dev/") for word in arguments):  # a file may be /dev/stdin
        _empty_input()
    before = sys.stdout
    if not _asked(arguments) or _kept is not None or before is None:
        yield
        return
    before.flush()
    try:
        place = os.dup(OUT)
        os.dup2(ERR, OUT)
    except OSError:  # closed: nothing can be written there anyway
        yield
        return
    _kept = place, before
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _kept = None
        _flush(before)
        if not ours:  # else what is printed when the process ends stays away too
            os.dup2(place, OUT)
            os.close(place)


@contextlib.contextmanager
def given_back() -> Iterator[None]:
    """While it is entered, what is printed goes to standard output, though it is kept."""
    if _kept is None:
        yield
        return
    place, before = _kept
    _flush(before)
    os.dup2(place, OUT)
    with contextlib.redirect_stdout(before):
        yield
        before.flush()
    os.dup2(ERR, OUT)


def _asked(arguments: Sequence[str]) -> bool:
    """Whether the result alone is to stand on standard output."""
    options = {f"--{word[2:].replace('-', '_')}" for word in arguments if word.startswith("--")}
    if not options & set(ALONE):
        return False
    from qflock.commands._arguments import wants_help  # dataclasses and json: help need not wait for them

    return not wants_help(arguments)


def _flush(stdout: TextIO) -> None:
    """Send on what Python and the C library hold of standard output."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        stdout.flush()
        ctypes.CDLL(None).fflush(None)


def _empty_input() -> None:
    with contextlib.suppress(OSError):
        if not os.isatty(IN):
            empty = os.open(os.devnull, os.O_RDONLY)
            os.dup2(empty, IN)
            os.close(empty)
