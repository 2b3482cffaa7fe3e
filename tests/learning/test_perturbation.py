"""Gradients by simultaneous perturbation."""

import jax
import jax.numpy as jnp
import numpy as np

from qflock.learning import perturbation


def test_the_mean_over_directions_is_the_gradient_of_a_quadratic():
    """Of a quadratic the difference to both sides is exact along a direction, whatever its length."""
    matrix = jax.random.normal(jax.random.key(0), (5, 5))
    value = lambda w: (
        jnp.concatenate([w["a"], w["b"]]) @ matrix @ jnp.concatenate([w["a"], w["b"]]),
        w["a"][0],
    )
    at = {"a": jnp.array([1.0, -2.0]), "b": jnp.array([0.5, 0.0, 3.0])}
    one = lambda key: perturbation.gradient(value, at, key, 0.3)
    slopes, told = jax.vmap(one)(jax.random.split(jax.random.key(1), 20_000))
    wanted = jax.grad(lambda w: value(w)[0])(at)
    for found, exact in zip(jax.tree.leaves(slopes), jax.tree.leaves(wanted), strict=True):
        assert (np.abs(found.mean(0) - exact) < 5 * found.std(0) / 20_000**0.5).all()
    np.testing.assert_allclose(told, 1.0, atol=1e-6)  # the mean of both sides


def test_one_weight_has_its_own_slope():
    slope, _ = perturbation.gradient(lambda w: (w**2, ()), jnp.float32(3.0), jax.random.key(0), 0.5)
    np.testing.assert_allclose(slope, 6.0, rtol=1e-6)
