"""Copies of a host environment, spread over worker processes or threads, stepped together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from qflock.bridges.host import posts
from qflock.bridges.host.groups import GO_ON, HostCopy, Orders, Seen, truncated_alone
from qflock.bridges.host.watch import CLOSING, Limits, Watch
from qflock.core.errors import UserError
from qflock.core.spec import Spec
from qflock.core.steps import TimeStep
from qflock.machine import provenance
from qflock.settings.foreign import Failure

Kind = Literal["processes", "threads", "serial"]


@runtime_checkable
class HostEnvironment(Protocol):
    """An environment that cannot be compiled; its ``reset`` shows zeros of the right shapes and types.

    One that has an attribute ``limits`` besides, of `Limits`, says what its workers may take. One that has
    ``together`` makes a `HostBatch` with it, of as many copies as it is told.

    Attributes:
        copy: makes one copy; it must survive pickling, for it travels to worker processes.
        workers: how copies are stepped.
        worker_count: how many workers; 0 for one on each core.
        evaluation_copies: in how many copies evaluations play; 0 where the user did not say.
    """

    spec: Spec
    copy: Callable[[], HostCopy]
    workers: Kind
    worker_count: int
    evaluation_copies: int

    def reset(self, key: Any) -> tuple[Any, TimeStep]:
        """An example, not an episode."""
        ...


def timestep(copy: HostCopy, shown: Seen) -> TimeStep:
    """What one copy has just shown, for whoever steps it without `Workers`.

    Args:
        copy: the copy.
        shown: by its ``reset`` or ``step``.
    """
    return TimeStep(*shown, measures={}, truncated_alone=truncated_alone(copy, shown))  # type: ignore[arg-type]


def limits_of(env: HostEnvironment) -> Limits:
    """What the workers of an environment may take; without limits where it does not say."""
    return getattr(env, "limits", Limits())


class Workers:
    """N copies of a host environment. Use it in a ``with``, or call `close`: no process may stay behind.

    Attributes:
        num_envs: how many copies.
    """

    def __init__(self, env: HostEnvironment, num_envs: int, first: int = 0) -> None:
        """Start the workers.

        Args:
            env: the environment.
            num_envs: how many copies, in all.
            first: the number of the first copy; the others count up from it.

        Raises:
            UserError: a copy cannot be made.
            WorkerLost: a worker is gone, or takes more than its limits.
        """
        self.num_envs = num_envs
        count = min(num_envs, env.worker_count or provenance.cores())
        shares = np.array_split(np.arange(first, first + num_envs), count)
        self._name = env.spec.name
        self._cuts = np.cumsum([len(share) for share in shares])[:-1]
        make = {"processes": posts.Process, "threads": posts.Thread, "serial": posts.Serial}[env.workers]
        self._workers: list[Any] = []
        self._watch = Watch()
        self._watch.__enter__()
        try:
            for own in shares:
                orders = Orders(env.copy, own.tolist(), self._name, getattr(env, "together", None))
                worker = make(orders, limits_of(env))
                self._workers.append(worker)
                self._watch.add(worker)
                worker.begin()
            for worker in self._workers:
                self._answer(worker)
        except BaseException:
            self.close()
            raise

    def start(self, streams: np.ndarray) -> TimeStep:
        """Begin an episode in every copy; ``streams`` ``(N,)`` seed each copy's sequence of episodes."""
        return self._all("start", [part.tolist() for part in np.split(np.asarray(streams), self._cuts)])

    def tick(self, actions: np.ndarray, then: np.ndarray | None = None) -> TimeStep:
        """A step of every copy, or the restart of one whose episode is over.

        Args:
            actions: ``(N, A)``.
            then: ``(N,)`` integers, what each copy does: GO_ON, which all do without it; REST, which shows
                what it showed before; or the seed of a new sequence of episodes, which it begins.
        """
        then = np.full(self.num_envs, GO_ON) if then is None else then
        orders = zip(np.split(actions, self._cuts), np.split(then, self._cuts), strict=True)
        return self._all("tick", [(own, what.tolist()) for own, what in orders])

    def close(self) -> None:
        """End all workers, within `CLOSING` seconds; nothing stays behind."""
        until = time.monotonic() + CLOSING
        try:
            for worker in self._workers:
                worker.hang_up()
            for worker in self._workers:
                worker.end(until)
        finally:
            self._watch.__exit__()
            self._workers.clear()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _all(self, method: str, arguments: Sequence[Any]) -> TimeStep:
        for worker, argument in zip(self._workers, arguments, strict=True):
            worker.ask(method, argument)
        each: list[Seen] = [self._answer(worker) for worker in self._workers]
        *seen, alone = (np.concatenate(parts) for parts in zip(*each, strict=True))
        return TimeStep(*seen, measures={}, truncated_alone=alone)  # type: ignore[arg-type]

    def _answer(self, worker: Any) -> Any:
        answer = worker.answer()
        if isinstance(answer, UserError):
            raise answer
        if isinstance(answer, Failure):
            raise UserError(f"{self._name} fails: {answer.what}") from RuntimeError(answer.trace)
        return answer
