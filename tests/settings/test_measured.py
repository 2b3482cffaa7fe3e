"""What is known of an environment from before, and when it is not told."""

from __future__ import annotations

from dataclasses import replace

from qflock.settings import config, measured


def test_the_best_reference_and_random_play_are_known() -> None:
    found = measured.references(config.resolve("qmix", overrides={"env": "gridworld25"}))
    scores = measured.records()["gridworld25"]["references"]
    assert found == {"oracle": scores["oracle"], "random": scores["random"]}
    assert list(found) == ["oracle", "random"]
    assert list(measured.references(config.resolve("qmix", overrides={"env": "forest_uav"}))) == [
        "lawn_mower",
        "random",
    ]


def test_of_another_game_nothing_is_known() -> None:
    """Other settings, another metric, or an environment that was never measured."""
    settings = config.resolve("qmix", overrides={"env": "gridworld25"})
    other = replace(settings, environment=replace(settings.environment, grid_size=10))
    assert measured.references(other) == {}
    assert measured.references(config.resolve("qmix", overrides={"env": "coin_game"})) == {}
    assert measured.references(replace(settings, run=replace(settings.run, env="mine.py:Mine"))) == {}
