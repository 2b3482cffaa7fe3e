"""Notice that the user or the system wants the run to stop, and let the chunk in hand finish first."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType, TracebackType

from qflock.core.errors import UserError
from qflock.core.printing import printable
from qflock.core.shell import command
from qflock.machine import processes, signals

GRACE = signals.GRACE
"""Seconds that work in hand may take to end after a signal."""


class Interrupted(UserError):
    """The run was asked to stop. Exit status 130."""

    def __init__(self, path: Path, what: str = "the state is saved") -> None:
        super().__init__(f"stopped; {what}. Go on with: {command('resume', path)}", code=signals.EXIT)


class Stopper:
    """While it is entered, one of `signals.STOPPING` sets ``asked``; a second SIGINT interrupts at once.

    Python sees a signal only when compiled work in hand ends. Where that takes longer than `GRACE`, a thread
    says so after a SIGINT; after a SIGTERM, which a SIGKILL often follows, and after a SIGHUP, by which the
    terminal is gone, it ends the process (status 130): what is on the disk is whole, and the work in hand is
    done again by a resume. A SIGHUP that was ignored before (``nohup``) still is.
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
        self._over = threading.Event()
        self._listener = signals.Listener(signals.STOPPING, self._notice, self._late, self._over, GRACE)

    def __enter__(self) -> Stopper:
        processes.leave_by(self._resume, self.saving)
        self._listener.__enter__()
        return self

    def _notice(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def _late(self, number: int) -> None:
        with self.saving:
            if self._over.is_set():
                return
            if number != signal.SIGINT:
                _say(f"stopped; the updates in hand will be done again. Go on with: {self._resume}")
                os._exit(signals.EXIT)
            _say("stopping when the updates in hand are done; what is saved is whole if you do not wait")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.__exit__()


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
    """To standard error, past whatever Python holds of it; nowhere, where the terminal is gone."""
    with contextlib.suppress(OSError):
        os.write(2, f"\nqflock: {printable(line)}\n".encode())
