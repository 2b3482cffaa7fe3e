"""Copies of a host environment, spread over worker processes or threads, stepped together."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from qflock.bridges.host.worker import GO_ON, Group, HostCopy, Orders, Seen, truncated_alone
from qflock.core.errors import UserError
from qflock.core.spec import Spec
from qflock.core.steps import TimeStep
from qflock.machine import children
from qflock.settings import foreign
from qflock.settings.foreign import Failure

Kind = Literal["processes", "threads", "serial"]
PATIENCE = 5.0  # seconds that a worker gets to end by itself
STANDARD_ERROR = 2


@runtime_checkable
class HostEnvironment(Protocol):
    """An environment that cannot be compiled; its ``reset`` shows zeros of the right shapes and types.

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
        """
        self.num_envs = num_envs
        count = min(num_envs, env.worker_count or os.cpu_count() or 1)
        shares = np.array_split(np.arange(first, first + num_envs), count)
        self._name = env.spec.name
        self._cuts = np.cumsum([len(share) for share in shares])[:-1]
        make = {"processes": _Process, "threads": _Thread, "serial": _Serial}[env.workers]
        self._workers: list[Any] = []
        try:
            for own in shares:
                self._workers.append(make(Orders(env.copy, own.tolist(), self._name)))
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
        """End all workers; nothing stays behind."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.hang_up()
        for worker in workers:
            worker.end()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _all(self, method: str, arguments: Sequence[Any]) -> TimeStep:
        for worker, argument in zip(self._workers, arguments, strict=True):
            self._guarded(lambda worker=worker, argument=argument: worker.ask(method, argument))
        each: list[Seen] = [self._answer(worker) for worker in self._workers]
        *seen, alone = (np.concatenate(parts) for parts in zip(*each, strict=True))
        return TimeStep(*seen, measures={}, truncated_alone=alone)  # type: ignore[arg-type]

    def _answer(self, worker: Any) -> Any:
        answer = self._guarded(worker.answer)
        if isinstance(answer, UserError):
            raise answer
        if isinstance(answer, Failure):
            raise UserError(f"{self._name} fails: {answer.what}") from RuntimeError(answer.trace)
        return answer

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (EOFError, OSError, pickle.UnpicklingError) as problem:
            raise UserError(f"a worker process of {self._name} has ended by itself; see above") from problem


class _Serial:
    """Copies in this very process."""

    def __init__(self, orders: Orders) -> None:
        self._group: Group | None = None
        self._answer: Any = None
        self._do(lambda: setattr(self, "_group", Group(orders)))

    def ask(self, method: str, argument: Any) -> None:
        self._do(lambda: getattr(self._group, method)(argument))

    def _do(self, work: Callable[[], Any]) -> None:
        self._answer = foreign.attempt(work)

    def answer(self) -> Any:
        return self._answer

    def hang_up(self) -> None:
        pass

    def end(self) -> None:
        if self._group is not None:
            self._group.close()


class _Thread(_Serial):
    """Copies in a thread of this process."""

    def __init__(self, orders: Orders) -> None:
        self._pool = ThreadPoolExecutor(1)
        super().__init__(orders)

    def _do(self, work: Callable[[], Any]) -> None:
        self._answer = self._pool.submit(foreign.attempt, work)

    def answer(self) -> Any:
        return self._answer.result()

    def end(self) -> None:
        self._pool.shutdown()
        super().end()


class _Process:
    """Copies in a process of their own. It starts afresh, so it needs no guard in the user's script.

    A session of its own keeps Ctrl-C away from it: the process that it works for finishes its chunk first.
    Its standard streams are the environment's: nothing to read, and standard error to write to.
    """

    def __init__(self, orders: Orders) -> None:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self._requests, self._answers = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        said = orders.numbers[0] > 0 or orders.owner in foreign.badly_closed  # one notice is enough
        silent = ["silent"] if said else []
        try:
            self._process = children.start(
                "qflock.bridges.host.worker",
                *map(str, (theirs_in, theirs_out)),
                *silent,
                stdin=subprocess.DEVNULL,
                stdout=STANDARD_ERROR,
                pass_fds=(theirs_in, theirs_out),
                start_new_session=True,
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self.ask(orders, None)

    def ask(self, method: Any, argument: Any) -> None:
        pickle.dump((method, argument), self._requests, pickle.HIGHEST_PROTOCOL)
        self._requests.flush()

    def answer(self) -> Any:
        return pickle.load(self._answers)

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._requests.close()

    def end(self) -> None:
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
