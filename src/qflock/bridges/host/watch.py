"""Looks after workers: calls that never return, memory that grows, processes that are gone. Imports no JAX.

Workers note which call into the environment they are in; a thread looks at the notes four times a second.
What it finds becomes one line: which worker, which copy, and what that copy was doing.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, NamedTuple, Protocol

from qflock.core.errors import Notice, UserError

POLL = 0.25
"""Seconds between two looks."""
CLOSING = 5.0
"""Seconds that workers get to close their copies."""
NOTHING, MAKING, RESET, STEP, CLOSE = range(5)
DOING = ("between two calls", "being made", "in reset()", "in step()", "in close()")
GIB = 2**30
NOTE_BYTES = 3 * 8


class WorkerLost(UserError):
    """A worker of a host environment is gone, or cannot go on; the run can, from its last state."""


class Limits(NamedTuple):
    """What a worker may take.

    Attributes:
        patience: seconds of one call into the environment; 0 for any time.
        memory_limit: GiB that a worker process and what it started may hold; 0 for any amount.
        prefix: of the options' names, where the environment has parameters of these names.
    """

    patience: float = 0.0
    memory_limit: float = 0.0
    prefix: str = ""


class Note:
    """Which call into an environment a worker is in.

    Args:
        memory: `NOTE_BYTES` bytes that can be written; another process may share them.
    """

    def __init__(self, memory: Any) -> None:
        self._numbers = memoryview(memory).cast("d")

    def call(self, copy: int, what: int) -> None:
        """A call begins.

        Args:
            copy: the copy's number.
            what: MAKING, RESET, STEP, CLOSE, or NOTHING after the last.
        """
        self._numbers[1], self._numbers[2] = copy, what
        self._numbers[0] += 1

    def rest(self) -> None:
        """No call is open."""
        self.call(0, NOTHING)

    def read(self) -> tuple[int, int, int]:
        """How many notes there were, and the last one's copy and call."""
        count, copy, what = self._numbers
        return int(count), int(copy), int(what)


class Post:
    """One worker, as the watch sees it.

    Attributes:
        lost: why it cannot go on; None while it can.
    """

    def __init__(self, name: str, note: Note, limits: Limits) -> None:
        """Begin.

        Args:
            name: of the environment and the worker, for messages.
            note: the worker's.
            limits: of its calls.
        """
        self.name, self.note, self.limits = name, note, limits
        self.lost: WorkerLost | None = None
        self._held, self._count = 0.0, -1

    def doing(self) -> str:
        """What the worker is doing, as a message says it."""
        _, copy, what = self.note.read()
        return f"copy {copy} was {DOING[what]}" if what else "it waited"

    def late(self, passed: float) -> str | None:
        """What to say of a call that takes too long; None while none does.

        Counted in looks and not by a clock: a program that was stopped for a while makes no call late.

        Args:
            passed: seconds since the last look.
        """
        count, _, what = self.note.read()
        self._held = self._held + min(passed, 4 * POLL) if what and count == self._count else 0.0
        self._count = count
        limit = CLOSING if what == CLOSE else self.limits.patience
        if not 0 < limit < self._held:
            return None
        option = "" if what == CLOSE else f" (--env.{self.limits.prefix}patience)"
        return f"{self.doing()} for more than {limit:g} s{option}"

    def look(self, passed: float) -> None:
        """See whether all is well, and act where it is not.

        Args:
            passed: seconds since the last look.
        """
        raise NotImplementedError


class Watch:
    """A thread that looks at posts while it is entered. It keeps none that nobody else holds."""

    def __init__(self) -> None:
        self._posts: weakref.WeakSet[Post] = weakref.WeakSet()
        self._adding, self._over = threading.Lock(), threading.Event()
        weakref.finalize(self, self._over.set)

    def add(self, post: Post) -> None:
        """Look at one more."""
        with self._adding:
            self._posts.add(post)

    def __enter__(self) -> Watch:
        what = (self._posts, self._adding, self._over)
        threading.Thread(target=_look_at, args=what, name="qflock-watch", daemon=True).start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._over.set()


def _look_at(posts: weakref.WeakSet[Post], adding: threading.Lock, over: threading.Event) -> None:
    before = time.monotonic()
    while not over.wait(POLL):
        now = time.monotonic()
        with adding:
            present = list(posts)
        while present:  # which leaves nothing that would keep them
            present.pop().look(now - before)
        before = now


class Here(Post):
    """Copies that are stepped in the main thread: a late call is interrupted, as far as Python can do that.

    An alarm signal raises in the call. A call that is in compiled code, or not in the main thread, or of an
    environment that has a handler for the signal, cannot be ended: a notice names it.
    """

    _alarmed: ClassVar[weakref.WeakSet[Here]] = weakref.WeakSet()  # of the process: a signal has one handler

    def __enter__(self) -> Here:
        main = threading.current_thread() is threading.main_thread()
        self._told = False
        self._interrupts = main and signal.getsignal(signal.SIGALRM) in (signal.SIG_DFL, _alarm)
        if self._interrupts:
            self._alarmed.add(self)
            signal.signal(signal.SIGALRM, _alarm)
        return self

    def look(self, passed: float) -> None:
        """See `Post`."""
        what = self.late(passed)
        if what is None:
            return
        self.lost = self.lost or WorkerLost(f"{self.name}: {what}")
        if self._interrupts:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        elif not self._told:
            self._told = True
            warnings.warn(f"warning: {self.lost}; it cannot be ended from here", Notice, stacklevel=2)

    def __exit__(self, *problem: object) -> None:
        if self._interrupts:
            self._alarmed.discard(self)
            if not self._alarmed and signal.getsignal(signal.SIGALRM) == _alarm:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def interrupt(self) -> None:
        """In the main thread: raise where the call that was late is still open."""
        if self.lost is not None and self.note.read()[0] == self._count and self.note.read()[2]:
            raise self.lost


def _alarm(number: int, frame: FrameType | None) -> None:
    for post in list(Here._alarmed):
        post.interrupt()


@contextlib.contextmanager
def watched(name: str, limits: Limits) -> Iterator[Note]:
    """Look after calls that the main thread makes itself.

    Args:
        name: of the environment.
        limits: of its calls.
    """
    note = Note(bytearray(NOTE_BYTES))
    with Here(name, note, limits) as post, Watch() as watch:
        watch.add(post)
        yield note


class Steps(Protocol):
    """What is called in one copy of an environment."""

    def reset(self, seed: int) -> Any: ...

    def step(self, actions: Any) -> Any: ...

    def close(self) -> None: ...


class Noted:
    """A copy that notes its calls, for whoever steps one without workers.

    Args:
        copy: of a host environment.
        note: where.
    """

    def __init__(self, copy: Steps, note: Note) -> None:
        self._copy, self._note = copy, note

    def __getattr__(self, name: str) -> Any:
        return getattr(self._copy, name)

    def reset(self, seed: int) -> Any:
        """As the copy's."""
        return self._called(RESET, lambda: self._copy.reset(seed))

    def step(self, actions: Any) -> Any:
        """As the copy's."""
        return self._called(STEP, lambda: self._copy.step(actions))

    def close(self) -> None:
        """As the copy's."""
        self._called(CLOSE, self._copy.close)

    def _called(self, what: int, work: Callable[[], Any]) -> Any:
        self._note.call(0, what)
        try:
            return work()
        finally:
            self._note.rest()


def resident(pid: int) -> int:
    """Bytes of memory that a process and all that it started hold; Linux, elsewhere 0.

    Resident memory, and not what a limit of the system (``RLIMIT_AS``, ``RLIMIT_DATA``) counts: libraries
    reserve far more than they use, and such limits are each process's own.

    Args:
        pid: of the process.
    """
    total = 0
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total = int(line.split()[1]) * 1024
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            total += sum(resident(int(child)) for child in children.read_text().split())
    return total
