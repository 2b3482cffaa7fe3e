"""A run's circuits are scored as a device would play them: with shots and noise."""

import json

import pytest

from qflock import api
from qflock.commands import main
from qflock.core.errors import UserError
from qflock.networks.circuit import Conditions
from qflock.quantum.noise import Noise
from qflock.runs import evaluation

pytestmark = [pytest.mark.slow, pytest.mark.ci_slow]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "one"
    small = {"total_steps": 200, "eval_interval": 0, "final_episodes": 8, "hidden": (4,)}
    circuit = {"network": "circuit", "circuit_qubits": 2, "circuit_layers": 1, "seeds": 2}
    return api.train("vdn", "two_step", quiet=True, run_dir=place, **small, **circuit)["run"]


def test_exact_conditions_change_nothing_and_noise_does(run):
    scores = lambda conditions: evaluation.evaluate_run(run, 64, conditions=conditions)["per_seed"]
    exact = scores(None)
    assert scores(Conditions()) == exact
    noisy = scores(Conditions(shots=1, noise=Noise("depolarizing", 0.5), trajectories=1))
    assert [row["seed"] for row in noisy] == [0, 1]
    assert all(row["return_std"] > 0 for row in noisy), "every action is drawn by a measurement"
    assert all(row["return_std"] == 0 for row in exact)


def test_measurements_of_a_decision_are_told(run, capsys):
    assert main(["evaluate", str(run), "--episodes", "2", "--shots", "7", "--noise", "bit_flip:0.1"]) == 0
    assert "7 measurement(s) for each decision of an agent" in capsys.readouterr().out


def test_a_policy_without_circuits_is_refused(tmp_path):
    small = {"total_steps": 200, "eval_interval": 0, "final_episodes": 8, "hidden": (4,)}
    run = api.train("vdn", "two_step", quiet=True, run_dir=tmp_path / "mlp", **small)["run"]
    with pytest.raises(UserError, match="made of circuits"):
        evaluation.evaluate_run(run, 4, conditions=Conditions(shots=10))


@pytest.mark.parametrize("device", ["default.qubit", "default.mixed", "lightning.qubit"])
def test_a_device_with_shots_gives_scores(run, device, capsys):
    pytest.importorskip("pennylane")
    words = ["--episodes", "2", "--circuit_device", device, "--shots", "50", "--json"]
    assert main(["evaluate", str(run), *words]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert [row["episodes"] for row in scores["per_seed"]] == [2, 2]


@pytest.mark.parametrize(
    "words", ["default.qubit --noise depolarizing:0.05", "default.gaussian", "null.qubit"]
)
def test_what_a_device_cannot_do_ends_the_command_in_one_line(run, words, capsys):
    pytest.importorskip("pennylane")
    assert main(["evaluate", str(run), "--episodes", "2", "--circuit_device", *words.split()]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"qflock: PennyLane's {words.split()[0]} ")
    assert said.count("\n") == 1
