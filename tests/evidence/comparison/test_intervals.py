"""Intervals hold the truth as often as they say; the table of it is in docs/intervals.md."""

import numpy as np
import pytest
import scipy.stats

from qflock.evidence.comparison import intervals, statistics
from tests.evidence.comparison import coverage
from tests.evidence.comparison.coverage import SHAPES, share

HEAPS = "two heaps (30 and 70 %)"
BEATS = statistics.probability_of_improvement


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("runs", [5, 10])
def test_the_interquartile_mean_is_held_as_often_as_said(shape, runs):
    held = share("iqm", shape, runs, intervals.joined, 800)[0]
    assert held >= (0.87 if shape == HEAPS and runs == 5 else 0.93)
    assert held <= 0.995


@pytest.mark.parametrize("what", ["paired", "unpaired", "beats"])
@pytest.mark.parametrize("shape", ["normal", "skewed (lognormal)", HEAPS])
def test_differences_and_chances_are_held_as_often_as_said(what, shape):
    assert 0.92 <= share(what, shape, 5, intervals.joined, 800)[0] <= 1


def test_a_mean_of_normal_scores_is_held_as_often_as_said():
    assert 0.93 <= share("mean", "normal", 5, intervals.joined, 1_000)[0] <= 0.98


def test_several_tasks_too():
    assert 0.93 <= share("iqm", "normal", 5, intervals.joined, 500, tasks=4)[0] <= 0.99


def test_the_jackknife_of_a_mean_is_students_t():
    x = np.random.default_rng(0).normal(size=(7, 1))
    deviation, freedom = intervals.jackknife(statistics.mean, x)
    assert deviation == pytest.approx(scipy.stats.sem(x[:, 0]))
    assert freedom == 6


def test_the_jackknife_of_two_means_is_welchs():
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(6, 1)), 3 * generator.normal(size=(9, 1))
    found = intervals.joined(statistics.Difference(statistics.mean), x, y)
    told = scipy.stats.ttest_ind(x[:, 0], y[:, 0], equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((told.low, told.high))


def test_below_five_seeds_there_is_none_and_the_percentile_one_can_be_had():
    x = np.array([[1.0], [2.0], [3.0], [4.0]])
    found = intervals.joined(statistics.mean, x)
    assert found.value == 2.5
    assert np.isnan([found.low, found.high]).all()
    assert np.isfinite(intervals.METHODS["percentile"](statistics.mean, x).low)
    assert np.isnan(intervals.joined(BEATS, x, x + 1).low)


def test_clear_wins_of_few_runs_are_no_certainty():
    x = np.arange(5.0)[:, None]
    low, high = intervals.joined(BEATS, x + 10, x)[1:]
    assert high == 1
    assert 0.5 < low < 0.7
    assert statistics.bootstrap(BEATS, x + 10, x).low == 1


def test_one_learner_against_itself_is_seldom_called_better():
    """Ten seeds of one, five hundred times: a joined interval leaves 0 out in at most 5 of 100."""
    generator = np.random.default_rng(2)
    x, y = (generator.normal(0.9, 0.05, (500, 10, 1)) for _ in "xy")
    gap = statistics.Difference(statistics.interquartile_mean)
    found = intervals.joined(gap, x, y, paired=True, resamples=500)
    assert ((found.low > 0) | (found.high < 0)).mean() <= 0.06


def test_the_page_is_of_these_shapes_and_quantities():
    text = coverage.PAGE.read_text(encoding="utf-8")
    for name in [*SHAPES, *coverage.QUANTITIES.values()]:
        assert text.count(name) or text.count(name[0].upper() + name[1:])
    assert text.startswith(coverage.HEAD)
