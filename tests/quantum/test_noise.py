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
from tests.marks import IN_CI
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


@pytest.mark.parametrize(("shots", "trajectories"), [(1, 100), (7, 3)])
def test_shots_under_noise_are_as_many_as_were_asked_for(shots, trajectories):
    """A mean of so many measurements of +1 and -1 is an odd number of them, and no other number."""
    parameters, inputs = drawn(CIRCUIT)
    one = lambda k: noise.expectations(
        CIRCUIT, parameters, inputs, k, Noise("bit_flip", 0.3), shots, trajectories
    )
    found = shots * np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 64)))
    np.testing.assert_allclose(found, np.round(found), atol=1e-4)
    assert (np.round(found) % 2 == 1).all()
    assert (np.abs(found) <= shots + 1e-4).all()


@pytest.mark.parametrize(
    "channel",
    [pytest.param(noise.NONE, id="shots"), pytest.param(Noise("depolarizing", 0.2), id="noise", marks=IN_CI)],
)
def test_gradients_of_shots_are_those_of_what_they_measure(channel):
    """Parameter shift: the mean over many keys is the gradient of the exact value under the same channel."""
    circuit = Circuit(2, 1, rotations="xy", encoded="y")
    given = drawn(circuit)
    weights = jnp.array([1.0, -0.5])

    def slopes(shots, trajectories, draws):
        value = lambda given, k: (
            noise.expectations(circuit, *given, k, channel, shots, trajectories) @ weights
        )
        slope = jax.jit(jax.vmap(jax.grad(value), (None, 0)))
        each = slope(given, jax.random.split(jax.random.key(0), draws))
        return [np.asarray(x).reshape(draws, -1) for x in jax.tree.leaves(each)]

    for measured, wanted in zip(slopes(64, 4, 200), slopes(None, 2000, 2), strict=True):
        error = measured.std(0) / 200**0.5
        assert (measured.std(0) > 0).any()
        assert (np.abs(measured.mean(0) - wanted.mean(0)) < 5 * error + 0.05).all()


def test_a_gradient_that_shots_cannot_have_is_refused_in_one_line():
    circuit = Circuit(2, 1, "amplitude")
    parameters, inputs = drawn(circuit)
    value = lambda p, x: noise.expectations(circuit, p, x, jax.random.key(0), shots=8).sum()
    assert np.abs(jax.jit(jax.grad(value))(parameters, inputs).angles).max() > 0
    with pytest.raises(UserError, match="shots have no gradient by the amplitudes") as refused:
        jax.grad(value, 1)(parameters, inputs)
    assert "\n" not in str(refused.value)
