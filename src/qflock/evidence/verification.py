"""Train reference results again, on other seeds and other boards, and say whether their scores can be had.

A file states the scores of its seeds. The mean of a few new seeds should fall into the prediction interval of
the old ones: mean +- t s sqrt(1/R + 1/N), Student's t with R - 1 degrees of freedom.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import scipy.stats

from qflock.core.errors import UserError
from qflock.evidence.comparison import statistics
from qflock.evidence.comparison.intervals import LEAST
from qflock.evidence.results import MARGIN

if TYPE_CHECKING:
    from qflock.settings.config import Settings

ERROR = 0.001
"""The chance that any of all results that are asked for together is called false although it holds."""


class Verdict(NamedTuple):
    """Of one result.

    Attributes:
        name: of the result.
        metric: its score.
        stated: its interquartile mean, as the file says.
        scores: of the seeds trained now, by seed; empty where the file contradicts itself.
        low, high: the prediction interval of their mean.
        fault: what does not hold, in words; empty where all does.
    """

    name: str
    metric: str
    stated: float
    scores: Mapping[int, float]
    low: float
    high: float
    fault: str


class Train(Protocol):
    """A training from the beginning, such as `runs.train.runner.train`."""

    def __call__(self, settings: Settings, /, *, quiet: bool) -> Mapping[str, Any]:
        """Its summary.

        Args:
            settings: all of the run.
            quiet: show no progress.
        """
        ...


def prediction(scores: np.ndarray, count: int, error: float, margin: float = 0.0) -> tuple[float, float]:
    """Where the mean of new draws falls, but for an error of a given chance.

    Args:
        scores: ``(R,)`` of the seeds that are known.
        count: new seeds, N.
        error: the chance to fall outside, for normal scores.
        margin: by which both ends are widened.
    """
    runs = len(scores)
    away = scipy.stats.t.ppf(1 - error / 2, runs - 1) * scores.std(ddof=1) * math.sqrt(1 / runs + 1 / count)
    return float(scores.mean() - away - margin), float(scores.mean() + away + margin)


def verify(
    result: Mapping[str, Any],
    count: int = 2,
    error: float = ERROR,
    train: Train | None = None,
) -> Verdict:
    """Train a result again on seeds that it has not, which play boards of their own, and judge it.

    Args:
        result: as `results.read` gives it.
        count: new seeds.
        error: of this result's prediction interval.
        train: takes settings and ``quiet``, and returns a summary; None for this process's own training.

    Raises:
        UserError: it has too few seeds, or settings that this version does not have.
    """
    from qflock.runs.train import runner
    from qflock.settings import config

    name, metric, stated = str(result["name"]), str(result["metric"]), float(result["score"])
    known = np.array(list(result["scores"].values()), float)
    if len(known) < LEAST:
        raise UserError(f"{name} has {len(known)} seeds; fewer than {LEAST} predict no others")
    ends = result["references"]
    margin = MARGIN * abs(ends.get("oracle", 1.0) - ends.get("random", 0.0))
    low, high = prediction(known, count, error, margin)
    own = float(statistics.interquartile_mean(known[:, None]))
    if not math.isclose(own, stated, rel_tol=1e-6, abs_tol=1e-9):
        fault = f"the file says {stated:.6g}, and the interquartile mean of its seeds is {own:.6g}"
        return Verdict(name, metric, stated, {}, low, high, fault)
    settings = config.from_mapping(result["settings"])
    first = max(map(int, result["scores"])) + 1
    with tempfile.TemporaryDirectory(prefix="qflock-verify-") as folder:
        quick = replace(
            settings.run,
            seeds=count,
            seed=first,
            devices=1,
            eval_interval=0,
            run_dir=Path(folder) / "run",
            state_interval=1e9,
        )
        rows = (train or runner.train)(replace(settings, run=quick), quiet=True)["per_seed"]
    scores = {first + k: float(row[metric]) for k, row in enumerate(rows)}
    mean = float(np.mean(list(scores.values())))
    fault = "" if low <= mean <= high else f"the new mean {mean:.4g} is outside {low:.4g} to {high:.4g}"
    return Verdict(name, metric, stated, scores, low, high, fault)


def drawn(
    results: Sequence[Mapping[str, Any]], count: int, seconds: float, seed: int
) -> list[Mapping[str, Any]]:
    """Results at random whose training again fits into a time, as long as theirs took.

    Args:
        results: to draw from; those of too few seeds are left out.
        count: seeds that are trained of each.
        seconds: that all may take.
        seed: of the draw.
    """
    able = [one for one in results if len(one["scores"]) >= LEAST and "seconds" in one["costs"]]
    order, left, chosen = np.random.default_rng(seed).permutation(len(able)), seconds, []
    for place in order:
        needs = count * float(able[place]["costs"]["seconds"])
        if needs <= left:
            chosen.append(able[place])
            left -= needs
    return chosen
