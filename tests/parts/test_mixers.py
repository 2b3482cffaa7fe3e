"""Mixers: monotone where they say so, and the argmax that decentralised execution relies on."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.errors import UserError
from qflock.parts import mixers


def random_mixer(seed, agents=3, state=5):
    mixer = mixers.make("monotone", agents, state, jax.random.key(seed), embed=8, hyper=8)
    # the initial biases are zero: draw all weights, so that the property is not one of the start
    leaves, tree = jax.tree.flatten(mixer)
    keys = jax.random.split(jax.random.key(seed + 1000), len(leaves))
    return jax.tree.unflatten(
        tree, [jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    )


@pytest.mark.parametrize("seed", range(5))
def test_q_tot_never_falls_when_an_agents_value_rises(seed):
    mixer = random_mixer(seed)
    values = 3 * jax.random.normal(jax.random.key(seed), (64, 3))
    states = jax.random.normal(jax.random.key(seed + 1), (64, 5))
    slope = jax.vmap(jax.grad(mixer))(values, states)
    assert slope.shape == (64, 3)
    assert (slope >= 0).all()
    assert (slope > 0).any()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["monotone", "sum"])
def test_each_agents_argmax_is_the_joint_argmax(seed, kind):
    mixer = random_mixer(seed) if kind == "monotone" else mixers.make(kind, 3, 5, jax.random.key(0))
    q = jax.random.normal(jax.random.key(seed), (3, 4))
    state = jax.random.normal(jax.random.key(seed + 1), (5,))
    joint = np.array(list(itertools.product(range(4), repeat=3)))
    totals = jax.vmap(lambda a: mixer(q[jnp.arange(3), a], state))(joint)
    own = mixer(q.max(-1), state)
    np.testing.assert_allclose(own, totals.max(), rtol=1e-5)  # up to ties


def test_the_state_changes_the_mixing_and_none_leaves_values_alone():
    mixer = random_mixer(0)
    values = jnp.array([1.0, 2.0, 3.0])
    assert mixer(values, jnp.zeros(5)) != mixer(values, jnp.ones(5))
    np.testing.assert_array_equal(mixers.make("none", 3, 5, jax.random.key(0))(values, jnp.zeros(5)), values)


def test_a_users_own_mixer(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import equinox as eqx\n"
        "class Mixer(eqx.Module):\n"
        "    def __init__(self, agents, state, *, key):\n        pass\n"
        "    def __call__(self, values, state):\n        return 2 * values.sum() + state[0]\n"
        "class Broken:\n    pass\n"
    )
    mixer = mixers.make(f"{file}:Mixer", 3, 5, jax.random.key(0), embed=8)
    assert mixer(jnp.ones(3), jnp.ones(5)) == 7
    with pytest.raises(UserError, match="cannot be built from sizes"):
        mixers.make(f"{file}:Broken", 3, 5, jax.random.key(0))
    with pytest.raises(UserError, match="unknown mixer 'qmixx'"):
        mixers.make("qmixx", 3, 5, jax.random.key(0))
