"""Time to a score over runs of which some never reach it: right-censored survival analysis."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy.stats

from qflock.evidence.comparison.statistics import CONFIDENCE


class TimeToScore(NamedTuple):
    """Steps until a score was first reached, over runs of which some never did.

    Attributes:
        median: steps by which half the runs have reached it; infinite where they have not.
        median_low, median_high: ends of its interval; the upper one is infinite where runs are too few.
        restricted_mean: mean steps spent below it, counted up to ``horizon``.
        horizon: the step up to which ``restricted_mean`` counts.
        reached: how many runs reached it.
        runs: how many runs there are.
    """

    median: float
    median_low: float
    median_high: float
    restricted_mean: float
    horizon: float
    reached: int
    runs: int


def first_reached(steps: np.ndarray, scores: np.ndarray, target: float) -> tuple[float, bool]:
    """When one run first reaches a score, or its last step if it never does.

    The step is that of the evaluation that saw it, so it is late by up to one evaluation interval.

    Args:
        steps: ``(N,)`` increasing environment steps of evaluations.
        scores: ``(N,)``, larger is better.
        target: the score to reach.

    Returns:
        The step, and whether the run is censored (had not reached it when it ended).
    """
    hits = np.flatnonzero(np.asarray(scores) >= target)
    return (float(steps[hits[0]]), False) if hits.size else (float(steps[-1]), True)


def time_to_score(times: np.ndarray, censored: np.ndarray, horizon: float) -> TimeToScore:
    """Kaplan-Meier median and restricted mean of the time to a score, right-censored.

    Kaplan and Meier, "Nonparametric estimation from incomplete observations", JASA 1958; the
    restricted mean is the area under the survival curve up to ``horizon`` (Royston and Parmar 2013), the
    median's interval inverts the log-log 95 % band of the curve (Brookmeyer and Crowley 1982).

    Args:
        times: ``(R,)`` steps as of ``first_reached``.
        censored: ``(R,)`` whether a run ended before reaching the score.
        horizon: no later than the last step seen, unless every run reached the score by then.

    Raises:
        ValueError: ``horizon`` lies beyond what the runs have seen.
    """
    times, censored = np.asarray(times, float), np.asarray(censored, bool)
    survival = scipy.stats.ecdf(scipy.stats.CensoredData.right_censored(times, censored)).sf
    times_of_events, left = survival.quantiles, survival.probabilities
    if horizon > times_of_events[-1] and left[-1] > 0:
        raise ValueError(
            f"nothing is known at step {horizon:g}: the last run ended at {times_of_events[-1]:g}"
        )
    with warnings.catch_warnings():  # the band is undefined (NaN) where the curve is 1 or 0
        warnings.simplefilter("ignore", RuntimeWarning)
        band = survival.confidence_interval(CONFIDENCE, method="log-log")
    low = np.nan_to_num(band.low.probabilities, nan=1.0)
    high = np.nan_to_num(band.high.probabilities, nan=1.0)
    median, median_low, median_high = (
        _first_below_half(times_of_events, curve) for curve in (left, low, high)
    )
    edges = np.concatenate([[0.0], np.minimum(times_of_events, horizon), [horizon]])
    area = float(np.diff(edges) @ np.concatenate([[1.0], left]))
    return TimeToScore(
        median,
        min(median, median_low),
        median_high,
        area,
        float(horizon),
        reached=int((~censored).sum()),
        runs=times.size,
    )


def _first_below_half(steps: np.ndarray, survival: np.ndarray) -> float:
    below = np.flatnonzero(survival <= 0.5 + 1e-12)  # a half reached by division counts
    return float(steps[below[0]]) if below.size else np.inf


def log_rank(x: tuple[np.ndarray, np.ndarray], y: tuple[np.ndarray, np.ndarray]) -> float:
    """Two-sided p-value of the log-rank test that two methods need equally long.

    1 where all runs reached it at one step; NaN if none did, or none while both methods had runs going.

    Args:
        x, y: ``(times, censored)`` of each, as for ``time_to_score``.
    """
    if np.all(x[1]) and np.all(y[1]):
        return float("nan")
    if not np.any(x[1]) and not np.any(y[1]) and np.ptp(np.concatenate([x[0], y[0]])) == 0:
        return 1.0
    first, second = (scipy.stats.CensoredData.right_censored(*sample) for sample in (x, y))
    with np.errstate(invalid="ignore"):  # 0 / 0 where they never had runs going at the same time
        return float(scipy.stats.logrank(first, second).pvalue)
