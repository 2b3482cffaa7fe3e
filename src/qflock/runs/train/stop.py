"""Notice that the user or the system wants the run to stop, and let the chunk in hand finish first."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from qflock.core.printing import printable

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 8.0
"""Seconds that work in hand may take to end after a signal."""
EXIT = 130
"""Exit status of a run that was asked to stop."""


class Stopper:
    """While it is entered, the first SIGINT or SIGTERM sets ``asked``; a second SIGINT interrupts at once.

    Python sees a signal only when compiled work in hand ends. Where that takes longer than `GRACE`, a thread
    says so after a SIGINT; after a SIGTERM, which a SIGKILL often follows, it ends the process (status 130):
    what is on the disk is whole, and the work in hand is done again by a resume.
    Outside the main thread, where Python delivers no signals, it does nothing.

    Attributes:
        asked: whether to stop.
        saving: to be held while files are written that the end of the process should wait for.
    """

    def __init__(self, resume: str = "") -> None:
        """``resume`` is the command by which the run goes on."""
        self.asked = False
        self.saving = threading.Lock()
        self._resume = resume
        self._before: dict[int, Any] = {}
        self._over = threading.Event()

    def __enter__(self) -> Stopper:
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._notice) for s in SIGNALS}
            self._heard, self._told = socket.socketpair()
            self._told.setblocking(False)
            self._wakeup = signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
            threading.Thread(target=self._listen, name="qflock-stop", daemon=True).start()
        return self

    def _notice(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def _listen(self) -> None:
        """In a thread: the bytes that C writes when a signal comes, whatever Python is waiting for."""
        while number := self._heard.recv(1):
            if number[0] in SIGNALS and not self._over.wait(GRACE):
                self._late(number[0])
        self._heard.close()

    def _late(self, number: int) -> None:
        with self.saving:
            if self._over.is_set():
                return
            if number == signal.SIGTERM:
                _say(f"stopped; the updates in hand will be done again. Go on with: {self._resume}")
                os._exit(EXIT)
            _say("stopping when the updates in hand are done; what is saved is whole if you do not wait")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._before:
            signal.set_wakeup_fd(self._wakeup)
            self._told.close()  # ends the thread
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Clock:
    """When a state is due, by wall-clock time alone: nothing that a run computes depends on it.

    Attributes:
        seconds: between states.
    """

    LONG = 4.0
    """Seconds of work between two looks from which on each is followed by a state, so that little is lost
    to a stop that cannot wait for it; unless saving takes more than a tenth of that."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._saved = self._looked = self._spent = time.monotonic()
        self._cost = 0.0

    def due(self) -> bool:
        """Whether a state should be saved now; to be asked after each chunk of updates."""
        now = time.monotonic()
        took, self._looked = now - self._looked, now
        return now - self._saved > self.seconds or (took > self.LONG and self._cost < took / 10)

    def spent(self) -> float:
        """Seconds since this was last asked."""
        before, self._spent = self._spent, time.monotonic()
        return self._spent - before

    def running(self) -> float:
        """Seconds since `spent` was last asked."""
        return time.monotonic() - self._spent

    def saved(self, began: float) -> None:
        """A state was saved; ``began`` is ``time.monotonic()`` before it."""
        self._saved = self._looked = time.monotonic()
        self._cost = self._saved - began


def _say(line: str) -> None:
    """To standard error, past whatever Python holds of it."""
    os.write(2, f"\nqflock: {printable(line)}\n".encode())
