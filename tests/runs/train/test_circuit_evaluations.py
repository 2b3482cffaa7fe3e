"""Circuits that a run evaluates are counted, by hand and by its summary."""

import jax
import jax.numpy as jnp
import pytest

from qflock import api
from qflock.networks.circuit import Circuit
from qflock.quantum.counting import evaluations, on_device


def counted(function, *arguments, how=evaluations):
    return how(jax.make_jaxpr(function)(*arguments).jaxpr)


@pytest.mark.parametrize("settings", [{"qubits": 2}, {"qubits": 2, "encoding": "amplitude"}])
def test_batches_loops_and_gradients_count_each_input_once(settings):
    net = Circuit(4, 3, layers=1, key=jax.random.key(0), **settings)
    x = jnp.ones((5, 6, 4))
    batch = lambda net, x: jax.vmap(jax.vmap(net))(x).sum()
    assert counted(batch, net, x) == 30
    assert counted(jax.grad(batch), net, x) == 30
    looped = lambda net, x: jax.lax.scan(lambda c, _: (c + batch(net, x), None), 0.0, None, length=7)
    assert counted(jax.jit(looped), net, x) == 210


@pytest.mark.parametrize(
    ("settings", "rotations"),
    [({}, 2 * 2 * 3 + 2 * 3), ({"encoding": "amplitude"}, 2 * 2 * 3)],
)
def test_a_device_takes_two_more_evaluations_for_each_rotation_of_a_gradient(settings, rotations):
    net = Circuit(4, 3, qubits=2, layers=1, key=jax.random.key(0), **settings)
    x = jnp.ones((5, 6, 4))
    batch = lambda net, x: jax.vmap(jax.vmap(net))(x).sum()
    assert counted(batch, net, x, how=on_device) == 30
    assert counted(jax.grad(batch), net, x, how=on_device) == 30 * (1 + 2 * rotations)
    twice = lambda net, x: jax.lax.scan(lambda c, _: (jax.grad(batch)(net, x), None), net, None, length=2)
    assert counted(twice, net, x, how=on_device) == 60 * (1 + 2 * rotations)


def test_a_network_without_circuits_has_none():
    assert counted(lambda x: x @ x, jnp.ones((3, 3))) == 0


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_summary_counts_acting_and_learning(tmp_path):
    small = {"network": "circuit", "circuit_qubits": 2, "circuit_layers": 1, "final_episodes": 8}
    run = {"total_steps": 640, "eval_interval": 0, "quiet": True, "hidden": (4,), "copies": 8, "steps": 8}
    ppo = {"epochs": 2, "minibatches": 2, "critic_network": "mlp", "log_interval": 128}
    told = api.train("ippo", "two_step", run_dir=tmp_path / "run", **small, **run, **ppo)
    updates = told["env_steps"] // 64 + (told["env_steps"] % 64 > 0)
    found, agents = told["circuit_evaluations"], 2
    # Acting: 8 copies x 8 ticks. Learning: 9 rows (the last for its value's sake) x 8 copies, twice.
    assert found % (agents * (64 + 2 * 72)) == 0
    assert found // (agents * (64 + 2 * 72)) >= updates
    # Learning moves 2 x 2 x 3 angles and 2 x 3 angles of features; a gradient asks for each twice.
    assert told["device_evaluations"] == found + found * (2 * 72) // (64 + 2 * 72) * 2 * 18
    # H; 3 rotations; CZ; 3 of features and 3 trained ones.
    taken = {"qubits": 2, "circuit_depth": 11, "two_qubit_gates": 1, "circuits_per_decision": 1}
    assert {name: told[name] for name in taken} == taken

    told = api.train("ippo", "two_step", run_dir=tmp_path / "other", **run, final_episodes=8)
    assert "circuit_evaluations" not in told
