"""The books of a run: how far each seed is, and the rows of both logs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from qflock.parts.rollout import Episodes, Tally
from qflock.runs import evaluation, loggers
from qflock.runs.folder import RunFolder
from qflock.runs.log import CsvLog
from qflock.runs.program import Chunk

FIRST = ("seed", "env_step", "episode", "episode_return", "episode_return_undiscounted", "episode_length")
USUAL = ("epsilon", "loss", "td_error", "q_value")  # in this order, then what the algorithm adds
PUBLISHED = ("episode", "episode_return", "episode_length", *USUAL)  # first where episodes have rows


@dataclass
class Position:
    """What is saved beside a training state, so that a resumed run goes on as if it had never stopped.

    Attributes:
        update: updates done.
        env_steps, episodes: of each seed; seeds differ by the restarts of their episodes.
        evaluated, kept: how many evaluation intervals have passed, and the last weights' episode.
        best: each seed's best evaluation; None before the first.
        seconds: wall-clock time spent, in all processes.
        logs: bytes of the training log and of the evaluations.
    """

    update: int
    env_steps: list[int]
    episodes: list[int]
    best: list[float | None]
    evaluated: int = 0
    kept: int = 0
    seconds: float = 0.0
    logs: list[int] = field(default_factory=lambda: [0, 0])


class Ledger:
    """Counts what chunks tell and writes the logs."""

    def __init__(
        self, where: RunFolder, seeds: Sequence[int], told: Chunk, saved: dict[str, Any] | None
    ) -> None:
        """Open the logs, cut back to where a saved position left them, and the loggers beside them.

        Args:
            told: shapes of what a chunk tells; its metrics and measures become columns.
            saved: a `Position` as JSON gave it back; None for a new run.
        """
        self.seeds = list(seeds)
        none = len(self.seeds)
        self.position = Position(**saved) if saved else Position(0, [0] * none, [0] * none, [None] * none)
        metrics = [name for name in USUAL if name in told.metrics]
        metrics += sorted(set(told.metrics) - set(metrics))
        measures = sorted(told.tally.measures)
        columns = [*FIRST, *metrics, *measures]
        if told.episodes is not None:
            columns.sort(key=lambda name: PUBLISHED.index(name) if name in PUBLISHED else len(PUBLISHED))
        self._training = CsvLog(where.training_log, columns)
        self._evaluations = CsvLog(where.evaluation, ("seed", "env_step", *evaluation.COLUMNS, *measures))
        for log, offset in zip((self._training, self._evaluations), self.position.logs, strict=True):
            log.truncate(offset)
        done = dict(zip(self.seeds, self.position.env_steps, strict=True))
        self._loggers = loggers.opened(where, where.settings().run.loggers, done)

    @property
    def done(self) -> int:
        """Environment steps of the slowest seed."""
        return min(self.position.env_steps)

    def chunk(self, told: Chunk, updates: int) -> float:
        """Count a chunk and write its row for each seed, or those of its episodes.

        Returns:
            The mean discounted return over all seeds; NaN where no episode ended.
        """
        p, tally = self.position, told.tally
        p.update += updates
        for i, seed in enumerate(self.seeds):
            p.env_steps[i] += int(tally.env_steps[i])
            metrics = {name: float(x[i]) for name, x in told.metrics.items()}
            position = {"seed": seed, "env_step": p.env_steps[i]}
            rows = [_mean_episode(tally, i)] if told.episodes is None else _each_episode(told.episodes, i)
            for row in rows:
                p.episodes[i] += row.pop("ended")
                row = {**position, "episode": p.episodes[i], **row, **metrics}
                self._training.append({name: None if math.isnan(x) else x for name, x in row.items()})
                self._loggers.row("training_log", row)
        ended = float(np.sum(tally.episodes)) or math.nan
        return float(np.sum(tally.discounted)) / ended

    def evaluation(self, rows: Sequence[dict[str, float]]) -> None:
        """Write an evaluation's row for each seed."""
        for row in rows:
            row = {"env_step": self.done, **row}
            self._evaluations.append(row)
            self._loggers.row("evaluation", row)

    def offsets(self) -> None:
        """Force the logs to the disk and note how long they are."""
        self.position.logs = [self._training.offset(), self._evaluations.offset()]
        self._loggers.flush()

    def close(self) -> None:
        """Close the logs."""
        self._training.close()
        self._evaluations.close()
        self._loggers.close()


def _mean_episode(tally: Tally, seed: int) -> dict[str, Any]:
    """The mean over the episodes that ended in a chunk, and how many they were."""
    ended = float(tally.episodes[seed]) or math.nan
    return {
        "ended": int(tally.episodes[seed]),
        "episode_return": float(tally.discounted[seed]) / ended,
        "episode_return_undiscounted": float(tally.episode_return[seed]) / ended,
        "episode_length": float(tally.length[seed]) / ended,
        **{name: float(x[seed]) / ended for name, x in tally.measures.items()},
    }


def _each_episode(episodes: Episodes, seed: int) -> list[dict[str, Any]]:
    """The episodes that ended in a chunk, in the order in which they did."""
    own = jax.tree.map(lambda x: x[seed], episodes)
    return [
        {
            "ended": 1,
            "episode_return": float(own.discounted[place]),
            "episode_return_undiscounted": float(own.episode_return[place]),
            "episode_length": int(own.length[place]),
            **{name: float(x[place]) for name, x in own.measures.items()},
        }
        for place in zip(*np.nonzero(own.ended), strict=True)
    ]
