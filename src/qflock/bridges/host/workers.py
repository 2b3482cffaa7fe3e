"""Copies of a host environment, spread over worker processes or threads, stepped together."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from qflock.bridges.host.worker import Group, HostCopy, Seen
from qflock.core.errors import UserError
from qflock.core.spec import Spec
from qflock.core.steps import TimeStep

Kind = Literal["processes", "threads", "serial"]
PATIENCE = 5.0  # seconds that a worker gets to end by itself


@runtime_checkable
class HostEnvironment(Protocol):
    """An environment that cannot be compiled; its ``reset`` shows zeros of the right shapes and types.

    Attributes:
        copy: makes one copy; it must survive pickling, for it travels to worker processes.
        workers: how copies are stepped.
        worker_count: how many workers; 0 for one on each core.
    """

    spec: Spec
    copy: Callable[[], HostCopy]
    workers: Kind
    worker_count: int

    def reset(self, key: Any) -> tuple[Any, TimeStep]:
        """An example, not an episode."""
        ...


class Workers:
    """N copies of a host environment. Use it in a ``with``, or call `close`: no process may stay behind."""

    def __init__(self, env: HostEnvironment, num_envs: int) -> None:
        """Start the workers.

        Args:
            env: the environment.
            num_envs: how many copies, in all.

        Raises:
            UserError: a copy cannot be made.
        """
        count = min(num_envs, env.worker_count or os.cpu_count() or 1)
        counts = [num_envs // count + (at < num_envs % count) for at in range(count)]
        self._name = env.spec.name
        self._cuts = np.cumsum(counts)[:-1]
        make = {"processes": _Process, "threads": _Thread, "serial": _Serial}[env.workers]
        self._workers: list[Any] = []
        try:
            self._workers += [make(env.copy, own) for own in counts]
            for worker in self._workers:
                self._answer(worker)
        except BaseException:
            self.close()
            raise

    def start(self, streams: np.ndarray) -> TimeStep:
        """Begin an episode in every copy; ``streams`` ``(N,)`` seed each copy's sequence of episodes."""
        return self._all("start", [part.tolist() for part in np.split(np.asarray(streams), self._cuts)])

    def tick(self, actions: np.ndarray) -> TimeStep:
        """A step of every copy, or the restart of one whose episode is over; actions ``(N, A)``."""
        return self._all("tick", np.split(actions, self._cuts))

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
        if isinstance(answer, Exception):
            text = " ".join(str(answer).split())[:300]
            raise UserError(f"{self._name} fails: {type(answer).__name__}: {text}") from answer
        return answer

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (EOFError, OSError, pickle.UnpicklingError) as problem:
            raise UserError(f"a worker process of {self._name} has ended by itself; see above") from problem


class _Serial:
    """Copies in this very process."""

    def __init__(self, make: Callable[[], HostCopy], count: int) -> None:
        self._group: Group | None = None
        self._answer: Any = None
        self._do(lambda: setattr(self, "_group", Group(make, count)))

    def ask(self, method: str, argument: Any) -> None:
        self._do(lambda: getattr(self._group, method)(argument))

    def _do(self, work: Callable[[], Any]) -> None:
        try:
            self._answer = work()
        except Exception as problem:
            self._answer = problem

    def answer(self) -> Any:
        return self._answer

    def hang_up(self) -> None:
        pass

    def end(self) -> None:
        if self._group is not None:
            self._group.close()


class _Thread(_Serial):
    """Copies in a thread of this process."""

    def __init__(self, make: Callable[[], HostCopy], count: int) -> None:
        self._pool = ThreadPoolExecutor(1)
        super().__init__(make, count)

    def _do(self, work: Callable[[], Any]) -> None:
        self._answer = self._pool.submit(work)

    def answer(self) -> Any:
        return self._answer.exception() or self._answer.result()

    def end(self) -> None:
        self._pool.shutdown()
        super().end()


class _Process:
    """Copies in a process of their own. It starts afresh, so it needs no guard in the user's script.

    A session of its own keeps Ctrl-C away from it: the process that it works for finishes its chunk first.
    """

    def __init__(self, make: Callable[[], HostCopy], count: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qflock.bridges.host.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.ask(make, count)

    def ask(self, method: Any, argument: Any) -> None:
        assert self._process.stdin is not None
        pickle.dump((method, argument), self._process.stdin, pickle.HIGHEST_PROTOCOL)
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        return pickle.load(self._process.stdout)

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def end(self) -> None:
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
