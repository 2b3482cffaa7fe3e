"""Circuits that are measured while they train: who draws what, what it comes to, and what is refused."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock import api
from qflock.algorithms.qmarl.config import QmarlConfig
from qflock.core.errors import UserError
from qflock.files import csv_log
from qflock.learning import optimiser
from qflock.learning.descend import descend
from qflock.networks.circuit import Circuit
from qflock.quantum import conditions
from qflock.quantum.conditions import Conditions, Training
from qflock.search.scoring import fingerprint

NETWORK = Circuit(2, 2, key=jax.random.key(0), qubits=2, layers=1)
SHOTS = Training(Conditions(shots=20))
SMALL = {
    "network": "circuit",
    "circuit_qubits": 2,
    "circuit_layers": 1,
    "final_episodes": 4,
    "eval_interval": 0,
}


def test_every_example_is_measured_by_itself_and_means_are_exact():
    """On all axes of a batch, and at each place in the program; outside of the block values are exact."""
    x = jnp.ones((40, 30, 2))

    def values(key):
        of = jax.vmap(jax.vmap(NETWORK))
        with conditions.training(SHOTS, key):
            measured = of(x), of(x)
        return *measured, of(x)

    one, two, exact = jax.jit(values)(jax.random.key(1))
    for batch in (one, two):
        flat = np.asarray(batch)[..., 0]
        assert (flat.std(0) > 0).all(), "examples of the first axis share no draws"
        assert (flat.std(1) > 0).all(), "nor do those of the second"
        error = (1 - np.square(exact[0, 0])).clip(0.01) ** 0.5 / (20 * 1200) ** 0.5
        assert (np.abs(np.asarray(batch).mean((0, 1)) - exact[0, 0]) < 5 * error).all()
    assert (one != two).any()
    assert (exact == exact[0, 0]).all()


def test_every_network_of_a_team_is_measured_by_itself():
    team = jax.vmap(lambda k: Circuit(2, 2, key=k, qubits=2, layers=1))(jnp.stack([jax.random.key(0)] * 8))
    with conditions.training(SHOTS, jax.random.key(1)):
        found = jax.vmap(lambda network: network(jnp.ones(2)))(team)
    assert len(np.unique(found[:, 0])) > 1


def test_every_gradient_step_measures_anew():
    """In a loop that is traced once; without a step size nothing else changes."""
    still = SimpleNamespace(lr=0.0, lr_final=1.0, lr_decay=0, weight_decay=0.0, max_grad_norm=1.0)
    cost = lambda network, c, batch: ((total := jax.vmap(network)(batch).sum()), {"total": total})
    descent = descend(cost, optimiser.build(still))

    def steps(key):
        def one(carry, _):
            *carry, metrics = descent.step(*carry, (), jnp.ones((4, 2)), jnp.int32(0))
            return tuple(carry), metrics["total"]

        with conditions.training(SHOTS, key):
            return jax.lax.scan(one, (NETWORK, descent.init(NETWORK)), None, 12)[1]

    totals = np.asarray(jax.jit(steps)(jax.random.key(0)))
    assert len(np.unique(totals)) > 4
    assert (np.asarray(jax.jit(steps)(jax.random.key(0))) == totals).all(), "a key decides it all"


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(("gradient", "of_learning"), [("shift", 72 + 72 * 24), ("spsa", 2 * 72)])
def test_measurements_are_those_counted_by_hand(tmp_path, gradient, of_learning):
    """An update of A2C: 4 copies, 8 steps, 2 agents act by 64 evaluations; 9 rows are learnt from. The
    circuit has 4 merged gates, and parameter shift measures both sides of three axes of each: 24."""
    length = {"num_envs": 4, "num_steps": 8, "total_steps": 96, "log_interval": 32}
    settings = {"circuit_gradient": gradient, "circuit_shots": 3, **length, **SMALL}
    found = api.train("a2c", "two_step", quiet=True, run_dir=tmp_path / "run", **settings)
    update = 3 * (64 + of_learning)
    logged = csv_log.read(tmp_path / "run" / "training_log.csv")["measurements"]
    np.testing.assert_array_equal(logged, update * (1 + np.arange(len(logged))))
    assert found["measurements"] == update * len(logged)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_search_measures_what_it_plays(tmp_path):
    settings = {
        "estimator": "penalty", "distil_steps": 0, "n_chains": 2, "episodes": 4, "held_out": 8, "sweep": 3,
        "n_mcmc_steps": 6, "warmup": 2,
    }  # fmt: skip
    place = tmp_path / "run"
    found = api.train("qmarl", "two_step", quiet=True, run_dir=place, circuit_shots=5, **settings, **SMALL)
    calls = 2 * 2  # of a network in an episode: agents and steps
    update = 2 * 2 * 3 * 4 + 2 * 8 + 2 * 4  # scorings of chains, challenges, and for the log
    assert found["measurements"] == pytest.approx(2 * 5 * calls * update)


def test_other_policies_have_other_measurements_of_the_same_scenarios():
    theta = {"a": jnp.arange(3.0), "b": jnp.ones((2, 2))}
    prints = [fingerprint(jax.tree.map(lambda x, k=k: x.at[0].add(k * 1e-6), theta)) for k in range(3)]
    assert len({int(x) for x in prints}) == 3
    assert fingerprint(theta) == prints[0]


@pytest.mark.parametrize(
    ("algorithm", "changes", "message"),
    [
        ("vdn", {"circuit_shots": 10}, "add --network circuit"),
        ("a2c", {"network": "circuit", "circuit_noise": "depolarising:0.1"}, "noise"),
        ("a2c", {"network": "circuit", "circuit_shots": 10, "devices": 2}, "one device"),
        ("a2c", {"circuit_shots": -1}, "circuit_shots is -1"),
        ("a2c", {"network": "circuit", "circuit_shots": 4, "circuit_encoding": "amplitude"}, "shots have no"),
        ("qmarl", {"circuit_shots": 10}, "take estimator penalty"),
        ("qmarl", {"circuit_gradient": "spsa"}, "sampler spsa"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(tmp_path, algorithm, changes, message):
    with pytest.raises(UserError, match=message) as refused:
        api.train(algorithm, "two_step", quiet=True, run_dir=tmp_path / "run", total_steps=64, **changes)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_search_may_be_measured():
    found = QmarlConfig(circuit_shots=10, estimator="penalty", distil_steps=0).training()
    assert found == Training(Conditions(10, trajectories=10))
