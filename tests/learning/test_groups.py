"""Learning rates of groups: what is in each, how far each moves, and what is refused."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.algorithms.qmarl import ascent
from qflock.commands import main
from qflock.core.errors import UserError
from qflock.learning import groups, optimiser
from qflock.networks.circuit import Circuit
from qflock.networks.mlp import MLP
from qflock.search import blocks
from qflock.settings import registry
from tests.test_every_algorithm import small
from tests.tiny import world

LINEAR = {"qubits": 2, "layers": 1, "key": jax.random.key(0)}


def settings(**given):
    plain = {"lr": 0.1, "lr_final": 1.0, "lr_decay": 0, "weight_decay": 0.0, "max_grad_norm": 1.0}
    return SimpleNamespace(**{**plain, **given})


def networks(**circuit):
    """A stack of two circuits, as agents with networks of their own have it, and an MLP."""
    return jax.jit(partial(made, **circuit))()


def made(**circuit):
    stack = jax.vmap(lambda key: Circuit(3, 2, **{**LINEAR, "key": key}, **circuit))
    return {
        "agents": stack(jax.random.split(jax.random.key(1))),
        "mixer": MLP(2, 1, key=jax.random.key(2), hidden=(3,)),
    }


def moved(given, weights):
    """By how much each leaf moves in Adam's first step, which is the step size, by group."""
    steps = optimiser.build(given)
    gradient = jax.tree.map(lambda w: np.full(w.shape, 1e-2, np.float32), weights)
    after = jax.jit(lambda w: steps.step(gradient, steps.init(w), w, jnp.int32(50))[0])(weights)
    each = {}
    for group, old, new in zip(*map(jax.tree.leaves, (groups.labels(weights), weights, after)), strict=True):
        each.setdefault(group, []).append(np.asarray(old - new).ravel())
    return {group: np.concatenate(parts) for group, parts in each.items()}


def test_each_group_moves_by_its_own_rate_and_all_fall_alike():
    given = settings(
        lr_angles=0.02, lr_input_scaling=0.03, lr_output_scaling=0.04, lr_final=0.0, lr_decay=100
    )
    found = moved(given, networks())
    wanted = {"angles": 0.02, "input_scaling": 0.03, "output_scaling": 0.04, "classical": 0.1}
    assert found.keys() == wanted.keys()
    for group, rate in wanted.items():
        np.testing.assert_allclose(found[group], rate / 2, rtol=1e-3)
    assert found["angles"].size == 2 * 2 * 2 * 3
    assert found["output_scaling"].size == 2 * (2 + 2)


def test_without_rates_of_their_own_all_leaves_move_by_the_same_bits():
    weights = networks()
    gradient = jax.tree.map(np.sin, weights)

    def step(given):
        steps = optimiser.build(given)
        moved = jax.jit(lambda w: steps.step(gradient, steps.init(w), w, jnp.int32(0)))
        return jax.tree.leaves(moved(weights))

    for a, b in zip(step(settings(lr_angles=0.1, lr_input_scaling=0.0)), step(settings()), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("group", "circuit"),
    [
        ("angles", {"frozen": True}),
        ("input_scaling", {"frozen": True}),
        ("output_scaling", {"head": "linear"}),
        ("angles", None),
    ],
)
def test_a_group_that_no_network_has_is_refused(group, circuit):
    shapes = jax.eval_shape(partial(made, **(circuit or {})))
    weights = shapes["mixer"] if circuit is None else shapes
    with pytest.raises(UserError, match=f"lr_{group} is 0.5, but no network here has"):
        groups.refuse_missing(settings(**{f"lr_{group}": 0.5}), weights)
    groups.refuse_missing(settings(), weights)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("vdn --lr_angles 0.1", "no network here has trained angles"),
        ("pqn_vdn --lr_input_scaling 0.1", "no network here has trained weights of features"),
        ("ippo --network circuit --circuit_head linear --lr_output_scaling 1", "scales of outputs"),
        ("qmarl --lr_angles 0.1", "sampler metropolis has no step sizes"),
        ("eqmarl --critic joint --lr_input_scaling 0.1", "no circuit here has such weights to train"),
        ("vdn --lr_angle 0.1", "did you mean --lr_angles?"),
        ("vdn --lr_angles -1", "lr_angles is -1.0; it must not be negative"),
    ],
)
def test_wrong_rates_are_one_line_and_leave_nothing(typed, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *typed.split(), "--env", "two_step", "--device", "cpu"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", [n for n in registry.names("algorithms") if n not in ("entangled", "eqmarl")]
)
def test_every_learner_refuses_a_rate_of_angles_that_its_networks_have_not(name):
    """But for those whose networks are circuits anyway."""
    env = world(name)()
    with pytest.raises(UserError, match="lr_angles"):
        jax.eval_shape(
            registry.algorithm(name).build(small(name, lr_angles=0.5), env).init, jax.random.key(0)
        )


def test_policies_that_climb_an_exact_score_have_the_rates_of_their_groups_too():
    layout = blocks.layout(lambda key: Circuit(3, 2, **{**LINEAR, "key": key}))
    problem = lambda **given: SimpleNamespace(config=SimpleNamespace(search_lr=0.1, **given), shape=layout)
    assert ascent._rates(problem(lr_angles=0.0)) == 0.1
    found = ascent._rates(problem(lr_angles=0.02, lr_output_scaling=0.04))
    np.testing.assert_array_equal(found == np.float32(0.02), layout.circle)
    assert (found == np.float32(0.04)).sum() == 2 + 2
    assert (found == np.float32(0.1)).sum() == layout.size - 4 - layout.circle.sum()
