"""The bound of a learner's update holds the matrix products that are in it, no more and no less."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import updates
from qflock.settings import config


def found_in(function, *arguments):
    return updates.products(jax.make_jaxpr(function)(*arguments).jaxpr)


def work(found):
    return sum(updates.flops(product) * times for product, times in found.items())


def test_a_gradients_products_are_counted_with_their_loops():
    x, w, v = jnp.ones((5, 3)), jnp.ones((3, 7)), jnp.ones((7, 2))
    cost = lambda w, v: jnp.square(jnp.tanh(x @ w) @ v).sum()
    forward = 2 * (5 * 3 * 7 + 5 * 7 * 2)
    assert work(found_in(cost, w, v)) == forward
    # backward: both layers' weights, and what goes from the second to the first
    gradient = jax.grad(cost, (0, 1))
    once = forward + 2 * (5 * 3 * 7 + 5 * 7 * 2 + 5 * 7 * 2)
    assert work(found_in(gradient, w, v)) == once
    looped = lambda w, v: jax.lax.scan(lambda c, _: (gradient(*c), None), (w, v), None, length=4)
    assert work(found_in(jax.jit(looped), w, v)) == 4 * once


def test_products_with_batch_axes_are_counted():
    a, b = jnp.ones((6, 4, 3)), jnp.ones((6, 3, 2))
    assert work(found_in(jax.vmap(jnp.matmul), a, b)) == 2 * 6 * 4 * 3 * 2


def test_the_bound_runs_each_product_as_often_as_the_update():
    x, w = jnp.ones((5, 3)), jnp.ones((3, 3))
    found = found_in(lambda x: (x @ w) @ w, x)
    run, matrices = updates.only_products(found)
    assert [out.shape for out in run(matrices)] == [(5, 3), (5, 3)]
    assert work(found_in(run, matrices)) == work(found)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_learner_is_measured():
    small = {"batch_size": 64, "train_frequency": 64, "min_buffer_size": 128, "buffer_capacity": 1024}
    given = {"env": "gridworld25", "num_envs": 8, "hidden": (8,), "target_update_interval": 64, **small}
    told = updates.measure(config.resolve("qmix", overrides=given), 2)
    assert told["ratio_to_bound"] > 0
    assert np.isclose(
        told["ratio_to_bound"], told["products_alone_ms"] / told["update_ms"], atol=0.05, rtol=0.2
    )
    assert told["gflop"] > 0
