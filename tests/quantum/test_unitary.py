"""The one-matrix way of amplitude circuits against the state-vector way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.quantum import simulate, unitary
from qflock.quantum.circuit import Circuit


@pytest.mark.parametrize("entangler", ["cz", "cnot"])
@pytest.mark.parametrize("entanglement", ["ring", "all", "none"])
def test_equals_the_state_vector(entangler, entanglement):
    circuit = Circuit(3, 2, "amplitude", entangler=entangler, entanglement=entanglement)
    parameters = simulate.init(circuit, jax.random.key(0))
    inputs = jax.random.normal(jax.random.key(1), (5, 8))
    wanted = jax.vmap(lambda x: simulate.expectations(circuit, parameters, x))(inputs)
    found = jax.vmap(lambda x: unitary.expectations(circuit, parameters, x))(inputs)
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_the_matrix_is_unitary_and_short_features_are_padded():
    circuit = Circuit(4, 3, "amplitude")
    parameters = simulate.init(circuit, jax.random.key(0))
    real, imaginary = unitary.columns(circuit, parameters, 16)
    matrix = np.asarray(real) + 1j * np.asarray(imaginary)
    np.testing.assert_allclose(matrix.conj().T @ matrix, np.eye(16), atol=1e-5)
    short = jnp.array([0.5, -1.0, 2.0])
    wanted = simulate.expectations(circuit, parameters, jnp.pad(short, (0, 13)))
    np.testing.assert_allclose(unitary.expectations(circuit, parameters, short), wanted, atol=2e-6)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_gradients_agree():
    circuit = Circuit(3, 2, "amplitude")
    parameters = simulate.init(circuit, jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (8,))
    by = lambda way: jax.grad(lambda p: way(circuit, p, x)[0])(parameters).angles
    np.testing.assert_allclose(by(unitary.expectations), by(simulate.expectations), atol=1e-5)


def test_only_amplitude_circuits_fit():
    assert unitary.fits(Circuit(6, 5, "amplitude"))
    assert not unitary.fits(Circuit(6, 5, "angle"))
    assert not unitary.fits(Circuit(9, 1, "amplitude"))
