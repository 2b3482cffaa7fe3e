"""What rules score in simple spread: who divides the landmarks well scores more than who does not."""

import pytest

pytest.importorskip("jaxmarl")

from scripts import spread_by_rules


@pytest.mark.slow
def test_rules_score_by_how_well_they_divide_the_landmarks():
    assigned, own, nearest = (spread_by_rules.score(rule, episodes=256) for rule in spread_by_rules.RULES)
    assert -6.4 < assigned < -5.4
    assert assigned - 1 > own > nearest + 3
