"""Mixers of subsets: monotone whatever their weights, equal to a sum by hand, and matched in size."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock import api
from qflock.core.errors import UserError
from qflock.networks import mixers
from qflock.quantum import simulate

SETTINGS = {"qubits": 3, "layers": 2}
NAMES = ("circuit", "subsets")


def made(name, key, agents=3, state=5, wild=0.0):
    """A mixer; ``wild`` moves all its weights far from their start."""
    k_make, k_move = jax.random.split(key)
    mixer = mixers.make(name, agents, state, k_make, circuit=SETTINGS)
    leaves, tree = jax.tree.flatten(mixer)
    keys = jax.random.split(k_move, len(leaves))
    moved = [x + wild * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(tree, moved)


@pytest.mark.parametrize("name", NAMES)
def test_no_value_lowers_the_teams(name):
    """The gradient by every agent's value, at 300 draws of weights, states and values."""

    def slope(key):
        k_mixer, k_state, k_values = jax.random.split(key, 3)
        mixer, state = made(name, k_mixer, wild=1.5), 3 * jax.random.normal(k_state, (5,))
        return jax.grad(mixer)(5 * jax.random.normal(k_values, (3,)), state)

    slopes = np.asarray(jax.jit(jax.vmap(slope))(jax.random.split(jax.random.key(0), 300)))
    assert slopes.min() >= 0
    assert (slopes > 1e-4).mean() > 0.2, "it does depend on the values"


def test_it_is_the_chance_that_a_drawn_subset_is_measured_as_ones():
    """By a sum over subsets, with chances from the circuit's own simulator."""
    mixer, state = made("circuit", jax.random.key(1), wild=0.5), jnp.arange(5.0)
    values = jnp.array([0.3, -1.0, 2.0])
    network = mixer.chances
    chance = simulate.probabilities(network.description, network.parameters, network.compressed(state))
    turn = np.exp(mixer.sharpness) * (values - mixer.middle)
    p = np.sin((np.pi / 2 + np.arctan(turn)) / 2) ** 2  # a qubit turned by that angle is measured as 1
    wanted = sum(
        float(chance[int("".join(map(str, bits)), 2)]) * np.prod([p[i] for i in range(3) if bits[i]])
        for bits in itertools.product((0, 1), repeat=3)
    )
    wanted = np.exp(mixer.scale) * wanted + mixer.state_value(state)[0]
    np.testing.assert_allclose(mixer(values, state), wanted, rtol=1e-5)


def test_the_control_has_about_as_many_parameters():
    count = lambda mixer: sum(x.size for x in jax.tree.leaves(eqx.filter(mixer, eqx.is_array)))
    circuit, control = (count(made(name, jax.random.key(0), state=7)) for name in NAMES)
    assert abs(circuit - control) <= (7 + 1 + 8) / 2  # half of a hidden unit


@pytest.mark.parametrize("name", NAMES)
def test_too_many_agents_are_one_line(name):
    with pytest.raises(UserError, match="at most 10 agents") as refused:
        mixers.make(name, 11, 3, jax.random.key(0))
    assert "\n" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("name", NAMES)
def test_qmix_of_circuits_finds_the_best_of_two_steps(name, tmp_path):
    """A sum of values stays below: 7 (test_value_tables)."""
    settings = {
        "network": "circuit", "circuit_qubits": 2, "circuit_layers": 1, "mixer": name, "lr": 0.02,
        "epsilon_end": 1.0, "total_steps": 20_000, "num_envs": 32, "eval_interval": 0,
    }  # fmt: skip
    found = api.train("qmix", "two_step", quiet=True, run_dir=tmp_path / "run", **settings)
    assert found["final_evaluation"]["over_seeds"]["return_mean"] == 8.0
