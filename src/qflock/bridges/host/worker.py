"""One worker of a host environment: some copies, stepped one after the other. Imports no JAX.

Run as a program (``python -m qflock.bridges.host.worker REQUESTS ANSWERS NOTE``, descriptors) it serves the
process that started it: pickled requests, pickled answers, and a note of the call that it is in. It ends when
its requests do, so that it never outlives the process that it works for. Its standard input is empty and its
standard output is standard error: an environment may print what it likes, and cannot wait for somebody to
type.
"""

from __future__ import annotations

import mmap
import os
import pickle
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from io import BufferedReader, BufferedWriter
from typing import Any, NamedTuple, Protocol

import numpy as np

from qflock.bridges.host.watch import CLOSE, CLOSING, MAKING, NOTE_BYTES, RESET, STEP, Note
from qflock.core.errors import Notice
from qflock.core.printing import show_warning
from qflock.machine import streams
from qflock.settings import foreign

Seen = tuple[np.ndarray, ...]
"""A time step as NumPy arrays: observation, state, legal, active, reward, terminated, truncated.

Of a whole `Group`, `HostCopy.truncated_alone` comes after them.
"""

ACTIVE, TERMINATED, TRUNCATED = 3, 5, 6
COPY = "QFLOCK_COPY"
"""The environment variable that holds a copy's number while it is made: no two that are open share one."""
GO_ON, REST = -1, -2
"""What a copy does next, besides beginning another sequence of episodes: go on with its own, or nothing."""
_making = threading.Lock()  # the variable is the whole process's


class HostCopy(Protocol):
    """One copy of an environment that lives outside of JAX. It never resets by itself.

    A copy whose agents can be truncated alone has an attribute ``truncated_alone`` besides: after a reset or
    step, whose own clock ran out with it while the team goes on, ``(A,)``.
    """

    def reset(self, seed: int) -> Seen:
        """The first time step of an episode."""
        ...

    def step(self, actions: np.ndarray) -> Seen:
        """One joint action ``(A,)``; called with an episode that is not over."""
        ...

    def close(self) -> None:
        """Let go of what the copy holds."""
        ...


class Orders(NamedTuple):
    """What a worker makes.

    Attributes:
        make: makes one copy.
        numbers: of the copies, one for each.
        owner: the environment's name, for messages.
    """

    make: Callable[[], HostCopy]
    numbers: Sequence[int]
    owner: str


class Group:
    """The copies of one worker."""

    def __init__(self, orders: Orders, note: Note | None = None) -> None:
        """Make the copies.

        Args:
            orders: what to make.
            note: is told of every call.
        """
        note = Note(bytearray(NOTE_BYTES)) if note is None else note
        self._owner, self._numbers, self._note = orders.owner, orders.numbers, note
        self._copies: list[HostCopy] = []
        try:
            for number in orders.numbers:
                note.call(number, MAKING)
                self._copies.append(made(orders.make, number))
        except BaseException:
            self.close()
            raise

    def start(self, streams: Sequence[int]) -> Seen:
        """Every copy at the start of an episode; ``streams`` seed each copy's sequence of episodes."""
        self._draws = [np.random.default_rng(stream) for stream in streams]
        return self._keep([self._fresh(at) for at in range(len(self._copies))])

    def tick(self, order: tuple[np.ndarray, Sequence[int]]) -> Seen:
        """A step of every copy, or the restart of one whose episode is over.

        Args:
            order: actions ``(copies, A)``; and what each copy does: GO_ON, REST, or the seed of a new
                sequence of episodes, which it begins.
        """
        actions, then = order
        return self._keep([self._next(at, actions[at], then[at]) for at in range(len(self._copies))])

    def _next(self, at: int, actions: np.ndarray, then: int) -> Seen:
        if then == REST:
            return self._last[at]
        if then != GO_ON:
            self._draws[at] = np.random.default_rng(then)
        if then != GO_ON or self._over[at]:
            return self._fresh(at)
        self._note.call(self._numbers[at], STEP)
        return self._copies[at].step(actions)

    def close(self) -> None:
        """Close every copy, those after one that cannot be closed too."""
        for number, copy in zip(self._numbers, self._copies, strict=False):  # fewer, where one was not made
            self._note.call(number, CLOSE)
            foreign.close(copy, self._owner)

    def _fresh(self, at: int) -> Seen:
        self._note.call(self._numbers[at], RESET)
        return self._copies[at].reset(int(self._draws[at].integers(2**31)))

    def _keep(self, each: list[Seen]) -> Seen:
        self._last = each
        seen = tuple(np.stack(parts) for parts in zip(*each, strict=True))
        self._over = seen[TERMINATED] | seen[TRUNCATED]
        pairs = zip(self._copies, each, strict=True)
        return (*seen, np.stack([truncated_alone(copy, shown) for copy, shown in pairs]))


def truncated_alone(copy: HostCopy, shown: Seen) -> np.ndarray:
    """Whose own clock ran out with what a copy has just shown, ``(A,)``; nobody's where it never says.

    Args:
        copy: the copy.
        shown: by its ``reset`` or ``step``.
    """
    return getattr(copy, "truncated_alone", np.zeros_like(shown[ACTIVE]))


def made(make: Callable[[], HostCopy], number: int) -> HostCopy:
    """One copy, which finds its number in the environment variable `COPY` while it is made.

    Args:
        make: makes it.
        number: its own.
    """
    with _making:
        before = os.environ.get(COPY)
        os.environ[COPY] = str(number)
        try:
            return make()
        finally:
            if before is None:
                os.environ.pop(COPY, None)
            else:
                os.environ[COPY] = before


def serve(requests: BufferedReader, answers: BufferedWriter, note: Note) -> None:
    """Answer requests until there are no more: first ``(Orders, None)``, then ``(method, argument)``.

    Args:
        requests: a stream of pickles.
        answers: a stream to write pickles to.
        note: is told of every call.
    """
    group: Group | None = None

    def answered() -> Any:
        nonlocal group
        what, argument = pickle.load(requests)
        if group is not None:
            return getattr(group, what)(argument)
        group = Group(what, note)
        return None

    while requests.peek(1):
        answer = foreign.attempt(answered)
        note.rest()
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
    if group is not None:
        group.close()


def _end_with(requests: int) -> None:
    """In a thread: when nobody asks any more, and this process has not ended soon after, end it.

    The main thread may be in a call that never returns. What the environment started goes too.

    Args:
        requests: a descriptor of theirs.
    """
    hung_up = select.poll()
    hung_up.register(requests, 0)  # an error or the end alone, not what can be read
    hung_up.poll()
    time.sleep(CLOSING + 1.0)
    os.killpg(os.getpgrp(), signal.SIGKILL) if os.getpgrp() == os.getpid() else os._exit(1)


def main() -> None:
    """Serve on the three descriptors that the command line names; they stay in this process.

    Requests, answers, and memory for the note. A fourth word: another worker says what closing says.
    """
    *words, memory = sys.argv[1:4]
    requests, answers = map(int, words)
    for descriptor in (requests, answers):
        os.set_inheritable(descriptor, False)
    note = Note(mmap.mmap(int(memory), NOTE_BYTES))
    os.close(int(memory))
    threading.Thread(target=_end_with, args=(requests,), daemon=True).start()
    streams.own()
    sys.stdout = sys.stderr  # one buffer, so that lines come in order
    warnings.showwarning = show_warning
    if sys.argv[4:]:
        warnings.simplefilter("ignore", Notice)
    serve(open(requests, "rb"), open(answers, "wb"), note)  # noqa: SIM115 (open until the end)


if __name__ == "__main__":
    main()
