"""The noise curve of a policy: what is asked, what is left in the folder, and what is refused."""

import csv
import json
from pathlib import Path

import pytest

from qflock import api
from qflock.commands import main
from qflock.runs import noise_curve

SMALL = {"total_steps": 64, "num_envs": 4, "num_steps": 8, "minibatches": 2, "eval_interval": 0}
CIRCUIT = {"network": "circuit", "circuit_qubits": 2, "circuit_layers": 1}


def trained(place, **settings):
    told = api.train(
        "ippo", "two_step", quiet=True, run_dir=place, final_episodes=8, hidden=(4,), **SMALL, **settings
    )
    return told["run"]


def test_the_interval_is_that_of_the_mean_over_all_episodes():
    each = [
        {"return_mean": 2.0, "return_std": 3.0, "episodes": 100},
        {"return_mean": 4.0, "return_std": 4.0, "episodes": 100},
    ]
    low, high = noise_curve.interval(each)
    assert (low + high) / 2 == pytest.approx(3.0)
    assert high - low == pytest.approx(2 * 1.96 * 0.25)  # the root of 9 + 16 over 10 and the 2 seeds


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_curve_of_six_levels_is_written_drawn_and_printed(tmp_path, capsys):
    run = trained(tmp_path / "run", **CIRCUIT, seeds=2)
    asked = ["evaluate", run, "--episodes", "8", "--trajectories", "4", "--noise_curve", "--device", "cpu"]
    assert main([*asked, "--noise", "bit_flip:0.5"]) == 0
    out = capsys.readouterr().out
    assert "8 greedy episodes for each seed and level" in out
    with (tmp_path / "run" / "noise_curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    levels = [0.0, 0.005, 0.015, 0.05, 0.15, 0.5]
    assert [float(row["probability"]) for row in rows] == [p for p in levels for _ in range(2)]
    assert {row["noise"] for row in rows} == {"bit_flip"}
    assert (tmp_path / "run" / "noise_curve.png").stat().st_size > 0
    assert main(["evaluate", run, "--episodes", "8", "--json", "--device", "cpu"]) == 0
    exact = json.loads(capsys.readouterr().out)["per_seed"]
    assert [float(row["return_mean"]) for row in rows[:2]] == [row["return_mean"] for row in exact]


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(
    ("typed", "said"),
    [("--noise_curve", "there is no circuit in it"), ("--price_per_shot 1 --shots 5", "made of circuits")],
)
def test_a_classical_policy_has_neither_curve_nor_price(tmp_path, capsys, typed, said):
    run = trained(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    assert main(["evaluate", run, "--episodes", "8", *typed.split()]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.ci_slow
def test_the_price_is_that_of_the_rate(tmp_path, capsys):
    run = trained(tmp_path / "run", **CIRCUIT, critic_network="mlp")
    typed = ["evaluate", run, "--episodes", "8", "--device", "cpu", "--price_per_shot", "0.01"]
    assert main([*typed, "--price_per_circuit", "0.5", "--shots", "10", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["circuits"]
    assert (told["qubits"], told["circuits_per_decision"], told["two_qubit_gates"]) == (2, 1, 1)
    assert told["price"]["decision"] == pytest.approx(0.6)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert told["measurements"]["training"] == 10 * summary["device_evaluations"]
    assert told["price"]["training"] == pytest.approx(0.6 * summary["device_evaluations"])
    assert main(typed) == 2
    assert "give --shots" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--price_per_shot -1", "price_per_shot is -1; it must not be negative"),
        ("--noise_curve --noise depolarizing:0", "above 0"),
        ("--noise_curve --price_per_shot 1", "a noise curve has no price"),
        ("--noise_curves", "did you mean --noise_curve?"),
    ],
)
def test_wrong_input_is_one_line(capsys, typed, said):
    run = str(Path(__file__).parents[1] / "old_runs" / "circuit")
    assert main(["evaluate", run, *typed.split()]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
