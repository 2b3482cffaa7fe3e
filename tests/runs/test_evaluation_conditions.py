"""A run's circuits are scored as a device would play them: with shots and noise."""

import pytest

from qflock import api
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


def test_a_policy_without_circuits_is_refused(tmp_path):
    small = {"total_steps": 200, "eval_interval": 0, "final_episodes": 8, "hidden": (4,)}
    run = api.train("vdn", "two_step", quiet=True, run_dir=tmp_path / "mlp", **small)["run"]
    with pytest.raises(UserError, match="made of circuits"):
        evaluation.evaluate_run(run, 4, conditions=Conditions(shots=10))
