"""eQMARL: published sizes, the critic by its matrices, the update with its quirks by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qflock
from qflock.algorithms.eqmarl import joint_critics
from qflock.algorithms.eqmarl.learner import Config, build
from qflock.core import Seen
from qflock.core.errors import UserError
from qflock.environments import chsh
from qflock.environments.coin_game import game
from qflock.playing import rollout
from tests.tiny import Echo

pytestmark = [pytest.mark.slow, pytest.mark.ci_slow]  # minutes of compiling

KEY = jax.random.key(0)
SMALL = {"qubits": 2, "layers": 1, "encoding": "linear"}


def size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("critic", "actor_size", "critic_size"),
    [("entangled", 136, 265), ("circuit", 136, 265), ("joint", 496, 889), ("split", 496, 913)],
)
def test_published_numbers_of_parameters(critic, actor_size, critic_size):
    learner = build(Config(critic=critic), game.Environment())
    weights = jax.eval_shape(learner.init, KEY).weights
    assert (size(weights.actor), size(weights.critic)) == (actor_size, critic_size)


@pytest.mark.parametrize("critic", ["joint", "split"])
def test_dense_networks_may_read_the_numbers_of_circuits(critic):
    """Two observations with the same twelve numbers are one to them: nothing else comes through."""
    env = game.Environment()
    learner = build(Config(critic=critic, hidden=(8,), encoding="planes"), env)
    weights = jax.jit(learner.init)(KEY).weights
    assert (size(weights.actor), size(weights.critic)) == (140, 209 if critic == "joint" else 225)
    seen = jax.random.normal(KEY, (2, 36))
    other = seen.at[:, 0].add(0.5).at[:, 1].add(-1.0)  # plane 0, x = 0: 1 and 1/2 for its first two cells
    np.testing.assert_allclose(weights.critic(seen), weights.critic(other), atol=1e-5)
    np.testing.assert_allclose(weights.actor(seen[0]), weights.actor(other[0]), atol=1e-5)
    assert abs(weights.critic(seen) - weights.critic(seen + 1)) > 1e-3


def test_features_of_planes_by_hand():
    """Agent 0 at (2, 1), agent 1 at (0, 2), a coin of agent 1's at (1, 0)."""
    _, now = game.Environment().place([[2, 1], [0, 2]], [1, 0], 1)
    found = joint_critics.planes(now.observation[0].astype(jnp.float32))
    np.testing.assert_allclose(found, [[0, 0, 0.5], [0.25, 0, 0], [0, 0, 0], [0, 1, 0]])


def rotation(axis, angle):
    pauli = {"x": [[0, 1], [1, 0]], "y": [[0, -1j], [1j, 0]], "z": [[1, 0], [0, -1]]}[axis]
    return np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * np.array(pauli)


def half(critic, agent, features):
    """The unitary of one agent's two qubits, gate by gate."""
    qubits, u = slice(2 * agent, 2 * agent + 2), np.eye(4)

    def turn(angles):
        single = []
        for by in angles:
            gate = np.eye(2)
            for axis, angle in zip("xyz", by, strict=True):
                gate = rotation(axis, float(angle)) @ gate
            single.append(gate)
        return np.kron(*single)

    for layer in range(critic.weights.shape[0]):
        u = np.diag([1, 1, 1, -1]) @ turn(critic.angles[layer, qubits]) @ u
        u = turn(np.arctan(critic.weights[layer, qubits] * features)) @ u
    return turn(critic.angles[-1, qubits]) @ u


@pytest.mark.parametrize(
    ("bell", "pair"),
    [("phi+", [1, 0, 0, 1]), ("phi-", [1, 0, 0, -1]), ("psi+", [0, 1, 1, 0]), ("psi-", [0, 1, -1, 0])],
)
def test_the_entangled_critic_by_matrices(bell, pair):
    """The joint state is the matrix U_A Psi0 U_B^T; agent A's qubit i shares a Bell pair with B's."""
    critic = joint_critics.CircuitCritic(
        3,
        2,
        key=KEY,
        qubits=2,
        layers=2,
        encoding="linear",
        entanglement="ring",
        partitions=2,
        start=joint_critics.start_of(bell),
    )
    seen = jax.random.normal(KEY, (2, 3))
    features = [
        (np.asarray(critic.encode.weight[a]) @ seen[a] + critic.encode.bias[a]).reshape(2, 3) for a in (0, 1)
    ]
    one = np.array(pair).reshape(2, 2) / 2**0.5
    start = np.kron(one, one)  # rows: A's two qubits, columns: B's
    state = half(critic, 0, features[0]) @ start @ half(critic, 1, features[1]).T
    sign = np.array([1, -1, -1, 1])
    expected = (np.abs(state) ** 2 * np.outer(sign, sign)).sum()
    assert critic(seen) == pytest.approx((1 + expected) / 2, abs=1e-5)


def stretch(learner, env, state):
    """The rows of one update, from fresh copies."""

    def run(state, key):
        flow = rollout.start(env, (), key, learner.source.num_envs)
        act = lambda *given: learner.source.explore(state, *given)
        return rollout.collect(env, act, (), flow, key, learner.source.num_steps)[1]

    return jax.jit(run)(state, KEY)


def test_an_update_sees_an_episode():
    env = game.Environment()
    learner = build(Config(critic="joint"), env)
    state = jax.jit(learner.init)(KEY)
    rows = stretch(learner, env, state)
    assert rows.valid.sum() == 50
    assert rows.timestep.over[50]
    assert rows.first[0]
    assert rows.first[51]


def plain_losses(config, env, state, rows):
    """Both losses of the published update, step by step."""
    seen = rows.timestep.observation.astype(jnp.float32)
    values = [state.weights.critic(seen[t, 0]) for t in range(env.spec.horizon + 1)]
    critic, actor, entropies = 0.0, [], []
    for t in range(env.spec.horizon):
        reward = rows.timestep.reward[t + 1, 0].sum()
        last = t == env.spec.horizon - 1 and config.end == "terminal"
        aim = reward + (0.0 if last else config.gamma * values[t + 1])
        if config.td_gradient == "semi":
            aim = jax.lax.stop_gradient(aim)
        error = aim - values[t]
        critic += jnp.where(abs(error) < 1, error**2 / 2, abs(error) - 0.5)
        for agent in (0, 1):
            logs = jax.nn.log_softmax(state.weights.actor(seen[t, 0, agent]))
            actor.append(-logs[rows.actions[t, 0, agent]] * jax.lax.stop_gradient(error))
            entropies.append(-(jnp.exp(logs) * logs).sum())
    wanted = -jnp.stack(entropies).mean()
    if config.entropy_form == "published":
        wanted = jnp.stack(entropies[1::2]).mean()
    return critic + jnp.stack(actor).mean() + config.entropy_weight * wanted


@pytest.mark.parametrize(
    "quirks",
    [
        {"td_gradient": "residual", "entropy_form": "published", "end": "terminal"},
        {"td_gradient": "semi", "entropy_form": "corrected", "end": "bootstrap"},
    ],
)
def test_an_update_is_adam_on_the_losses_by_hand(quirks):
    """The losses share no weights, so that the gradient of their sum has both."""
    config = Config(critic="split", entropy_weight=0.5, **quirks)
    env = game.Environment(game.Config(max_steps=3))
    learner = build(config, env)
    state = jax.jit(learner.init)(KEY)
    rows = stretch(learner, env, state)
    after, told = jax.jit(learner.learn)(state, rows, KEY)
    loss = lambda w: plain_losses(config, env, state._replace(weights=w), rows)
    gradient = jax.jit(jax.grad(loss))(state.weights)
    for w, new, g in zip(*map(jax.tree.leaves, (state.weights, after.weights, gradient)), strict=True):
        # (Adam's first step is lr g / (|g| + eps); its moments say the gradient itself.)
        np.testing.assert_allclose(new - w, -1e-3 * g / (jnp.abs(g) + 1e-7), atol=2e-5)
    moments = jax.tree.leaves(after.optimiser.mu)
    for g, m in zip(jax.tree.leaves(gradient), moments, strict=True):
        np.testing.assert_allclose(m, 0.1 * g, atol=1e-5)
    assert all(np.isfinite(x) for x in told.values())


@pytest.mark.parametrize(
    ("changed", "fixed"),
    [
        pytest.param({"frozen": True}, {"angles", "weights"}, marks=pytest.mark.left_out),
        ({}, {"weights"}),
    ],
)
def test_each_group_has_its_step_size(changed, fixed):
    """A linear encoding fixes the weights of features; frozen circuits keep their angles too."""
    config = Config(**SMALL, **changed)
    env = Echo()
    learner = build(Config(**{**SMALL, "qubits": 3}, **changed), env)
    state = jax.jit(learner.init)(KEY)
    after, _ = jax.jit(learner.learn)(state, stretch(learner, env, state), KEY)
    rates = {"angles": config.lr_angles, "scale": config.lr_scales, "weight": config.lr, "bias": config.lr}
    for path, moved in jax.tree_util.tree_leaves_with_path(
        jax.tree.map(lambda a, b: abs(a - b).max(), state.weights, after.weights)
    ):
        name = path[-1].name
        expected = 0.0 if name in fixed else rates[name]
        assert moved <= expected * 1.01
        assert moved >= expected * 0.5, path


@pytest.mark.parametrize("critic", ["entangled", "circuit", "joint", "split"])
def test_agents_act_from_their_own_observation_without_an_index(critic):
    env = chsh.Environment()
    learner = build(Config(critic=critic, **SMALL), env)
    weights = learner.execution(jax.jit(learner.init)(KEY))
    legal = jnp.ones((2, 2), bool)
    seen = Seen(jnp.array([[0.0, 1.0], [0.0, 1.0]]), legal, legal.any(-1))
    logs = learner.policy.scores(weights, (), seen)
    np.testing.assert_array_equal(logs[0], logs[1])
    assert jnp.exp(logs[0]).sum() == pytest.approx(1, abs=1e-5)


def test_planes_that_are_not_there():
    with pytest.raises(UserError, match="encoding planes needs observations of 36 numbers"):
        build(Config(encoding="planes"), chsh.Environment())


def test_bell_pairs_are_for_two_agents():
    env = qflock.make("gridworld25")
    with pytest.raises(UserError, match="bell psi\\+ is shared by two agents; gridworld25 has 4"):
        build(Config(), env)
    build(Config(bell="none", qubits=3), env)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"layers": 0}, "layers is 0; it must be at least 1"),
        ({"lr_angles": 0.0}, "lr_angles is 0.0; it must be above 0"),
        ({"gamma": 1.5}, r"gamma is 1.5; it must lie in \[0, 1\]"),
        ({"hidden": (12, 12)}, "give one width"),
        ({"num_steps": -1}, "must not be negative"),
    ],
)
def test_wrong_settings_are_one_clear_line(changed, message):
    with pytest.raises(UserError, match=message):
        Config(**changed)
