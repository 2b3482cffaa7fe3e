"""Shots and noisy trajectories converge to what they stand for."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.quantum import noise, simulate
from qflock.quantum.circuit import Circuit
from qflock.quantum.noise import Noise
from tests.quantum.test_simulate import drawn

CIRCUIT = Circuit(3, 2)


def test_shots_converge_to_the_exact_values():
    parameters, inputs = drawn(CIRCUIT)
    exact = simulate.expectations(CIRCUIT, parameters, inputs)
    one = jax.jit(lambda k: noise.expectations(CIRCUIT, parameters, inputs, k, shots=100))
    found = jax.vmap(one)(jax.random.split(jax.random.key(0), 400))
    error = np.sqrt((1 - np.asarray(exact) ** 2) / 100)
    np.testing.assert_allclose(found.mean(0), exact, atol=5 * float(error.max()) / 20)
    np.testing.assert_allclose(found.std(0), error, rtol=0.2)


def test_one_shot_is_plus_or_minus_one():
    parameters, inputs = drawn(CIRCUIT)
    found = noise.expectations(CIRCUIT, parameters, inputs, jax.random.key(1), shots=1)
    assert set(np.abs(np.asarray(found))) == {1.0}


@pytest.mark.parametrize("kind", ["depolarizing", "bit_flip"])
def test_one_qubit_shrinks_by_the_closed_form(kind):
    """A channel after each of two rotations: <Z> shrinks by 1 - 4p/3, or 1 - 2p, at each."""
    circuit = Circuit(1, 1, rotations="z", encoded="z", entanglement="none")
    parameters = simulate.Parameters(jnp.zeros((2, 1, 1)), jnp.zeros((1, 1, 1)))
    run = lambda k: noise.expectations(
        circuit, parameters, jnp.zeros((1, 1)), k, Noise(kind, 0.3), trajectories=4000
    )[0]
    shrink = 1 - 4 * 0.3 / 3 if kind == "depolarizing" else 1 - 2 * 0.3
    assert abs(float(jax.jit(run)(jax.random.key(0))) - shrink**2) < 5 / np.sqrt(4000)


def test_without_noise_and_shots_values_are_exact():
    parameters, inputs = drawn(CIRCUIT)
    found = noise.expectations(CIRCUIT, parameters, inputs, jax.random.key(0))
    np.testing.assert_array_equal(found, simulate.expectations(CIRCUIT, parameters, inputs))


def test_noise_is_read_from_the_command_line():
    assert noise.parse("depolarizing:0.01") == Noise("depolarizing", 0.01)
    for wrong in ("depolarizing", "depolarising:0.01", "bit_flip:2", "bit_flip:x"):
        with pytest.raises(UserError, match=r"^[^\n]+$"):
            noise.parse(wrong)


def test_shots_and_starts_need_memory_of_states_and_not_of_matrices():
    """12 qubits: a state is 16 KiB, a matrix of signs 64 MiB."""
    circuit = Circuit(12, 1)
    parameters, inputs = drawn(circuit)
    tracemalloc.start()
    jax.make_jaxpr(lambda k: noise.expectations(circuit, parameters, inputs, k, shots=10))(jax.random.key(0))
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()
