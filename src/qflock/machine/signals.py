"""Signals that ask a process to end: SIGTERM, and SIGHUP, which the closing of its terminal sends.

Where SIGHUP is ignored, as under ``nohup``, it stays ignored.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from qflock.core.errors import Ended

EXIT = 130
"""Exit status of a process that was asked to end."""
ENDING = (signal.SIGTERM, signal.SIGHUP)
STOPPING = (signal.SIGINT, *ENDING)
GRACE = 8.0
"""Seconds that work in hand may take to end after a signal."""


class Listener:
    """Hears signals in a thread of its own, whatever Python waits for, while it is entered.

    Python calls a signal's handler only when compiled work in hand ends. Outside the main thread, where
    Python delivers no signals, it does nothing.
    """

    def __init__(
        self,
        signals: Sequence[int],
        notice: Callable[[int, FrameType | None], None],
        late: Callable[[int], None],
        answered: threading.Event,
        grace: float,
    ) -> None:
        """Prepare; nothing is heard before it is entered.

        Args:
            signals: their numbers. SIGHUP is left alone where it is ignored.
            notice: their handler.
            late: is called in the thread, with the signal's number, where ``answered`` takes longer than the
                grace.
            answered: what a signal asks for has happened.
            grace: seconds.
        """
        self._signals, self._notice, self._late = signals, notice, late
        self._answered, self._grace = answered, grace
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Listener:
        if threading.current_thread() is threading.main_thread():
            ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            wanted = [n for n in self._signals if not (n == signal.SIGHUP and ignored)]
            self._before = {n: signal.signal(n, self._notice) for n in wanted}
            self._heard, self._told = os.pipe()
            os.set_blocking(self._told, False)
            self._wakeup = signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
            threading.Thread(target=self._listen, name="qflock-signals", daemon=True).start()
        return self

    def _listen(self) -> None:
        """In the thread: the bytes that C writes when a signal comes."""
        while number := os.read(self._heard, 1):
            if number[0] in self._before and not self._answered.wait(self._grace):
                self._late(number[0])
        os.close(self._heard)

    def __exit__(self, *problem: object) -> None:
        self._answered.set()
        if self._before:
            signal.set_wakeup_fd(self._wakeup)
            os.close(self._told)  # ends the thread
        for number, handler in self._before.items():
            signal.signal(number, handler)


def leave() -> NoReturn:
    """End an interrupted process now, status 130: Python's own end would wait for compiled work in hand."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # nobody can be told
            stream.flush()
    os._exit(EXIT)


@contextmanager
def interrupting() -> Iterator[None]:
    """While it is entered, SIGTERM and SIGHUP interrupt what the process does, as Ctrl-C does.

    Work that does not come back to Python within `GRACE` ends with the process, status 130.

    Raises:
        Ended: such a signal came; the first alone, so that what is tidied up then is not interrupted.
    """
    heard = threading.Event()

    def notice(number: int, frame: FrameType | None) -> None:
        if not heard.is_set():
            heard.set()
            raise Ended

    with Listener(ENDING, notice, lambda number: os._exit(EXIT), heard, GRACE):
        yield
