"""Off-policy learners of a Box: what they find, and what they compute."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import qflock
from qflock.algorithms import facmac, isac, maddpg, masac, matd3
from qflock.algorithms._off_policy.actors import Actors
from qflock.algorithms._off_policy.learner import OffPolicy
from qflock.algorithms._off_policy.state import Drawn
from qflock.core.errors import UserError
from qflock.files import tensors
from qflock.learning import optimiser, replay, stretches
from qflock.learning.descend import descend
from qflock.playing import rollout
from tests.tiny import Echo, Mirror

GAME = f"{Path(__file__).parents[1] / 'contracts' / 'games.py'}:Quadratic"
FINAL = "final_model.safetensors"
QUIET = {"quiet": True, "eval_interval": 0, "save_interval": 0, "final_episodes": 512, "device": "cpu"}
SMALL = {"num_envs": 16, "num_steps": 2, "train_frequency": 16, "min_buffer_size": 256, "batch_size": 128}
SMALL |= {"buffer_capacity": 8192, "gamma": 0.0, "hidden": (32,), "critic_hidden": (64,), "tau": 0.05}
FALLING = {"lr": 3e-3, "lr_critic": 3e-3, "lr_final": 0.02, "log_interval": 8_000}
FALLING |= {"total_steps": 32_000, "lr_decay": 32_000}
TINY = {"num_envs": 3, "num_steps": 8, "row_length": 8, "min_buffer_size": 0, "batch_size": 24}
TINY |= {"buffer_capacity": 48, "train_frequency": 24, "hidden": (8,), "critic_hidden": (8,), "n_step": 3}


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("masac", {}),
        ("masac", {"in_turn": True, "share_parameters": False}),
        ("isac", {"reward": "own"}),
        ("maddpg", {"total_steps": 64_000, "lr_decay": 64_000}),
        ("matd3", {}),
        ("iddpg", {"total_steps": 64_000, "lr_decay": 64_000}),
        ("facmac", {"total_steps": 64_000, "lr_decay": 64_000}),
        ("facmac", {"mixer": "free"}),
    ],
)
def test_the_quadratic_game_is_solved(name, more, tmp_path):
    summary = qflock.train(name, GAME, run_dir=tmp_path / "run", **{**SMALL, **FALLING, **QUIET, **more})
    assert summary["references"]["random"]["return_mean"] < -3.0
    assert -1e-2 < summary["over_seeds"]["return_mean"] <= 0.0


def collected(module, ends=False, **settings):
    """A learner, its state, and sequences of three episodes each, as replay gives them."""
    env = Mirror(Echo.Config(horizon=3, ends=ends))
    own = OffPolicy(module.Config(**{**TINY, **settings}), env)
    state = jax.jit(own.init)(jax.random.key(0))
    start = own.policy().start()
    flow = rollout.start(env, start, jax.random.key(1), 3)
    rows = rollout.collect(env, partial(own.explore, state), start, flow, jax.random.key(2), 8)[1]
    cut = stretches.cut(rows, 8, own.example, own.keeps_state)
    return own, state, Drawn(cut, jax.random.split(jax.random.key(3), 3))


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("ends", [False, True], ids=["truncated", "terminated"])
@pytest.mark.parametrize("module", [masac, facmac, isac], ids=lambda m: m.__name__.rpartition(".")[2])
def test_targets_are_those_of_brute_force(module, ends):
    """Three rewards, fewer where an episode or the sequence ends; only a termination does not bootstrap."""
    own, state, drawn = collected(module, ends, gamma=0.9)
    online = state.online._replace(log_alpha=jnp.array([-1.0, 0.5]))
    target = state.target._replace(critics=jax.tree.map(lambda x: 0.5 * x, state.target.critics))
    found = np.asarray(own.targets(online, target, drawn))
    rows = stretches.rows(drawn.rows)
    agents = online.agents if module is not facmac else target.agents
    outputs = own.actors.team.unroll(agents, rows)[1:]
    keys = jax.vmap(lambda key: jax.random.fold_in(key, 0))(drawn.keys)
    actions, log_prob = own.actors.drawn(keys, outputs, for_target=True)
    values = np.asarray(own.critics.values(target.critics, rows.after, actions).min(0))
    price = np.exp([-1.0, 0.5]) * np.asarray(log_prob)
    values = values - (price.sum(-1) if own.critics.of_team else price)
    reward = np.asarray(rows.after.reward.sum(-1))
    over, terminated = np.asarray(rows.after.over), np.asarray(rows.after.terminated)
    assert terminated.any() == ends
    assert over.any()
    for t, n in np.ndindex(8, 3):
        wanted, discount = 0.0, 1.0
        for k in range(t, min(t + 3, 8)):
            wanted = wanted + discount * reward[k, n]
            discount *= 0.9
            if over[k, n]:
                break
        wanted = wanted + (0.0 if terminated[k, n] else discount * values[k, n])
        if not rows.timestep.over[t, n]:
            np.testing.assert_allclose(found[t, n], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(
    ("module", "settings"),
    [(masac, {"reward": "own"}), (maddpg, {}), (isac, {}), (maddpg, {"reward": "own"})],
)
def test_an_agent_follows_the_gradient_of_its_own_action_alone(module, settings):
    own, state, drawn = collected(module, **settings)
    rows = stretches.rows(drawn.rows)
    unit = 0.1 * jnp.ones((8, 3, 2, 1))
    value = lambda unit: own.worth(state.online.critics, rows, unit)[0, 0]
    slope = jax.jacobian(value)(unit)[:, 0, 0, :, 0]
    assert (jnp.diag(slope) != 0).all()
    assert slope[0, 1] == slope[1, 0] == 0


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("module", [masac, maddpg], ids=["stochastic", "deterministic"])
def test_gradients_through_actions_are_finite_differences(module):
    """What agents would do, and its log-probability, as functions of the network's outputs."""
    with jax.enable_x64(True):
        actors = Actors(module.Config(hidden=(4,)), Mirror(Echo.Config()).spec)
        outputs = jnp.linspace(-0.7, 0.9, 4 * actors.action.outputs).reshape(1, 2, 2, -1)
        keys = jax.random.split(jax.random.key(5), 2)
        check_grads(lambda x: actors.drawn(keys, x), (outputs,), 1, modes=["rev"], atol=1e-5, rtol=1e-5)


def test_the_noise_of_targets_is_clipped_and_stays_inside():
    actors = Actors(matd3.Config(hidden=(4,), target_noise=5.0, noise_clip=0.25), Mirror(Echo.Config()).spec)
    outputs = jnp.broadcast_to(jnp.arctanh(jnp.array([0.0, 0.9]))[:, None], (1, 500, 2, 1))
    unit = actors.drawn(jax.random.split(jax.random.key(0), 500), outputs, for_target=True)[0]
    np.testing.assert_allclose([unit[:, :, 0].min(), unit[:, :, 0].max()], [-0.25, 0.25], atol=1e-6)
    np.testing.assert_allclose([unit[:, :, 1].min(), unit[:, :, 1].max()], [0.65, 1.0], atol=1e-6)
    assert (actors.drawn(jax.random.split(jax.random.key(0), 500), outputs)[0] == jnp.tanh(outputs)).all()


@pytest.mark.slow
@pytest.mark.ci_slow
def test_the_others_act_as_in_replay_or_as_they_would_now():
    """The published MADDPG learns beside what others did; the value of agent 0 tells which it was."""
    found = {}
    for others in ("replay", "current"):
        own, state, drawn = collected(maddpg, others=others)
        rows = stretches.rows(drawn.rows)
        unit = jnp.zeros((8, 3, 2, 1))
        found[others] = own.worth(state.online.critics, rows, unit)
        taken = own.actors.action.encode(rows.actions)
        beside = unit.at[:, :, 1].set(taken[:, :, 1]) if others == "replay" else unit
        wanted = own.critics.values(state.online.critics, rows.before, beside)[0]
        first = found[others][..., 0] if others == "replay" else found[others]
        np.testing.assert_allclose(first, wanted, rtol=1e-5)
    assert found["replay"].shape == (8, 3, 2)
    assert found["current"].shape == (8, 3)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_what_an_agent_gives_after_it_has_left_counts_for_nothing():
    own, state, drawn = collected(masac)
    rows = stretches.rows(drawn.rows)
    gone = rows.before._replace(active=rows.before.active.at[..., 1].set(False))
    some, other = (jnp.full((8, 3, 2, 1), 0.3).at[:, :, 1].set(x) for x in (-0.9, 0.9))
    values = [own.critics.values(state.online.critics, gone, x) for x in (some, other)]
    np.testing.assert_array_equal(*values)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_agents_wait_for_the_critics_and_targets_follow():
    own, state, drawn = collected(matd3, policy_delay=2, tau=0.25)
    ring = state.replay._replace(
        data=jax.tree.map(lambda x, y: x.at[:3].set(y), state.replay.data, drawn.rows)
    )
    ring = ring._replace(filled=jnp.int32(3))
    learnt = (state.online, state.target, state.optimisers, jnp.int32(1))
    step = jax.jit(lambda learnt: own.gradient_step(learnt, ring, jnp.int32(0), jax.random.key(4))[0])
    online, target, _, count = step(learnt)
    leaves = lambda tree: [np.asarray(x) for x in jax.tree.leaves(tree)]
    for new, old in zip(leaves(online.agents), leaves(state.online.agents), strict=True):
        np.testing.assert_array_equal(new, old)
    for now, new, old in zip(
        leaves(target.critics), leaves(online.critics), leaves(state.target.critics), strict=True
    ):
        np.testing.assert_allclose(now, 0.75 * old + 0.25 * new, rtol=1e-5, atol=1e-7)
    moved = step((online, target, state.optimisers, count))[0].agents
    assert any((a != b).any() for a, b in zip(leaves(moved), leaves(online.agents), strict=True))


@pytest.mark.slow
@pytest.mark.ci_slow
def test_agents_in_turn_learn_beside_what_those_before_have_learnt():
    """HASAC by hand, with plain steps: each agent's gradient is taken where those before it have moved to."""
    own, state, drawn = collected(masac, in_turn=True, share_parameters=False)
    plain = lambda down, kept, w, _: (jax.tree.map(lambda x, d: x - 0.5 * d, w, down), kept)
    own.actor_descent = descend(own.actor_loss, optimiser.of_each(optimiser.Optimiser(lambda w: (), plain)))
    ring = state.replay._replace(
        data=jax.tree.map(lambda x, y: x.at[:3].set(y), state.replay.data, drawn.rows), filled=jnp.int32(3)
    )
    key, learnt = jax.random.key(4), (state.online, state.target, ((), state.optimisers[1]), jnp.int32(0))
    online = jax.jit(lambda learnt: own.gradient_step(learnt, ring, jnp.int32(0), key)[0][0])(learnt)
    k_batch, k_chance = jax.random.split(key)
    drawn = Drawn(replay.sample(ring, k_batch, 3), jax.random.split(k_chance, 3))
    order = jax.random.permutation(jax.random.fold_in(key, 2), 2)

    @jax.jit
    def down(weights, agent):
        cost = lambda w: own.actor_loss(w, (online.critics, jnp.arange(2) == agent), drawn)[0]
        return jax.grad(cost)(weights)

    moved = lambda weights, start, agent: jax.tree.map(
        lambda x, d: x.at[agent].add(-0.5 * d[agent]), weights, down(start, agent)
    )
    wanted, at_once = state.online[:2], state.online[:2]
    for agent in order:
        wanted, at_once = moved(wanted, wanted, agent), moved(at_once, state.online[:2], agent)
    leaves = lambda tree: [np.asarray(x) for x in jax.tree.leaves(tree)]
    for found, x in zip(leaves(online[:2]), leaves(wanted), strict=True):
        np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-6)
    apart = [np.abs(a - b).max() for a, b in zip(leaves(wanted), leaves(at_once), strict=True)]
    assert max(apart) > 1e-3, "the order of learning would make no difference here"


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_resumed_run_repeats_an_uninterrupted_one_bit_for_bit(tmp_path):
    """Replay, targets, both optimisers and the alphas are in the state."""
    settings = {**SMALL, **QUIET, "gamma": 0.9, "policy_delay": 2, "log_interval": 256, "final_episodes": 8}
    qflock.train("masac", GAME, run_dir=tmp_path / "once", total_steps=2_048, **settings)
    qflock.train("masac", GAME, run_dir=tmp_path / "part", total_steps=1_024, **settings)
    qflock.resume(tmp_path / "part", total_steps=2_048, quiet=True)
    logs = [(tmp_path / name / "training_log.csv").read_bytes() for name in ("once", "part")]
    assert logs[0] == logs[1]
    once, part = (tensors.load_arrays(tmp_path / name / "models" / FINAL) for name in ("once", "part"))
    assert all(np.array_equal(once[name], part[name]) for name in once)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_step": 3}, "n_step is 3 and row_length 1; returns run inside a row: raise it"),
        ({"in_turn": True}, "in_turn needs a network for each agent"),
        ({"critic": "mixed", "reward": "own"}, "critic mixed learns the team's reward"),
        ({"tau": 0.0}, "tau"),
    ],
)
def test_settings_that_cannot_work_are_one_clear_line(settings, message):
    with pytest.raises(UserError, match=message):
        masac.Config(**settings)


def test_discrete_actions_are_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="two_step has discrete actions, 2 of them; masac is for continuous"):
        qflock.train("masac", "two_step", run_dir=tmp_path / "run", **QUIET)
    assert not (tmp_path / "run").exists()
