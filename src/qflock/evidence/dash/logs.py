"""What the logs of a run that may still train say so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from qflock.core.errors import UserError
from qflock.evidence import metrics
from qflock.evidence.figures import series
from qflock.evidence.figures.series import Columns
from qflock.runs.folder import RunFolder

MOST_BYTES = 24 * 2**20
"""Of a log: it is read again whenever it has grown."""
RETURN = "return"
"""The curve that is shown where none is asked for: the evaluated score, else that of training episodes."""
TRAINED = "episode_return"
CLOCK = "env_step"
NOT_CURVES = {*metrics.NOT_SCORES, "chain", "seconds", "step", "update", "episode"}


@dataclass(frozen=True)
class Curves:
    """What a run's logs say, by column.

    Attributes:
        evaluated: of the evaluations during training.
        trained: of the training log.
        problem: why they cannot be read; empty where they can.
    """

    evaluated: Columns = field(default_factory=dict)
    trained: Columns = field(default_factory=dict)
    problem: str = ""

    @property
    def newest(self) -> float | None:
        """The mean over seeds of the score that was last evaluated, else of the last training episodes."""
        columns, name = self.source(RETURN)
        ends = [y[-1] for _, y in series.by_seed(columns, name, CLOCK)]
        return float(np.mean(ends)) if ends else None

    def source(self, metric: str) -> tuple[Columns, str]:
        """The log and the column of a metric.

        Args:
            metric: `RETURN`, or one of `names`.
        """
        if metric != RETURN:
            kind, _, name = metric.partition(":")
            return (self.evaluated if kind == "evaluated" else self.trained), name
        if len(self.evaluated.get(metrics.DEFAULT, ())) or TRAINED not in self.trained:
            return self.evaluated, metrics.DEFAULT
        return self.trained, TRAINED

    def names(self) -> list[str]:
        """What can be drawn, beside `RETURN`."""
        logs = (("evaluated", self.evaluated), ("trained", self.trained))
        return [
            f"{kind}:{name}"
            for kind, columns in logs
            for name in columns
            if name not in NOT_CURVES and name != CLOCK and series.drawable(columns, name)
        ]


def read(run: RunFolder) -> Curves:
    """The logs of a run, as far as they are written; what is damaged is said and not raised.

    Args:
        run: its folder; `overview.overview` has seen that its files are its own.
    """
    try:
        return Curves(
            series.numbers(run.evaluation, MOST_BYTES), series.numbers(run.training_log, MOST_BYTES)
        )
    except (UserError, ValueError) as problem:
        return Curves(problem=str(problem))
