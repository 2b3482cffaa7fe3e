"""Parameters that no measured value depends on, against the gradients of circuits with random numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from qflock.networks.circuit import Circuit as Network
from qflock.quantum import inert, simulate
from qflock.quantum.circuit import Circuit, whole
from tests.quantum.test_simulate import CIRCUITS

ROUNDING = 1e-5
KINDS = [
    Circuit(3, 2, start="plus"),
    Circuit(3, 2, start="zero"),
    Circuit(3, 2, start="plus", rotations="xxyz"),
    Circuit(3, 2, start="plus", rotations="yzz", encoded="z"),
    Circuit(4, 2, start="plus", readout=((0,), (1,))),
    Circuit(4, 2, start="phi+", readout=whole(4), partitions=2),
    Circuit(4, 1, start="plus", readout=((0,),), entanglement="none"),
    Circuit(3, 2, start="plus", entangler="cnot", readout=((1,),)),
    Circuit(3, 2, encoding="amplitude", entangler="cnot"),
    Circuit(3, 1, start="plus", reupload=False, readout=((2,),)),
    Circuit(4, 2, start="plus", outcomes=2),
    Circuit(4, 2, start="plus", outcomes=2, decoding="parity"),
]


def largest(circuit):
    """The largest derivative of any measured value by each parameter, over random numbers."""

    def slopes(key):
        keys = jax.random.split(key, 3)
        angles, weights, inputs = (
            jax.random.normal(k, s)
            for k, s in zip(keys, (circuit.angles, circuit.weights, circuit.inputs), strict=True)
        )
        of = lambda given: simulate.expectations(circuit, simulate.Parameters(*given), inputs)
        return jax.tree.map(lambda x: jnp.abs(x).max(0), jax.jacrev(of)((angles, weights)))

    each = jax.vmap(slopes)(jax.random.split(jax.random.key(0), 20))
    return dict(zip(("angles", "weights"), jax.tree.map(lambda x: np.asarray(x.max(0)), each), strict=True))


@pytest.mark.parametrize("circuit", KINDS, ids=str)
def test_the_inert_ones_are_those_without_a_derivative(circuit):
    found = largest(circuit)
    for name, still in inert.parameters(circuit).items():
        np.testing.assert_array_equal(still, found[name] < ROUNDING, name)


@pytest.mark.slow
@pytest.mark.ci_slow
@settings(max_examples=10, deadline=None)
@given(circuit=CIRCUITS)
def test_none_that_matters_is_called_inert(circuit):
    found = largest(circuit)
    for name, still in inert.parameters(circuit).items():
        assert (found[name][still] < ROUNDING).all()


def test_they_do_not_move_and_the_others_do():
    """Rounding errors, which Adam makes whole steps of, are no gradient."""
    network = Network(3, 2, qubits=4, layers=2, key=jax.random.key(1))
    loss = lambda network, x: jnp.square(jax.vmap(network)(x)).sum()
    slope = jax.grad(loss)(network, jax.random.normal(jax.random.key(2), (16, 3)))
    still = inert.parameters(network.description)["angles"]
    assert still[0, :, 0].all()
    assert still[-1, 2:].all()
    np.testing.assert_array_equal(np.asarray(slope.angles) == 0, still)
