"""Results that are trained again: the interval of new seeds, what is called false, and the command."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from qflock.commands.results import run, seconds
from qflock.core.errors import UserError
from qflock.evidence import results, verification
from tests.test_results import FOLDER

KEPT = results.read_one(FOLDER / "qmix-two_step.json")


def training(*scores):
    """A training that has these scores, and keeps what it was asked for."""
    asked = SimpleNamespace(settings=None)

    def train(settings, quiet):
        asked.settings = settings
        assert quiet
        return {"per_seed": [{KEPT["metric"]: score} for score in scores]}

    return train, asked


def result(*scores, **changes):
    known = dict(enumerate(scores))
    score = float(results.statistics.interquartile_mean(np.array(scores)[:, None]))
    return {**KEPT, "scores": {str(k): v for k, v in known.items()}, "score": score, **changes}


def test_one_in_so_many_means_of_new_seeds_falls_outside():
    generator = np.random.default_rng(0)
    outside = 0
    for _ in range(4_000):
        known, new = generator.normal(size=5), generator.normal(size=2)
        low, high = verification.prediction(known, 2, 0.05)
        outside += not low <= new.mean() <= high
    assert 0.04 < outside / 4_000 < 0.06


def test_new_seeds_and_boards_are_trained_on_one_device_without_evaluations():
    train, asked = training(2.0, 2.2)
    told = verification.verify(result(1.8, 2.0, 2.1, 1.9, 2.2), train=train)
    assert (told.fault, told.scores) == ("", {5: 2.0, 6: 2.2})
    run = asked.settings.run
    assert (run.seed, run.seeds, run.devices, run.eval_interval) == (5, 2, 1, 0)


def test_a_score_that_new_seeds_do_not_reach_does_not_hold():
    told = verification.verify(result(1.8, 2.0, 2.1, 1.9, 2.2), train=training(-9.0, -9.0)[0])
    assert told.fault.startswith("the new mean -9 is outside")


def test_a_file_whose_score_was_changed_is_called_false_without_training():
    told = verification.verify(result(1.8, 2.0, 2.1, 1.9, 2.2, score=2.3))
    assert told.fault == "the file says 2.3, and the interquartile mean of its seeds is 2"
    assert told.scores == {}


def test_two_seeds_predict_nothing():
    with pytest.raises(UserError, match="has 2 seeds; fewer than 5 predict no others"):
        verification.verify(result(1.0, 2.0))


def test_what_fits_into_the_budget_is_drawn_and_a_seed_draws_it_again():
    many = [result(1.0, 2.0, 3.0, 4.0, 5.0, name=str(k), costs={"seconds": 10.0}) for k in range(20)]
    names = lambda seed: [one["name"] for one in verification.drawn(many, 2, 100.0, seed)]
    assert len(names(0)) == 5
    assert names(0) == names(0) != names(1)


@pytest.mark.parametrize(("text", "long"), [("90s", 90), ("30m", 1800), ("1.5h", 5400)])
def test_times(text, long):
    assert seconds(text) == long


@pytest.mark.parametrize("text", ["", "3", "h", "-1h", "infh", "3 days"])
def test_what_is_no_time_is_one_line(text):
    with pytest.raises(UserError, match="give a time such as 90s, 30m or 2h"):
        seconds(text)


def test_the_command_says_what_holds_and_what_does_not(tmp_path, monkeypatch, capsys):
    for name, scores in (("good", {}), ("changed", {"score": 9.0})):
        one = result(1.8, 2.0, 2.1, 1.9, 2.2, name=name, **scores)
        (tmp_path / f"{name}.json").write_text(json.dumps(one))
    monkeypatch.setattr("qflock.runs.train.runner.train", training(2.0, 2.2)[0])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    folder = ["--folder", str(tmp_path)]
    assert run([*folder, "--verify", "good"]) == 0
    assert run([*folder, "--verify", "good", str(tmp_path / "changed.json")]) == 1
    said = capsys.readouterr().out
    assert "good: 2 stated; seeds 5, 6 now have 2, 2.2, mean in" in said
    assert "changed: 9 stated. Does not hold: the file says 9" in said
    assert run([*folder, "--verify", "good", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["scores"] == {"5": 2.0, "6": 2.2}
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_wrong_names_and_flags_are_one_line(tmp_path):
    (tmp_path / "good.json").write_text(json.dumps(result(1.0, 2.0, 3.0, 4.0, 5.0, name="good")))
    folder = ["--folder", str(tmp_path)]
    with pytest.raises(UserError, match="unknown result 'god'; did you mean 'good'"):
        run([*folder, "--verify", "god"])
    with pytest.raises(UserError, match="give one of both"):
        run([*folder, "--verify", "good", "--all"])
    with pytest.raises(UserError, match="name no runs beside them"):
        run(["runs/some", *folder, "--verify", "good"])
    with pytest.raises(UserError, match="no result fits into 1s"):
        run([*folder, "--all", "--budget", "1s"])
