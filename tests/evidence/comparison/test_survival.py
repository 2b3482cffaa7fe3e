"""Time to a score against hand-worked Kaplan-Meier curves and SciPy's log-rank test."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from qflock.evidence.comparison import survival


def test_kaplan_meier_by_hand() -> None:
    times = np.array([100, 200, 200, 300, 400, 500.0])
    censored = np.array([False, False, True, False, True, True])
    # at risk 6, 5, 3: S = 5/6, 5/6 * 4/5 = 2/3, 2/3 * 2/3 = 4/9; area to 500 by rectangles
    found = survival.time_to_score(times, censored, 500)
    assert found.median == 300
    assert found.restricted_mean == pytest.approx(100 + 100 * 5 / 6 + 100 * 2 / 3 + 200 * 4 / 9)
    assert (found.reached, found.runs) == (3, 6)
    assert found.median_low <= 300 <= found.median_high
    shorter = survival.time_to_score(times, censored, 250)
    assert shorter.restricted_mean == pytest.approx(100 + 100 * 5 / 6 + 50 * 2 / 3)
    with pytest.raises(ValueError, match="nothing is known"):
        survival.time_to_score(times, censored, 501)


def test_kaplan_meier_without_censoring_is_plain() -> None:
    times = np.array([10, 20, 30, 40, 50.0])
    found = survival.time_to_score(times, np.zeros(5, bool), 1000)
    assert found.median == 30
    assert found.restricted_mean == pytest.approx(30)
    never = survival.time_to_score(times, np.ones(5, bool), 50)
    assert never.median == np.inf
    assert never.restricted_mean == 50
    assert never.reached == 0


def test_first_reached() -> None:
    steps = np.array([10, 20, 30])
    assert survival.first_reached(steps, np.array([0.1, 0.5, 0.2]), 0.5) == (20, False)
    assert survival.first_reached(steps, np.array([0.1, 0.4, 0.2]), 0.5) == (30, True)


def test_log_rank() -> None:
    early, late = np.arange(1.0, 11), np.arange(101.0, 111)
    seen = np.zeros(10, bool)
    assert survival.log_rank((early, seen), (late, seen)) < 1e-4
    assert survival.log_rank((early, seen), (early, seen)) == pytest.approx(1)
    assert np.isnan(survival.log_rank((early, ~seen), (late, ~seen)))
    part = np.arange(10) % 3 == 0
    expected = scipy.stats.logrank(
        scipy.stats.CensoredData(early[~part], right=early[part]), scipy.stats.CensoredData(early + 2)
    ).pvalue
    assert survival.log_rank((early, part), (early + 2, seen)) == pytest.approx(expected)


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=12), st.randoms())
def test_kaplan_meier_is_the_product_of_chances_to_go_on(runs: list[tuple[int, bool]], random) -> None:
    last = max(time for time, _ in runs)
    left, area, median = 1.0, 0.0, np.inf
    for step in range(1, last + 1):
        area += left  # nothing changes between whole steps
        at_risk = sum(time >= step for time, _ in runs)
        left *= 1 - sum(time == step and not censored for time, censored in runs) / at_risk
        median = step if left <= 0.5 + 1e-12 and median == np.inf else median
    random.shuffle(runs)
    times, censored = map(np.array, zip(*runs, strict=True))
    found = survival.time_to_score(times, censored, last)
    assert found.median == median
    assert found.restricted_mean == pytest.approx(area)
    assert found.median_low <= found.median <= found.median_high
