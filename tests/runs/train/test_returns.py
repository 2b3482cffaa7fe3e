"""Mean returns of a chunk: over all seeds, and of each."""

from __future__ import annotations

import math

import numpy as np

from qflock.runs.train.returns import Returns


def test_means_are_over_episodes_and_leave_out_what_was_taken_back() -> None:
    sums, episodes = np.array([6.0, 5.0, 7.0, np.nan]), np.array([4.0, 1.0, 0.0, 3.0])
    found = Returns.of(sums, episodes, np.array([True, True, True, False]))
    assert found.mean == 18.0 / 5
    assert found.of_seeds[:2] == [1.5, 5.0]
    assert math.isnan(found.of_seeds[2])
    assert math.isnan(found.of_seeds[3])


def test_no_episode_is_no_number() -> None:
    found = Returns.of(np.zeros(1), np.zeros(1), np.ones(1, bool))
    assert math.isnan(found.mean)
    assert math.isnan(found.of_seeds[0])
