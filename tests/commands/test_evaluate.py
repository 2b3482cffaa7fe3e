"""``qflock evaluate`` says so where a policy plays otherwise greedily than by chance."""

import pytest

from qflock import api
from qflock.commands import evaluate
from qflock.runs import evaluation

GREEDY = {"episodes": 64, "return_mean": 92.0, "return_std": 8.0, "coverage": 0.23}


def result(**sampled):
    scores = {"per_seed": [{"seed": 0, **GREEDY}], "over_seeds": GREEDY, "references": {}}
    by_chance = {"sampled": {"over_seeds": {**GREEDY, **sampled}}} if sampled else {}
    return {
        "run": "runs/one",
        "episodes": 64,
        "mode": "greedy",
        "checkpoint": "final",
        "execution": "decentralised",
        **scores,
        **by_chance,
    }


def test_scores_that_differ_by_more_than_their_interval_are_both_printed(capsys):
    evaluate._show(result(return_mean=324.0, coverage=0.81))
    said = capsys.readouterr().out
    assert "by chance, as in training, it has return_mean 324, coverage 0.81; greedily return_mean 92" in said
    for alike in (result(return_mean=93.0), result()):
        evaluate._show(alike)
        assert "by chance" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(("algorithm", "by_chance"), [("ippo", True), ("vdn", False)])
def test_both_are_played_where_a_policy_trains_by_chance(tmp_path, algorithm, by_chance):
    small = {"total_steps": 200, "eval_interval": 0, "final_episodes": 8, "hidden": (4,)}
    summary = api.train(algorithm, "two_step", quiet=True, run_dir=tmp_path / "run", **small)
    run = summary["run"]
    found = evaluation.evaluate_run(run, 64, both=True)
    assert ("sampled" in found) is ("sampled" in summary) is by_chance
    if by_chance:
        assert summary["sampled"] == evaluation.evaluate_run(run, 8, both=True)["sampled"]
        assert found["sampled"]["per_seed"] == evaluation.evaluate_run(run, 64, "sample")["per_seed"]
