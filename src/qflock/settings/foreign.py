"""Code of others, called so that whatever comes out of it can be told in one line. Imports no JAX."""

from __future__ import annotations

import os
import signal
import threading
import traceback
import warnings
from bdb import BdbQuit
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from qflock.core.errors import Ended, Notice, UserError, in_short

SERIAL = "where workers are processes nobody can type: take it out, or play with --env.workers serial"

badly_closed: set[str] = set()
"""Owners of which this process has said so: others that close the same need not say it again."""
GIVEN: set[str] = set()
"""Names of the modules that were imported from files of the user's."""
INPUTS_OWN = "EOF when reading a line"  # what Python's input() says


class Failure(NamedTuple):
    """Attributes:
    what: the error's name and words, one line.
    trace: where it was raised, many lines.
    place: as `place`.
    """

    what: str
    trace: str
    place: str = ""


class Closes(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Let go of what it holds."""
        ...


def attempt(work: Callable[[], Any]) -> Any:
    """What the work returns; a `UserError` that it raises; a `Failure` for all else that comes out of it.

    ``sys.exit()`` and ``raise KeyboardInterrupt`` in an environment are failures of it. Ctrl-C is not.

    Args:
        work: calls the code.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C while it worked, or the process was told to end.
    """
    with _Listening() as listening:
        try:
            return work()
        except UserError as problem:
            return problem
        except KeyboardInterrupt as problem:
            if listening.heard or isinstance(problem, Ended):
                raise
            return _failure(problem)
        except BaseException as problem:
            return _failure(problem)


def close(one: Closes, owner: str) -> None:
    """Close an environment; where that fails, say so and go on: nothing is lost by it.

    Args:
        one: an environment or a copy of one.
        owner: whose ``close`` it is, for the notice.
    """
    failed = attempt(one.close)
    if isinstance(failed, UserError | Failure):
        what = failed.what if isinstance(failed, Failure) else failed
        badly_closed.add(owner)
        warnings.warn(f"warning: close() of {owner} fails, passed over: {what}", Notice, stacklevel=2)


def need(work: Callable[[], Any], sentence: str) -> Any:
    """What the work returns.

    Args:
        work: as `attempt` takes it.
        sentence: what the error's message begins with, ``my_env.py fails when imported``.

    Raises:
        UserError: whatever came out of it.
        KeyboardInterrupt: as `attempt`.
    """
    found = attempt(work)
    if isinstance(found, Failure):
        where = f" ({found.place})" if found.place else ""
        raise UserError(f"{sentence}: {found.what}{where}") from RuntimeError(found.trace)
    if isinstance(found, UserError):
        raise found
    return found


def place(problem: BaseException) -> str:
    """``file:line`` of the innermost code in a file that the user gave: an environment or a network of their
    own. Empty where there is no such line."""
    for frame, line in reversed(list(traceback.walk_tb(problem.__traceback__))):
        if frame.f_globals.get("__name__") in GIVEN:
            return f"{frame.f_code.co_filename}:{line}"
    if isinstance(problem, SyntaxError) and os.path.isfile(problem.filename or ""):
        return f"{problem.filename}:{problem.lineno}"
    return ""


def words(problem: BaseException) -> str:
    """An error's name and its words, in one line of bounded length."""
    if isinstance(problem, BdbQuit):
        return f"EOFError: a debugger (breakpoint, pdb) found no terminal; {SERIAL}"
    try:
        text = in_short(str(problem))
    except Exception:  # an error that cannot be shown
        text = ""
    if isinstance(problem, EOFError) and text == INPUTS_OWN:
        text = f"{text}: input() found no terminal; {SERIAL}"
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__


def _failure(problem: BaseException) -> Failure:
    return Failure(words(problem), "".join(traceback.format_exception(problem)), place(problem))


class _Listening:
    """Hears Ctrl-C while it is entered, and passes it on to whoever heard it before.

    Attributes:
        heard: whether it came. Only the main thread can be interrupted so.
    """

    def __init__(self) -> None:
        self.heard = False

    def __enter__(self) -> _Listening:
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before: Any = signal.getsignal(signal.SIGINT)
            self._main = callable(self._before)
        if self._main:
            signal.signal(signal.SIGINT, self._hear)
        return self

    def _hear(self, number: int, frame: Any) -> None:
        self.heard = True
        self._before(number, frame)

    def __exit__(self, *problem: object) -> None:
        if self._main and signal.getsignal(signal.SIGINT) == self._hear:
            signal.signal(signal.SIGINT, self._before)
