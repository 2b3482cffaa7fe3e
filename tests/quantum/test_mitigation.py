"""Extrapolation to no noise and inverted read-out errors, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.networks.circuit import Circuit as Network
from qflock.networks.circuit import Conditions, changed
from qflock.quantum import mitigation, noise, simulate
from qflock.quantum.circuit import Circuit
from qflock.quantum.noise import Noise


@pytest.mark.parametrize("scales", [(1, 2), (1, 2, 3), (1.0, 1.5, 2.5, 4.0)])
def test_a_polynomial_is_extrapolated_exactly(scales):
    """Of as many coefficients as scales; one more is left over."""
    at = np.array(scales)
    coefficients = np.arange(1.0, len(scales) + 1)
    values = np.polynomial.polynomial.polyval(at, coefficients)
    found = mitigation.extrapolated(jnp.asarray(values[:, None], jnp.float32), scales)
    np.testing.assert_allclose(found, coefficients[:1], rtol=1e-4)
    further = mitigation.richardson(scales) @ at.astype(float) ** len(scales)
    np.testing.assert_allclose(further, (-1) ** (len(scales) + 1) * at.prod(), rtol=1e-6)


def test_the_weights_of_1_2_3_are_those_of_the_literature():
    np.testing.assert_allclose(mitigation.richardson((1, 2, 3)), [3, -3, 1])


@pytest.mark.parametrize(("kind", "most"), [("depolarizing", 0.75), ("bit_flip", 0.5), ("phase_flip", 0.5)])
def test_scaled_noise_is_noise_that_acts_again(kind, most):
    """Twice the channel: an error, and then another one that may undo it (flips), or hit the same Pauli."""
    p = 0.1
    found = mitigation.amplified(Noise(kind, p), 2).probability
    undone = p * p / 3 if kind == "depolarizing" else p * p
    together = p * p * 2 / 3 if kind == "depolarizing" else 0.0  # two different Paulis make the third
    assert found == pytest.approx(2 * p * (1 - p) + together)
    assert 1 - found == pytest.approx((1 - p) ** 2 + undone)
    assert mitigation.amplified(Noise(kind, p), 1).probability == pytest.approx(p)
    assert mitigation.amplified(Noise(kind, most), 3).probability == pytest.approx(most)


def test_extrapolation_brings_a_rotated_qubit_back():
    """One qubit, flips after two rotations: <Z> shrinks by (1 - 2 p)^2 at scale 1, ^4 at 2, ^6 at 3."""
    circuit = Circuit(1, 1, rotations="z", encoded="z", entanglement="none")
    parameters = simulate.Parameters(jnp.zeros((2, 1, 1)), jnp.zeros((1, 1, 1)))
    channel, scales = Noise("bit_flip", 0.05), (1, 2, 3)

    def at(scale):
        scaled = mitigation.amplified(channel, scale)
        return noise.expectations(
            circuit, parameters, jnp.zeros((1, 1)), jax.random.key(scale), scaled, trajectories=20_000
        )

    found = mitigation.extrapolated(jnp.stack([at(scale) for scale in scales]), scales)[0]
    wanted = mitigation.richardson(scales) @ 0.9 ** (2 * np.array(scales))
    assert found == pytest.approx(wanted, abs=5 * 19**0.5 / 20_000**0.5)
    assert abs(1 - wanted) < 0.01 < 0.1 < 1 - 0.9**2


def test_a_network_under_conditions_extrapolates():
    network = Network(2, 2, key=jax.random.key(0), qubits=2, layers=1)
    x, channel = jnp.ones(2), Noise("depolarizing", 0.05)

    def error(scales):
        under = Conditions(noise=channel, trajectories=4000, zero_noise=scales)
        measured = changed(network, conditions=under, key=jax.random.key(1))
        return np.abs(measured(x) - network(x)).max()

    assert error((1, 2, 3)) < error(()) / 2


def test_misread_qubits_are_read_back():
    """Against the whole matrix, a product over qubits, and back."""
    flips = np.array([[0.02, 0.05], [0.1, 0.0], [0.03, 0.2]])
    chances = jax.random.dirichlet(jax.random.key(0), jnp.ones(8))
    each = [np.array([[1 - up, down], [up, 1 - down]]) for up, down in flips]
    whole = np.kron(np.kron(each[0], each[1]), each[2])
    read = mitigation.read_out(chances, flips)
    np.testing.assert_allclose(read, whole @ chances, rtol=1e-5)
    np.testing.assert_allclose(mitigation.read_out(read, flips, invert=True), chances, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: mitigation.richardson((1,)),
        lambda: mitigation.richardson((1, 1, 2)),
        lambda: mitigation.amplified(Noise("bit_flip", 0.6), 2),
        lambda: mitigation.amplified(Noise("bit_flip", 0.1), -1),
        lambda: mitigation.read_out(jnp.ones(4) / 4, np.zeros((3, 2))),
        lambda: mitigation.read_out(jnp.ones(2) / 2, np.array([[0.5, 0.5]]), invert=True),
        lambda: Conditions(zero_noise=(1, 2)),
        lambda: Conditions(noise=Noise("bit_flip", 0.1), zero_noise=(1,)),
    ],
)
def test_what_cannot_be_is_one_line(wrong):
    with pytest.raises(UserError) as refused:
        wrong()
    assert "\n" not in str(refused.value)
