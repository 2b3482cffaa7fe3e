"""Trainability: closed forms of its numbers, and a barren plateau that is seen."""

import jax
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.quantum import trainability
from qflock.quantum.circuit import Circuit
from qflock.quantum.trainability import BINS, Trainability, expressibility, fidelities, haar, meyer_wallach


def product(qubits, seed=0):
    rng = np.random.default_rng(seed)
    state = np.ones(1, complex)
    for _ in range(qubits):
        one = rng.normal(size=2) + 1j * rng.normal(size=2)
        state = np.kron(state, one / np.linalg.norm(one))
    return state


def haar_random(count, qubits, seed=0):
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(count, 2**qubits)) + 1j * rng.normal(size=(count, 2**qubits))
    return states / np.linalg.norm(states, axis=-1, keepdims=True)


@pytest.mark.parametrize("qubits", [1, 2, 3, 5])
def test_products_are_not_entangled(qubits):
    assert meyer_wallach(product(qubits)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("qubits", [2, 3, 5])
def test_a_ghz_state_is_entangled_whole_and_a_w_state_as_it_is_known(qubits):
    ghz, w = np.zeros((2, 2**qubits))
    ghz[[0, -1]] = 2**-0.5
    w[2 ** np.arange(qubits)] = qubits**-0.5
    # Each qubit of W is 1 with probability 1 / n, without coherence.
    purity = (1 / qubits) ** 2 + (1 - 1 / qubits) ** 2
    np.testing.assert_allclose(meyer_wallach(np.stack([ghz, w])), [1, 2 * (1 - purity)], atol=1e-12)


@pytest.mark.parametrize("qubits", [2, 3])
def test_haar_random_states_have_the_known_mean_entanglement(qubits):
    size = 2**qubits
    mean = meyer_wallach(haar_random(4000, qubits)).mean()
    assert mean == pytest.approx((size - 2) / (size + 1), abs=0.01)


@pytest.mark.parametrize("qubits", [1, 2, 4, 8])
def test_a_circuit_that_makes_one_state_has_the_divergence_of_the_last_bin(qubits):
    """All fidelities are 1; of Haar-random states (1 / bins)^(N - 1) are in the last bin."""
    np.testing.assert_allclose(
        expressibility(np.ones(50), qubits), (2**qubits - 1) * np.log(BINS), rtol=1e-12
    )
    assert np.exp(haar(qubits)).sum() == pytest.approx(1)


@pytest.mark.parametrize("qubits", [1, 3])
def test_haar_random_states_are_expressible_up_to_the_bias_of_few_pairs(qubits):
    states = haar_random(20_000, qubits)
    assert expressibility(fidelities(states[:10_000], states[10_000:]), qubits) < 2 * BINS / 20_000


def test_few_circuits_are_refused():
    with pytest.raises(UserError, match="draw at least 2"):
        trainability.study(Circuit(2, 1), 1, jax.random.key(0))


def test_the_decay_is_the_slope_of_the_logarithms_of_the_deepest():
    row = lambda qubits, layers, whole: Trainability(qubits, layers, 0.5, whole, 1.0, 0.5)
    found = [row(2, 1, 9.0), row(2, 4, 1 / 4), row(4, 4, 1 / 16), row(6, 4, 1 / 64)]
    assert trainability.decay(found, "whole") == pytest.approx(2)
    assert trainability.decay(found, "local") == pytest.approx(1)
    assert trainability.decay(found[:2], "whole") is None


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("qubits", [1, 3])
def test_the_variances_of_products_are_those_in_closed_form(qubits):
    """Two turns about y around one about z by nothing: each Z is the cosine of a sum of uniform angles.

    Its derivative by each of the own qubit's angles has variance 1/2, by others' 0; of the product of all Z
    any derivative has 2^-n.
    """
    circuit = Circuit(qubits, 1, rotations="y", encoded="z", squash="none", entanglement="none", start="zero")
    still = lambda key: trainability.study(circuit, 4000, key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.random, "normal", lambda key, shape: jax.numpy.zeros(shape))
        found = still(jax.random.key(0))
    assert found.local == pytest.approx(0.5 / qubits, rel=0.05)
    assert found.whole == pytest.approx(0.5**qubits, rel=0.1)
    assert found.entanglement == pytest.approx(0, abs=1e-5)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_deep_circuits_have_a_barren_plateau_and_shallow_ones_less_of_it():
    key = jax.random.key(0)
    sizes = [(n, layers) for n in (2, 4, 6) for layers in (1, 16)]
    found = [trainability.study(Circuit(n, layers, start="plus"), 300, key) for n, layers in sizes]
    assert trainability.decay(found, "local") > 1.5
    assert trainability.decay(found, "whole") > 1.5
    shallow = [each for each in found if each.layers == 1]
    assert trainability.decay(shallow, "local") < trainability.decay(found, "local")
    deep = [each for each in found if each.layers == 16]
    for each in deep:  # as entangled as Haar-random states
        size = 2**each.qubits
        assert each.entanglement == pytest.approx((size - 2) / (size + 1), abs=0.05)
