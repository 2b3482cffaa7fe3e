"""Mixers: monotone where they say so, and the argmax that decentralised execution relies on."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from qflock.core.errors import UserError
from qflock.networks import mixers


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


def dueling(seed, agents=3, actions=4, state=5):
    """A mixer with random weights, and its value of every joint action, for random values of the agents."""
    mixer = mixers.make("dueling", agents, state, jax.random.key(seed), actions=actions, hyper=8)
    leaves, tree = jax.tree.flatten(mixer)
    keys = jax.random.split(jax.random.key(seed + 1000), len(leaves))
    drawn = [jax.random.normal(k, x.shape) / 2 for k, x in zip(keys, leaves, strict=True)]
    mixer = jax.tree.unflatten(tree, drawn)
    q = jax.random.normal(jax.random.key(seed), (agents, actions))
    joint = np.array(list(itertools.product(range(actions), repeat=agents)))
    state = jax.random.normal(jax.random.key(seed + 1), (state,))
    return mixer, q, joint, state


def total(mixer, q, joint, state):
    """The team's value of a joint action."""
    chosen = q[jnp.arange(len(q)), joint]
    return mixer(chosen, state, best=q.max(-1), actions=joint)


@pytest.mark.parametrize("seed", range(3))
def test_dueling_is_the_best_joint_value_less_something_for_each_other_choice(seed):
    mixer, q, joint, state = dueling(seed)
    totals = np.asarray(jax.jit(jax.vmap(lambda a: total(mixer, q, a, state)))(joint))
    other = joint != np.asarray(q.argmax(-1))
    lost = totals[~other.any(-1)] - totals
    assert (lost[other.any(-1)] > 0).all()
    # What all three lose together is not what they would lose one by one: it is no sum of parts.
    alone = [
        {joint[j, i]: lost[j] for j in np.flatnonzero((other == np.eye(3)[i]).all(-1))} for i in range(3)
    ]
    together = np.flatnonzero(other.all(-1))
    parts = [sum(alone[i][joint[j, i]] for i in range(3)) for j in together]
    assert (np.abs(lost[together] - parts) > 0.01).any()


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("payoff", ["qtran", "climbing", "three"])
def test_dueling_can_say_any_game_whose_best_cell_the_agents_choose(payoff):
    """Only the mixer is fitted; the agents' values are random, but for whose are the best."""
    tables = {
        "qtran": [[8, -12, -12], [-12, 0, 0], [-12, 0, 0]],
        "climbing": [[11, -30, 0], [-30, 7, 0], [0, 6, 5]],
        "three": [[[0, 5], [-2, 1]], [[4, 3], [3, -9]]],
    }
    table = np.array(tables[payoff], float)
    q = np.array(jax.random.uniform(jax.random.key(1), (table.ndim, table.shape[0])))
    q[np.arange(table.ndim), np.unravel_index(table.argmax(), table.shape)] += 1
    joint = np.array(list(np.ndindex(table.shape)))
    mixer = mixers.make("dueling", table.ndim, 1, jax.random.key(0), actions=table.shape[0])
    optimiser = optax.adam(optax.linear_schedule(5e-3, 0.0, 3000))

    def loss(mixer):
        totals = jax.vmap(lambda a: total(mixer, jnp.array(q), a, jnp.ones(1)))(joint)
        return jnp.square(totals - table.ravel()).mean()

    def step(carry, _):
        change, state = optimiser.update(jax.grad(loss)(carry[0]), carry[1])
        return (optax.apply_updates(carry[0], change), state), None

    fit = lambda mixer: loss(jax.lax.scan(step, (mixer, optimiser.init(mixer)), None, 3000)[0][0])
    assert jax.jit(fit)(mixer) < 0.05


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
    with pytest.raises(UserError, match=r"cannot be built from sizes .* an equinox\.Module from these sizes"):
        mixers.make(f"{file}:Broken", 3, 5, jax.random.key(0))
    with pytest.raises(UserError, match="unknown mixer 'qmixx'"):
        mixers.make("qmixx", 3, 5, jax.random.key(0))
