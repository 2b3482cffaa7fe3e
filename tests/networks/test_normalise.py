"""Layer normalisation against Equinox's own, and against numerical derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from qflock.networks.normalise import layer_norm


def norm_of(size, key):
    norm = eqx.nn.LayerNorm(size)
    weight, bias = jax.random.normal(key, (2, size))
    return eqx.tree_at(lambda n: (n.weight, n.bias), norm, (weight, bias))


@pytest.mark.parametrize(("size", "scale"), [(128, 1.0), (7, 100.0), (1, 1.0), (16, 1e-4)])
def test_values_are_equinoxs_and_gradients_too(size, scale):
    keys = jax.random.split(jax.random.key(size), 3)
    norm, x = norm_of(size, keys[0]), scale * jax.random.normal(keys[1], (5, size))
    wanted = jax.random.normal(keys[2], (5, size))
    values = jax.jit(jax.vmap(layer_norm, in_axes=(None, 0)))(norm, x)
    np.testing.assert_array_equal(values, jax.jit(jax.vmap(norm))(x))
    cost = lambda apply: lambda norm, x: jnp.square(jax.vmap(lambda y: apply(norm, y))(x) - wanted).sum()
    ours = jax.grad(cost(layer_norm), (0, 1))(norm, x)
    theirs = jax.grad(cost(lambda norm, y: norm(y)), (0, 1))(norm, x)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4 * float(np.abs(b).max()))


def test_gradients_are_numerical_derivatives():
    norm, x = norm_of(6, jax.random.key(0)), jax.random.normal(jax.random.key(1), (6,))
    of = lambda x, weight: layer_norm(eqx.tree_at(lambda n: n.weight, norm, weight), x)
    check_grads(of, (x, norm.weight), order=1, modes=("rev",), atol=1e-2, rtol=1e-2)
