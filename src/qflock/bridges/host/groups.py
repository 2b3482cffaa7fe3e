"""The copies of one worker of a host environment, stepped one after the other or together. Imports no JAX."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from qflock.bridges.host.watch import CLOSE, MAKING, NOTE_BYTES, RESET, STEP, Note
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
Made = TypeVar("Made")
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


class HostBatch(Protocol):
    """Copies of an environment that steps many in one call. What it shows has a first axis, N."""

    def reset(self, at: int, seed: int) -> None:
        """Begin an episode in one copy; `look` shows it.

        Args:
            at: the copy's place in the batch.
            seed: of the episode.
        """
        ...

    def look(self) -> Seen:
        """What is shown by the copies that were reset after the last step."""
        ...

    def step(self, actions: np.ndarray) -> Seen:
        """A step of every copy; of those whose episode is over it means nothing.

        Args:
            actions: ``(N, A)``, or ``(N, A, size)`` of a Box.
        """
        ...

    def close(self) -> None:
        """Let go of what the copies hold."""
        ...


class Orders(NamedTuple):
    """What a worker makes.

    Attributes:
        make: makes one copy.
        numbers: of the copies, one for each.
        owner: the environment's name, for messages.
        together: makes so many copies as a batch; None where they are stepped one after the other.
    """

    make: Callable[[], HostCopy]
    numbers: Sequence[int]
    owner: str
    together: Callable[[int], HostBatch] | None = None


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


class Batch(Group):
    """The copies of one worker, stepped in one call. Only those whose episode is over can `REST`."""

    def __init__(self, orders: Orders, note: Note | None = None) -> None:
        """See `Group`."""
        assert orders.together is not None
        super().__init__(orders._replace(numbers=()), note)
        self._numbers, together = orders.numbers, orders.together
        self._note.call(self._numbers[0], MAKING)
        self._all: HostBatch = made(lambda: together(len(self._numbers)), self._numbers[0])

    def start(self, streams: Sequence[int]) -> Seen:
        """See `Group`."""
        self._draws = [np.random.default_rng(stream) for stream in streams]
        for at in range(len(self._numbers)):
            self._reset(at)
        return self._shown(self._all.look())

    def tick(self, order: tuple[np.ndarray, Sequence[int]]) -> Seen:
        """See `Group`."""
        actions, then = order[0], np.asarray(order[1])
        going = (then == GO_ON) & ~self._over
        fresh = (then != REST) & ~going
        seen = self._last_seen
        if going.any():
            self._note.call(self._numbers[int(going.argmax())], STEP)
            seen = _where(going, self._all.step(actions), seen)
        for at in np.flatnonzero(fresh):
            if then[at] != GO_ON:
                self._draws[at] = np.random.default_rng(then[at])
            self._reset(int(at))
        return self._shown(_where(fresh, self._all.look(), seen) if fresh.any() else seen)

    def close(self) -> None:
        """See `Group`."""
        self._note.call(self._numbers[0], CLOSE)
        foreign.close(self._all, self._owner)

    def _reset(self, at: int) -> None:
        self._note.call(self._numbers[at], RESET)
        self._all.reset(at, int(self._draws[at].integers(2**31)))

    def _shown(self, seen: Seen) -> Seen:
        self._last_seen, self._over = seen, seen[TERMINATED] | seen[TRUNCATED]
        return (*seen, np.zeros_like(seen[ACTIVE]))


def _where(of: np.ndarray, these: Seen, others: Seen) -> Seen:
    """What some copies show, ``(N,)`` booleans, and of all others what they showed before."""
    return tuple(
        np.where(of.reshape(-1, *[1] * (one.ndim - 1)), one, other)
        for one, other in zip(these, others, strict=True)
    )


def group(orders: Orders, note: Note | None = None) -> Group:
    """The copies of a worker: a `Batch` where there is one, else a `Group`.

    Args:
        orders, note: as `Group` takes them.
    """
    return (Group if orders.together is None else Batch)(orders, note)


def truncated_alone(copy: HostCopy, shown: Seen) -> np.ndarray:
    """Whose own clock ran out with what a copy has just shown, ``(A,)``; nobody's where it never says.

    Args:
        copy: the copy.
        shown: by its ``reset`` or ``step``.
    """
    return getattr(copy, "truncated_alone", np.zeros_like(shown[ACTIVE]))


def made(make: Callable[[], Made], number: int) -> Made:
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
