"""Estimators for a few runs on a few tasks, with intervals that say how few.

Scores are arrays ``(..., R, T)``: R runs (one training seed each) on T tasks. Estimators reduce the
last two axes and keep what stands before them, so that one call serves the scores themselves, a
curve over steps ``(G, R, T)`` and thousands of resamples alike.

Source: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
NeurIPS 2021 (called A21 below).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.stats

CONFIDENCE = 0.95
RESAMPLES = 20_000
_CHUNK = 4_000_000  # numbers held at once while resampling


class Estimator(Protocol):
    """Numbers from one or more samples."""

    def __call__(self, *samples: Any, **options: Any) -> np.ndarray:
        """Reduce the axes R and T, keep those before them.

        Args:
            samples: arrays ``(..., R, T)``, as many as the estimator compares.
            options: of the estimator.
        """
        ...


class Interval(NamedTuple):
    """An estimate and the ends of its interval, numbers or arrays of one shape; NaN ends: unknown."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def normalise(scores: np.ndarray, random: np.ndarray | float, oracle: np.ndarray | float) -> np.ndarray:
    """Scores with random play at 0 and the oracle at 1 (A21 section 3, with the oracle for the human).

    Where less is better (the oracle lies below random play) the result still grows with quality.

    Args:
        scores: ``(..., R, T)``.
        random: the random policy's score, one number or ``(T,)``.
        oracle: the oracle's score, one number or ``(T,)``.

    Raises:
        ValueError: the oracle's score equals the random policy's.
    """
    span = np.asarray(oracle, float) - np.asarray(random, float)
    if np.any(span == 0):
        raise ValueError("the oracle's score equals the random policy's: there is nothing to scale by")
    return (np.asarray(scores, float) - random) / span


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """Mean of the middle half of all R x T scores (A21 section 4.3): a quarter is cut off at each end.

    With R x T not a multiple of four, the number cut off at each end is rounded down.
    """
    scores = np.asarray(scores, float)
    return np.asarray(scipy.stats.trim_mean(scores.reshape(*scores.shape[:-2], -1), 0.25, axis=-1))


def mean(scores: np.ndarray) -> np.ndarray:
    """Mean over tasks of the mean over runs (A21 section 2)."""
    return np.asarray(scores, float).mean((-2, -1))


def median(scores: np.ndarray) -> np.ndarray:
    """Median over tasks of the mean over runs (A21 section 2); with a single task this is the mean."""
    return np.median(np.asarray(scores, float).mean(-2), axis=-1)


def median_run(scores: np.ndarray) -> np.ndarray:
    """Median of all R x T scores: the middle run, which says something on a single task too."""
    return np.median(np.asarray(scores, float), axis=(-2, -1))


def optimality_gap(scores: np.ndarray, gamma: float = 1.0) -> np.ndarray:
    """How far runs fall short of ``gamma`` on average; beyond it counts no more (A21 section 4.3).

    Args:
        scores: normalised scores ``(..., R, T)``.
        gamma: the score that is good enough; 1 is the oracle's.
    """
    return gamma - np.minimum(np.asarray(scores, float), gamma).mean((-2, -1))


def probability_of_improvement(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Chance that a run of X beats a run of Y on a task drawn at random (A21 section 4.3, appendix A.3).

    The Mann-Whitney statistic over all pairs divided by their number, ties counted half, averaged
    over tasks.

    Args:
        x: ``(..., R, T)``.
        y: ``(..., Q, T)``; Q may differ from R.
    """
    runs_x, runs_y = x.shape[-2], y.shape[-2]
    ranks = scipy.stats.rankdata(np.concatenate([x, y], axis=-2), axis=-2)
    wins = ranks[..., :runs_x, :].sum(-2) - runs_x * (runs_x + 1) / 2
    return np.asarray((wins / (runs_x * runs_y)).mean(-1))


def score_distribution(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Run-score distribution: the share of all runs above each threshold (A21 equation 1).

    Args:
        scores: ``(..., R, T)``.
        thresholds: ``(K,)``.

    Returns:
        ``(K, ...)``.
    """
    return np.stack([(scores > threshold).mean((-2, -1)) for threshold in thresholds])


def average_score_distribution(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of tasks whose mean score is above each threshold (A21 section 4.2).

    Args:
        scores: ``(..., R, T)``.
        thresholds: ``(K,)``.

    Returns:
        ``(K, ...)``.
    """
    return score_distribution(np.asarray(scores, float).mean(-2, keepdims=True), thresholds)


def bootstrap(
    estimator: Estimator,
    *samples: np.ndarray,
    paired: bool = False,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """Percentile interval from the stratified bootstrap: runs are redrawn within each task (A21 section 4.1).

    Along leading axes (steps of a curve) the same runs are drawn, as a run is one whole curve.

    Args:
        estimator: maps the samples' arrays to numbers, reducing the axes R and T.
        samples: arrays ``(..., R, T)``; R may differ between them, T not.
        paired: redraw the same rows in every sample: row r of each belongs to the same seed.
        resamples: how many times to redraw.
        confidence: coverage aimed at.
        seed: of the redrawing, so that the same runs give the same interval.

    Returns:
        The estimate and its interval. Both ends are NaN where a sample has a single run, since one
        run says nothing about the spread.

    Raises:
        ValueError: paired samples with different numbers of runs.
    """
    samples = tuple(np.asarray(sample, float) for sample in samples)
    if paired and len({sample.shape[-2:] for sample in samples}) > 1:
        raise ValueError(f"paired samples need the same runs, not shapes {[s.shape for s in samples]}")
    value = np.asarray(estimator(*samples))
    if min(sample.shape[-2] for sample in samples) < 2:
        unknown = np.full(value.shape, np.nan)
        return Interval(value, unknown, unknown)
    generator = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // (sum(sample.size for sample in samples)))
    draws = []
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        rows = [generator.integers(s.shape[-2], size=(count, *s.shape[-2:])) for s in samples]
        if paired:
            rows = rows[:1] * len(samples)
        redrawn = [s[..., row, np.arange(s.shape[-1])] for s, row in zip(samples, rows, strict=True)]
        draws.append(np.asarray(estimator(*redrawn)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(draws, axis=-1), [tail, 1 - tail], axis=-1)
    return Interval(value, low, high)


class Difference(NamedTuple):
    """An estimator of two samples: by how much the first one's estimate is larger.

    Attributes:
        of: the estimator of one.
    """

    of: Estimator

    def __call__(self, *samples: Any, **options: Any) -> np.ndarray:
        """The difference.

        Args:
            samples: two arrays ``(..., R, T)``.
            options: none.
        """
        x, y = samples
        return self.of(x) - self.of(y)


def on_grid(steps: np.ndarray, scores: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """A run's scores at the steps of a common grid: linear between evaluations, exact at them.

    Args:
        steps: ``(N,)`` increasing environment steps of the run's evaluations.
        scores: ``(N,)``.
        grid: ``(G,)`` environment steps.

    Returns:
        ``(G,)``; NaN outside the steps that the run covers, for nothing is known there.
    """
    return np.interp(grid, steps, scores, left=np.nan, right=np.nan)
