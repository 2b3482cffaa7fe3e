"""Where the copies of a worker are stepped: right here, in a thread, or in a process of its own."""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import signal
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from qflock.bridges.host import watch
from qflock.bridges.host.groups import Group, Orders, group
from qflock.bridges.host.watch import CLOSING, GIB, Here, Limits, Note, Post, WorkerLost
from qflock.core.errors import Notice
from qflock.machine import children, streams
from qflock.settings import foreign


class Serial(Here):
    """Copies in this very thread."""

    def __init__(self, orders: Orders, limits: Limits) -> None:
        super().__init__(orders.owner, Note(bytearray(watch.NOTE_BYTES)), limits)
        self._orders = orders
        self._group: Group | None = None
        self._answer: Any = None
        self.__enter__()

    def begin(self) -> None:
        """Make the copies; the answer says how that went."""
        self._do(lambda: setattr(self, "_group", group(self._orders, self.note)))

    def ask(self, method: str, argument: Any) -> None:
        """Begin a method of the group.

        Args:
            method: its name.
            argument: its only one.
        """
        self._do(lambda: getattr(self._group, method)(argument))

    def _do(self, work: Callable[[], Any]) -> None:
        answer = foreign.attempt(work)
        self.note.rest()
        self._answer = self.lost or answer  # an environment may pass over what is raised in it

    def answer(self) -> Any:
        """What the last method returned, or what it failed with."""
        return self._answer

    def hang_up(self) -> None:
        """Ask for nothing more."""

    def end(self, until: float) -> None:
        """Close the copies."""
        if self._group is not None:
            self._group.close()
        self.note.rest()
        self.__exit__()


class Thread(Post):
    """Copies in a thread of this process, which makes, steps and closes them."""

    def __init__(self, orders: Orders, limits: Limits) -> None:
        note = Note(bytearray(watch.NOTE_BYTES))
        super().__init__(f"{orders.owner}: {_titled('thread', orders)}", note, limits)
        self._orders = orders
        self._group: Group | None = None
        self._asked: SimpleQueue[Any] = SimpleQueue()
        self._answered: SimpleQueue[Any] = SimpleQueue()
        # No pool: Python's end waits for a pool's threads, also for one that never comes back.
        self._thread = threading.Thread(target=self._serve, name="qflock-worker", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """See `Serial.begin`."""
        self._asked.put(lambda: setattr(self, "_group", group(self._orders, self.note)))

    def _serve(self) -> None:
        while (work := self._asked.get()) is not None:
            answer = foreign.attempt(work)
            self.note.rest()
            self._answered.put(answer)
        if self._group is not None:
            self._group.close()
        self.note.rest()

    def ask(self, method: str, argument: Any) -> None:
        """See `Serial.ask`."""
        self._asked.put(lambda: getattr(self._group, method)(argument))

    def answer(self) -> Any:
        """As `Serial.answer`; `WorkerLost` where the method takes too long."""
        return self._answered.get()

    def look(self, passed: float) -> None:
        """See `Post`."""
        what = self.late(passed)
        if what is not None and self.lost is None:
            self.lost = WorkerLost(f"{self.name}: {what}; a thread cannot be ended, a worker process can")
            self._answered.put(self.lost)

    def hang_up(self) -> None:
        """Ask for nothing more: the copies are closed."""
        self._asked.put(None)

    def end(self, until: float) -> None:
        """Wait for the copies to be closed.

        Args:
            until: as ``time.monotonic()`` counts.
        """
        if self.lost is None:
            self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            _left(self, "it stays until the program ends")


class Process(Post):
    """Copies in a process of their own. It starts afresh, so it needs no guard in the user's script.

    A session of its own keeps Ctrl-C away from it: the process that it works for finishes its chunk first.
    What the environment starts belongs to the session, and goes with it where it has to be ended.
    Its standard streams are the environment's: nothing to read, and standard error to write to.
    """

    def __init__(self, orders: Orders, limits: Limits) -> None:
        with tempfile.TemporaryFile() as file:  # has no name, and goes with the last process that holds it
            file.truncate(watch.NOTE_BYTES)
            note = Note(mmap.mmap(file.fileno(), watch.NOTE_BYTES))
            super().__init__(f"{orders.owner}: {_titled('worker process', orders)}", note, limits)
            self._closing, self._orders = False, orders
            theirs_in, ours_out = os.pipe()
            ours_in, theirs_out = os.pipe()
            self._requests, self._answers = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
            said = orders.numbers[0] > 0 or orders.owner in foreign.badly_closed  # one notice is enough
            silent = ["silent"] if said else []
            told = streams.ERR if streams.is_open(streams.ERR) else subprocess.DEVNULL
            theirs = (theirs_in, theirs_out, file.fileno())
            try:
                self._process = children.start(
                    "qflock.bridges.host.worker",
                    *map(str, theirs),
                    *silent,
                    stdin=subprocess.DEVNULL,
                    stdout=told,
                    stderr=told,
                    pass_fds=theirs,
                    start_new_session=True,
                )
            finally:
                os.close(theirs_in)
                os.close(theirs_out)

    def begin(self) -> None:
        """See `Serial.begin`.

        Raises:
            WorkerLost: the process is gone.
        """
        self.ask(self._orders, None)

    def ask(self, method: Any, argument: Any) -> None:
        """See `Serial.ask`; the first is no method but the `Orders`.

        Raises:
            WorkerLost: the process is gone.
        """
        try:
            pickle.dump((method, argument), self._requests, pickle.HIGHEST_PROTOCOL)
            self._requests.flush()
        except OSError as problem:
            raise self._gone() from problem

    def answer(self) -> Any:
        """As `Serial.answer`.

        Raises:
            WorkerLost: the process is gone.
        """
        try:
            return pickle.load(self._answers)
        except (EOFError, OSError, pickle.UnpicklingError) as problem:
            raise self._gone() from problem

    def look(self, passed: float) -> None:
        """See `Post`."""
        if self._closing or self.lost is not None:
            return
        if self._process.poll() is not None:
            self._gone()
            return
        held = watch.resident(self._process.pid) / GIB if self.limits.memory_limit else 0.0
        what = self.late(passed)
        if 0 < self.limits.memory_limit < held:
            limit = f"--env.{self.limits.prefix}memory_limit is {self.limits.memory_limit:g}"
            what = f"it held {held:.1f} GiB of memory while {self.doing()} ({limit})"
        if what is not None:
            self.lost = WorkerLost(f"{self.name} was ended: {what}")
            self._kill()

    def _gone(self) -> WorkerLost:
        """Why the process answers no more; what it started goes too."""
        if self.lost is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSING)
            self.lost = WorkerLost(f"{self.name} {_ending(self._process.returncode)} while {self.doing()}")
        self._kill()
        return self.lost

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def hang_up(self) -> None:
        """Ask for nothing more: the process closes its copies, and ends."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._requests.close()

    def end(self, until: float) -> None:
        """Wait for the process to end.

        Args:
            until: as ``time.monotonic()`` counts; then it is killed.
        """
        try:
            self._process.wait(max(0.0, until - time.monotonic()) if self.lost is None else 0.0)
        except subprocess.TimeoutExpired:
            if self.lost is None:
                _left(self, "it was ended")
            self._kill()
            self._process.wait()
        self._answers.close()


def _titled(kind: str, orders: Orders) -> str:
    """A worker, as messages call it."""
    first, last = orders.numbers[0], orders.numbers[-1]
    return f"{kind} of {f'copy {first}' if first == last else f'copies {first} to {last}'}"


def _ending(status: int | None) -> str:
    """How a process ended, by its exit status."""
    if status is None:
        return "answers no more"
    if status >= 0:
        return f"has ended by itself (exit status {status})"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    where = ", as the system does where memory runs out" if name == "SIGKILL" else ""
    return f"has ended by itself ({name}{where})"


def _left(post: Post, so: str) -> None:
    """Say that a worker did not close its copies in time, and what becomes of it."""
    if post.lost is None:
        what = f"{post.name}: {post.doing()} {CLOSING:g} s after it was asked to close; {so}"
        warnings.warn(f"warning: {what}", Notice, stacklevel=2)
