"""The books of a run: how far each seed is, and the rows of both logs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qflock.files.csv_log import CsvLog, prefix_digest
from qflock.files.storage import DamagedFile, set_aside
from qflock.runs import evaluation
from qflock.runs.folder import RunFolder
from qflock.runs.train import loggers, returns
from qflock.runs.train.circuit_evaluations import MEASUREMENTS
from qflock.runs.train.program import Chunk, Part
from qflock.runs.train.returns import Returns

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
        logs: of the training log and of the evaluations: bytes, and the SHA-256 of these.
        discarded: of each seed, chunks of updates that were taken back for NaN or infinity.
        anchors: updates of the last two states to roll back to, where the run does that.
        rollbacks, tries: how often it did, in all and to the last anchor.
        budget: whose last parts have begun, in environment steps; 0 before.
        before_last: updates before these parts.
        more: what the run's hooks keep.
    """

    update: int
    env_steps: list[int]
    episodes: list[int]
    best: list[float | None]
    evaluated: int = 0
    kept: int = 0
    seconds: float = 0.0
    logs: list[tuple[int, str]] = field(default_factory=lambda: [(0, ""), (0, "")])
    discarded: list[int] = field(default_factory=list)
    anchors: list[int] = field(default_factory=list)
    rollbacks: int = 0
    tries: int = 0
    budget: int = 0
    before_last: int = 0
    more: Any = None

    @classmethod
    def begin(cls, seeds: int) -> Position:
        """Before the first update."""
        return cls(0, [0] * seeds, [0] * seeds, [None] * seeds, discarded=[0] * seeds)

    @classmethod
    def read(cls, saved: Mapping[str, Any], seeds: int) -> Position:
        """A position as JSON gave it back.

        Args:
            saved: its fields by name.
            seeds: how many the run has.

        Raises:
            DamagedFile: it is of another version of qflock, or of other seeds.
        """
        counts = ("update", "evaluated", "kept", "rollbacks", "tries", "budget", "before_last")
        try:
            position = cls(**saved)
            position.logs = [(int(size), str(digest)) for size, digest in position.logs]
            valid = all(
                type(getattr(position, name)) is int and getattr(position, name) >= 0 for name in counts
            )
            valid &= [len(position.logs), len(position.best), math.isfinite(position.seconds)] == [
                2,
                seeds,
                True,
            ]
            valid &= all(b is None or isinstance(b, float | int) for b in position.best)
            for each in (position.env_steps, position.episodes, position.discarded):
                valid &= len(each) == seeds and all(type(x) is int and x >= 0 for x in each)
            valid &= all(type(x) is int for x in position.anchors)
        except (TypeError, ValueError) as problem:
            raise DamagedFile(f"its counters are those of another version of qflock ({problem})") from problem
        if not valid:
            raise DamagedFile("its counters are not those of this run")
        return position


def doubt(where: RunFolder, position: Position) -> str:
    """Why a position's logs are not what they were when it was saved; empty where they are.

    Args:
        where: the run.
        position: as it was saved with the training state.
    """
    for path, (size, digest) in zip((where.training_log, where.evaluation), position.logs, strict=True):
        if size and prefix_digest(path, size) != digest:
            return f"{path} is not what it was when the training state was saved"
    return ""


class Ledger:
    """Counts what chunks tell and writes the logs.

    Attributes:
        position: how far the run is.
        messages: a line for each log that was damaged and is set aside.
    """

    def __init__(
        self,
        where: RunFolder,
        seeds: Sequence[int],
        chunk: Chunk,
        position: Position,
        measurements: float = 0,
    ) -> None:
        """Open the logs, cut back to where a position left them, and the loggers beside them.

        Args:
            chunk: shapes of what a chunk tells; its metrics, teams and measures become columns.
            position: where the run stands.
            measurements: of circuits, in an update of a seed; a column where there are any. A learner may
                tell its own instead, as a metric.
        """
        self.seeds = list(seeds)
        self._measurements = measurements
        self.position = position
        self.messages: list[str] = []
        metrics = [name for name in USUAL if name in chunk.metrics]
        metrics += sorted(set(chunk.metrics) - set(metrics))
        measures = sorted(chunk.tally.measures)
        teams = returns.teams_of(chunk)
        of_teams = [f"team{team}_{name}" for team in range(1, teams) for name in returns.OF_TEAMS]
        measured = [MEASUREMENTS] * bool(measurements)
        columns = [*FIRST, *of_teams, *measured, *metrics, *measures]
        if chunk.episodes is not None:
            columns.sort(key=lambda name: PUBLISHED.index(name) if name in PUBLISHED else len(PUBLISHED))
        evaluation_columns = ("seed", "env_step", *evaluation.columns(teams, measures))
        self._training = self._open(where.training_log, columns, *position.logs[0])
        self._evaluations = self._open(where.evaluation, evaluation_columns, *position.logs[1])
        done = dict(zip(self.seeds, self.position.env_steps, strict=True))
        self._loggers = loggers.opened(where, where.settings().run.loggers, done)

    @property
    def done(self) -> int:
        """Environment steps of the slowest seed."""
        return min(self.position.env_steps)

    def rest(self, total: int, cost: int, most: int) -> Part:
        """What is left of a budget, at most a chunk: no seed goes on after the update that reaches it.

        An update takes at most so many steps as its source costs, and fewer where episodes restart; so the
        last updates come in ever shorter parts.

        Args:
            total: environment steps of each seed.
            cost: of an update, at most.
            most: updates in a chunk.
        """
        left = total - np.asarray(self.position.env_steps)
        updates = -(-left[left > 0].min() // cost)
        return Part(min(updates, most), left > 0)

    def chunk(self, chunk: Chunk, part: Part, bad: Sequence[bool] | np.ndarray) -> Returns:
        """Count a chunk and write its row for each seed that is still going, or those of its episodes.

        Args:
            chunk: what it told.
            part: the updates that it did, and of which seeds.
            bad: seeds whose chunk was taken back: its steps count, and its row says nothing more.

        Returns:
            The discounted returns, the first team's.
        """
        p, tally = self.position, chunk.tally
        p.update += int(part.updates)
        for i, seed in enumerate(self.seeds):
            if not part.going[i]:
                continue
            p.env_steps[i] += int(tally.env_steps[i])
            metrics = {name: float(x[i]) for name, x in chunk.metrics.items()}
            if each := metrics.get(MEASUREMENTS, self._measurements):
                metrics[MEASUREMENTS] = round(p.update * each)
            position = {"seed": seed, "env_step": p.env_steps[i]}
            if bad[i]:
                p.discarded[i] += 1
                if chunk.episodes is None:
                    self._training.append({**position, "episode": p.episodes[i]})
                continue
            rows = (
                [returns.mean_episode(tally, i)]
                if chunk.episodes is None
                else returns.each_episode(chunk.episodes, i)
            )
            for row in rows:
                p.episodes[i] += row.pop("ended")
                row = {**position, "episode": p.episodes[i], **row, **metrics}
                self._training.append({name: None if math.isnan(x) else x for name, x in row.items()})
                self._loggers.row("training_log", row)
        good = part.going & ~np.asarray(bad)
        return Returns.of(returns.by_team(tally.discounted, 1)[0], np.asarray(tally.episodes), good)

    def evaluation(self, rows: Sequence[dict[str, float]]) -> None:
        """Write an evaluation's row for each seed."""
        for row in rows:
            row = {"env_step": self.done, **row}
            self._evaluations.append(row)
            self._loggers.row("evaluation", row)

    def last_evaluation(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the final evaluation's row for each seed, and force the logs to the disk.

        The last state does not count it, so a run that goes on, or is made longer, takes it back.
        """
        self._evaluations.append(*({"env_step": self.done, **row} for row in rows))
        self.offsets()

    def offsets(self) -> None:
        """Force the logs to the disk and note how long they are."""
        self.position.logs = [(log.offset(), log.digest()) for log in (self._training, self._evaluations)]
        self._loggers.flush()

    def _open(self, path: Path, columns: Sequence[str], size: int, digest: str) -> CsvLog:
        """A log, cut back; one that is damaged is set aside, and a new one begins."""
        try:
            log = CsvLog(path, columns)
            try:
                log.truncate(size, digest)
            except BaseException:
                log.close()
                raise
        except DamagedFile as problem:
            self.messages.append(f"{problem}; it is now {set_aside(path).name}, and a new log begins")
            log = CsvLog(path, columns)
        return log

    def close(self) -> None:
        """Close the logs."""
        self._training.close()
        self._evaluations.close()
        self._loggers.close()
