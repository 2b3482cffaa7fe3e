"""Intervals that hold the truth about as often as they say, for five runs and more.

A percentile bootstrap of few runs is too narrow: it knows the spread of the runs that there are, not how
uncertain that spread is. A t interval of the jackknife allows for it, and misses where scores come in two
heaps. Each is joined with the other; how often that holds the truth, by the shape of scores and the number
of runs, stands in docs/intervals.md and is tested.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
import scipy.stats

from qflock.evidence.comparison import statistics
from qflock.evidence.comparison.statistics import CONFIDENCE, Estimator, Interval

Kind = Literal["joined", "percentile"]
LEAST = 5
"""Runs below which no interval is given: their scores say more."""
_TRIMMED = {statistics.interquartile_mean: 0.25, statistics.median_run: 0.25}
"""Share of runs at each end that tells an estimator little, by estimator."""


class Method(Protocol):
    """A way to an interval."""

    def __call__(
        self, estimator: Estimator, /, *samples: np.ndarray, paired: bool = False, resamples: int = ...
    ) -> Interval:
        """The estimate and its interval.

        Args:
            estimator: maps the samples' arrays to numbers, reducing the axes R and T.
            samples: arrays ``(..., R, T)``; R may differ between them, T not.
            paired: row r of each belongs to the same seed.
            resamples: of a bootstrap.
        """
        ...


def joined(
    estimator: Estimator,
    /,
    *samples: np.ndarray,
    paired: bool = False,
    resamples: int = statistics.RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """The least interval that holds both the percentile bootstrap's and the jackknife's.

    The chance of an improvement has Newcombe's in their place.

    Args:
        estimator: maps the samples' arrays to numbers, reducing the axes R and T.
        samples: arrays ``(..., R, T)``; R may differ between them, T not.
        paired: row r of each belongs to the same seed.
        resamples: of the bootstrap.
        confidence: coverage aimed at.
        seed: of the bootstrap.

    Returns:
        The estimate and its interval; both ends are NaN where a sample has fewer than 5 runs.
    """
    samples = tuple(np.asarray(sample, float) for sample in samples)
    if min(sample.shape[-2] for sample in samples) < LEAST:
        value = np.asarray(estimator(*samples))
        return Interval(value, np.full(value.shape, np.nan), np.full(value.shape, np.nan))
    if estimator is statistics.probability_of_improvement:
        x, y = samples
        return _newcombe(x, y, confidence)
    more = {"resamples": resamples, "confidence": confidence, "seed": seed}
    value, low, high = statistics.bootstrap(estimator, *samples, paired=paired, **more)
    deviation, freedom = jackknife(estimator, *samples, paired=paired)
    away = scipy.stats.t.ppf((1 + confidence) / 2, freedom) * deviation
    return Interval(value, np.minimum(low, value - away), np.maximum(high, value + away))


def jackknife(
    estimator: Estimator, /, *samples: np.ndarray, paired: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The standard error of an estimate, by leaving out one run at a time, and its degrees of freedom.

    A run is left out on all tasks at once. Degrees of freedom of several samples are Welch's and
    Satterthwaite's; a trimmed mean has those of the runs that it keeps (Tukey and McLaughlin 1963).

    Args:
        estimator: maps the samples' arrays to numbers, reducing the axes R and T.
        samples: arrays ``(..., R, T)`` with at least 3 runs.
        paired: row r of each belongs to the same seed.

    Returns:
        Both of the shape of the estimate.
    """
    groups = [tuple(range(len(samples)))] if paired else [(k,) for k in range(len(samples))]
    trimmed = _TRIMMED.get(getattr(estimator, "of", estimator), 0.0)  # type: ignore[call-overload]
    variances, freedoms = [], []
    for group in groups:
        runs, tasks = samples[group[0]].shape[-2:]
        left_out = [
            estimator(*(np.delete(s, r, -2) if k in group else s for k, s in enumerate(samples)))
            for r in range(runs)
        ]
        variances.append((runs - 1) * np.var(left_out, axis=0))
        freedoms.append(runs - 1 - (2 * int(trimmed * runs) if tasks == 1 else 0))
    total = np.sum(variances, 0)
    weighed = np.sum([v**2 / f for v, f in zip(variances, freedoms, strict=True)], 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.where(total > 0, total**2 / weighed, float(min(freedoms)))
    return np.sqrt(total), freedom


def _newcombe(x: np.ndarray, y: np.ndarray, confidence: float) -> Interval:
    """The chance that a run of X beats one of Y; its interval is no point where all runs do.

    A bootstrap takes runs that all beat all others for certainty. Instead: Newcombe (2006), method 5, the
    chances that differ from the estimate by less than their own standard error allows. Over several tasks it
    counts the runs of one, which is too wide rather than too narrow.
    """
    value, (runs_x, runs_y) = statistics.probability_of_improvement(x, y), (x.shape[-2], y.shape[-2])
    chances = np.linspace(0, 1, 10_001)
    more = (runs_x + runs_y) / 2 - 1
    spread = 1 + more * (1 - chances) / (2 - chances) + more * chances / (1 + chances)
    deviation = np.sqrt(chances * (1 - chances) * spread / (runs_x * runs_y))
    allowed = scipy.stats.norm.ppf((1 + confidence) / 2) * deviation + 1e-9
    inside = np.abs(chances - value[..., None]) <= allowed
    return Interval(value, chances[inside.argmax(-1)], chances[::-1][inside[..., ::-1].argmax(-1)])


def clipped(found: Interval, low: float, high: float = np.inf) -> Interval:
    """An interval without what its quantity cannot be.

    Args:
        found: of any shape; ends that are NaN stay so.
        low, high: least and largest possible value.
    """
    return Interval(found.value, np.clip(found.low, low, high), np.clip(found.high, low, high))


METHODS: dict[str, Method] = {"joined": joined, "percentile": statistics.bootstrap}
