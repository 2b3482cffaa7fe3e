"""Functions of the user's that see a run between its chunks of compiled updates, and may end it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from qflock.core.errors import UserError, in_short, shown
from qflock.core.shell import command
from qflock.machine import processes
from qflock.runs.train import returns
from qflock.runs.train.program import Chunk, Part, RunState


class OnChunk(Protocol):
    """What is called after each chunk of updates (a log interval), in plain Python."""

    def __call__(self, step: int, metrics: Mapping[str, np.ndarray], state: Any, /) -> bool | None:
        """See how far a run is.

        Args:
            step: environment steps of the slowest seed.
            metrics: by the names of training_log.csv, ``(seeds,)`` each: NaN where a seed has no number.
                After an evaluation its columns too, ``evaluation/<column>``.
            state: of training, leaves ``(seeds, ...)``; ``state.learner`` is the algorithm's. It is the run's
                own and is gone after the call: copy what is to be kept.

        Returns:
            False ends the run here, with its final evaluation; anything else goes on.
        """
        ...


class Callback(Protocol):
    """An object with such a function, which may remember something."""

    def on_chunk(self, step: int, metrics: Mapping[str, np.ndarray], state: Any, /) -> bool | None:
        """See `OnChunk`."""
        ...


class Failed(UserError):
    """A callback raised an error, which is this one's cause."""

    def __init__(self, name: str, step: int, problem: Exception, where: Path) -> None:
        reason = in_short(f"{type(problem).__name__}: {problem}", 200)
        again = command("resume", where)
        super().__init__(
            f"callback {name} failed at step {step:,} ({reason}); the state is saved. Go on with: {again}"
        )
        self.__cause__ = problem

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: where in the callback it was, besides."""
        return [
            *"".join(traceback.format_exception(self.__cause__)).splitlines(),
            *super()._render_traceback_(),
        ]


class Callbacks:
    """The callbacks of one run. Nothing that the run computes depends on them, but for when it ends.

    Attributes:
        stopped_by: name of the one that ended the run; empty while it goes on.
    """

    def __init__(self, given: Sequence[OnChunk | Callback] = ()) -> None:
        """Check what the user gave.

        Raises:
            UserError: no list, or something in it that cannot be called.
        """
        if not isinstance(given, Sequence):
            raise UserError(f"callbacks is {shown(given)}; give a list, such as callbacks=[my_function]")
        self._each: list[tuple[str, Any]] = []
        for at, one in enumerate(given):
            function: Any = getattr(one, "on_chunk", one)
            if not callable(function) or isinstance(one, type):
                takes = "a function of step, metrics and state, or an object with such an on_chunk"
                raise UserError(f"callbacks[{at}] is {shown(one)}; give {takes}")
            self._each.append((_name(one), function))
        self.stopped_by = ""
        self._metrics: dict[str, np.ndarray] = {}

    def chunk(self, chunk: Chunk, part: Part, bad: Any) -> None:
        """Note what a chunk told.

        Args:
            chunk: the numbers.
            part: which seeds still go on.
            bad: seeds whose chunk was taken back.
        """
        if self._each:
            counted = part.going & ~np.asarray(bad)
            self._metrics = {n: np.where(counted, x, np.nan) for n, x in _by_seed(chunk).items()}

    def evaluation(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Note an evaluation's row of each seed."""
        if self._each:
            self._metrics |= {
                f"evaluation/{n}": np.array([r[n] for r in rows]) for n in rows[0] if n != "seed"
            }

    def call(self, step: int, state: RunState, where: Path) -> Failed | None:
        """Call all of them, in their order; where there are several processes, in the first.

        Args:
            step: environment steps of the slowest seed.
            state: of the run.
            where: its folder, for messages.

        Returns:
            The error of the first that failed.
        """
        for name, function in self._each if processes.first() else ():
            try:
                result = function(step, dict(self._metrics), state)
            except Exception as problem:
                return Failed(name, step, problem, where)
            if isinstance(result, bool | np.bool_) and not result:
                self.stopped_by = self.stopped_by or name
        return None

    def stop(self) -> bool:
        """Whether one has ended the run: to be asked by all processes."""
        return bool(self._each) and processes.agreed(False, bool(self.stopped_by))[1]


def _by_seed(chunk: Chunk) -> dict[str, np.ndarray]:
    """What a chunk tells, by the columns of a row of means, ``(seeds,)`` each."""
    rows = [returns.mean_episode(chunk.tally, seed) for seed in range(len(chunk.tally.episodes))]
    means = {name: np.array([row[name] for row in rows]) for name in rows[0] if name != "ended"}
    return means | {name: np.asarray(x) for name, x in chunk.metrics.items()}


def _name(callback: Any) -> str:
    return getattr(callback, "__name__", type(callback).__name__)
