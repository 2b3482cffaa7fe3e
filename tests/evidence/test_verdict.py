"""A sentence under every table of scores: a run that learnt nothing does not end in silence."""

import pytest

from qflock.evidence.verdict import verdict


@pytest.mark.parametrize(
    ("own", "others", "says"),
    [
        (2.5, {"random": 0.3, "greedy": 2.0, "oracle": 2.7}, "above random and greedy; 92.6 % of the oracle"),
        (
            0.2,
            {"random": 0.3, "oracle": 2.7},
            "not better than random play (discounted return 0.200, random 0.300): ",
        ),
        (0.3, {"random": 0.3}, "not better than random play"),
        (0.4, {"random": 0.3}, "above random play"),
        (3.0, {"random": 0.3, "own_coin": 1.0, "oracle": 2.7}, "above random, own coin and oracle"),
        (
            -30.0,
            {"random": -60.0, "oracle": -20.0},
            "above random play; 75.0 % of the way from random play to the oracle",
        ),
        (
            0.5,
            {"random": -0.5, "lawn_mower": 1.5},
            "above random play; 50.0 % of the way from random play to the lawn mower",
        ),
    ],
)
def test_what_a_score_says(own, others, says):
    rows = {name: {"discounted_mean": score} for name, score in others.items()}
    assert verdict({"discounted_mean": own}, rows).startswith(says)


@pytest.mark.parametrize("own", [None, float("nan")])
def test_nothing_is_said_of_what_is_not_known(own):
    assert verdict({"discounted_mean": own}, {"random": {"discounted_mean": 1.0}}) == ""
    assert verdict({"discounted_mean": 1.0}, {}) == ""
    assert verdict({"discounted_mean": 1.0}, {"oracle": {"discounted_mean": 1.0}}) == ""
