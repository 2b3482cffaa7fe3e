"""One worker of a host environment: some copies, stepped one after the other. Imports no JAX.

Run as a program (``python -m qflock.bridges.host.worker``) it serves the process that started it through its
standard input and output: pickled requests, pickled answers. It ends when its input does, so that it never
outlives the process that it works for.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

Seen = tuple[np.ndarray, ...]
"""A time step as NumPy arrays: observation, state, legal, active, reward, terminated, truncated.

Of a whole `Group`, `HostCopy.truncated_alone` comes after them.
"""

ACTIVE, TERMINATED, TRUNCATED = 3, 5, 6


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


class Group:
    """The copies of one worker."""

    def __init__(self, make: Callable[[], HostCopy], count: int) -> None:
        self._copies = [make() for _ in range(count)]

    def start(self, streams: Sequence[int]) -> Seen:
        """Every copy at the start of an episode; ``streams`` seed each copy's sequence of episodes."""
        self._draws = [np.random.default_rng(stream) for stream in streams]
        return self._keep([self._fresh(at) for at in range(len(self._copies))])

    def tick(self, actions: np.ndarray) -> Seen:
        """A step of every copy, or the restart of one whose episode is over; actions ``(copies, A)``."""
        return self._keep(
            [
                self._fresh(at) if self._over[at] else copy.step(actions[at])
                for at, copy in enumerate(self._copies)
            ]
        )

    def close(self) -> None:
        """Close every copy."""
        for copy in self._copies:
            copy.close()

    def _fresh(self, at: int) -> Seen:
        return self._copies[at].reset(int(self._draws[at].integers(2**31)))

    def _keep(self, each: list[Seen]) -> Seen:
        seen = tuple(np.stack(parts) for parts in zip(*each, strict=True))
        self._over = seen[TERMINATED] | seen[TRUNCATED]
        nobody = np.zeros_like(seen[ACTIVE][0])
        alone = np.stack([getattr(copy, "truncated_alone", nobody) for copy in self._copies])
        return (*seen, alone)


def serve(requests: Any, answers: Any) -> None:
    """Answer requests until there are no more: first ``(make, count)``, then ``(method, argument)``.

    Args:
        requests: a binary stream of pickles.
        answers: a binary stream to write pickles to.
    """
    group: Group | None = None
    while True:
        try:
            what, argument = pickle.load(requests)
        except EOFError:
            break
        try:
            if group is None:
                group, answer = Group(what, argument), None
            else:
                answer = getattr(group, what)(argument)
        except Exception as problem:
            answer = problem if _travels(problem) else RuntimeError(f"{type(problem).__name__}: {problem}")
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
    if group is not None:
        group.close()


def _travels(problem: Exception) -> bool:
    """Whether an error survives the way to another process."""
    try:
        return type(pickle.loads(pickle.dumps(problem))) is type(problem)
    except Exception:
        return False


def main() -> None:
    """Serve on standard input and output; what an environment prints goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
