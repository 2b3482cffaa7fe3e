"""Policies that come with qflock: they play as well as is said of them, and nothing is written there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import qflock
from qflock.commands import main
from qflock.core.errors import UserError
from qflock.runs import zoo
from tests.marks import IN_CI

NAMES = [entry["name"] for entry in zoo.listing()]


def about(name: str) -> dict:
    return next(entry for entry in zoo.listing() if entry["name"] == name)


def everything() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in zoo.FOLDER.rglob("*")}


def test_the_zoo_is_small_and_says_where_each_policy_comes_from() -> None:
    assert {"zoo:gridworld25/qmix", "zoo:two_step/qmix", "zoo:coin_game/ippo"} <= set(NAMES)
    assert sum(path.stat().st_size for path in zoo.FOLDER.rglob("*") if path.is_file()) < 600_000
    for entry in zoo.listing():
        assert entry["command"].startswith("qflock train")
        assert len(entry["commit"]) == 40
        assert entry["interval"][0] <= entry["score"] <= entry["interval"][1]
        assert entry["references"]["random"] < entry["interval"][0]


@pytest.mark.parametrize(
    "name",
    [
        "zoo:two_step/qmix",
        pytest.param("zoo:coin_game/ippo", marks=IN_CI),
        pytest.param("zoo:gridworld25/qmix", marks=IN_CI),
    ],
)
def test_a_policy_plays_within_the_interval_that_is_said_of_it(name: str) -> None:
    before = everything()
    entry = about(name)
    scored = qflock.evaluate(name, entry["episodes"], seed=100)
    low, high = entry["interval"]
    assert low <= scored["over_seeds"][entry["metric"]] <= high
    assert everything() == before


def test_a_policy_is_loaded_watched_and_listed_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything()
    policy = qflock.load("zoo:two_step/qmix")
    spec = policy.env.spec
    assert policy.act([[0.0] * spec.observation] * spec.agents).shape == (spec.agents,)
    assert main(["watch", "zoo:two_step/qmix", "-o", str(tmp_path / "play.gif")]) == 0
    capsys.readouterr()
    assert main(["list", "zoo", "--json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)["zoo"]] == NAMES
    assert everything() == before


def test_an_export_lands_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    qflock.export("zoo:two_step/qmix")
    assert (tmp_path / "qmix-two_step-seed0.npz").is_file()
    assert not (zoo.FOLDER / "two_step" / "qmix" / "export").exists()


@pytest.mark.parametrize(
    "name", ["zoo:two_step/qmxi", "zoo:", "zoo:../zoo/two_step/qmix", "zoo:two_step/qmix/models"]
)
def test_a_name_that_there_is_not_has_a_close_one(name: str) -> None:
    with pytest.raises(UserError, match="unknown policy of the zoo"):
        qflock.load(name)


def test_nobody_trains_on_in_the_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    before = everything()
    assert main(["resume", "zoo:two_step/qmix", "--total_steps", "5000000"]) == 2
    assert "zoo:two_step/qmix comes with qflock" in capsys.readouterr().err
    assert everything() == before
