"""The actor-critics: losses by hand, ablations that equal plain PPO, what each setting must change."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.core.steps import TimeStep
from qflock.learning import categorical
from qflock.playing import rollout
from qflock.playing.evaluation import of_policy, play
from qflock.settings import registry
from qflock.settings.config import resolve
from tests.marks import IN_CI
from tests.tiny import Count, Echo

SMALL = {
    "num_envs": 8,
    "num_steps": 8,
    "hidden": (16,),
    "critic_hidden": (16,),
    "lr": 3e-3,
    "lr_critic": 3e-3,
}


class Masked(Echo):
    """Echo where agent 1 is active in even steps alone, and action 2 is legal only where it is wanted."""

    def _show(self, state, reward):
        now = super()._show(state, reward)
        legal = now.legal.at[:, 2].set(state.wanted == 2)
        return now._replace(legal=legal, active=jnp.array([True, False]) | (state.step % 2 == 0))


def config(name, **changes):
    return registry.algorithm(name).Config(**{**SMALL, **changes})


def learner(name, env, **changes):
    """A learner with a compiled update, and its first state."""
    made = registry.algorithm(name).build(config(name, **changes), env)
    made = made._replace(learn=jax.jit(made.learn))
    return made, made.init(jax.random.key(0))


@cache
def pieces(name, env, **changes):
    """A learner, its first state and the rows of a rollout with it."""
    made, state = learner(name, env, **changes)
    memory, source = made.policy.start(), made.source
    flow = rollout.start(env, memory, jax.random.key(1), source.num_envs)
    collect = jax.jit(
        lambda s, f, k: rollout.collect(env, partial(source.explore, s), memory, f, k, source.num_steps)
    )
    return made, state, collect(state, flow, jax.random.key(2))[1]


ENV = Masked()


@pytest.mark.slow
@pytest.mark.ci_slow
def test_extras_hold_the_log_probability_of_what_was_done():
    made, state, rows = pieces("qio", ENV)
    assert np.take_along_axis(np.asarray(rows.timestep.legal[:-1]), rows.actions[..., None], -1).all()
    many = jax.random.split(jax.random.key(3), 4000)
    draw = jax.jit(
        lambda a, seen, legal: jax.vmap(
            lambda k: made.policy.alone(made.execution(state), a, (), seen, legal, k, "sample")[1]
        )(many)
    )
    for t, b, a in ((0, 0, 0), (3, 5, 1), (7, 7, 0)):
        drawn = draw(a, rows.timestep.observation[t, b, a], rows.timestep.legal[t, b, a])
        share = float((drawn == rows.actions[t, b, a]).mean())
        assert np.exp(rows.extras[t, b, a]) == pytest.approx(share, abs=0.04)


def test_the_first_gradient_step_is_the_policy_gradient_by_hand():
    """One epoch, one minibatch: the loss is the mean of -advantage over actions taken by active agents."""
    changes = {"epochs": 1, "minibatches": 1, "normalise_advantages": False, "normalise_values": False}
    made, state, rows = pieces("ippo", ENV, **changes, gae_lambda=1.0, gamma=0.5)
    _, told = made.learn(state, rows, jax.random.key(4))
    critic = state.weights.critic["local"]
    ids = jnp.broadcast_to(jnp.eye(2), (*rows.timestep.observation.shape[:3], 2))
    seen = jnp.concatenate([rows.timestep.observation, ids], -1)
    value = np.asarray(jax.vmap(jax.vmap(jax.vmap(critic)))(seen))[..., 0]
    reward, over = np.asarray(rows.timestep.reward.sum(-1)), np.asarray(rows.timestep.over)
    gains, errors = [], []
    for b in range(8):
        for t in range(8):
            for a in range(2):
                if over[t, b]:
                    continue
                total, factor, at = 0.0, 1.0, t
                while at < 8 and not over[at, b]:
                    total += factor * reward[at + 1, b]
                    factor, at = factor * 0.5, at + 1
                total += factor * value[at, b, a]  # Echo truncates: always bootstrap
                errors.append((total - value[t, b, a]) ** 2)
                if rows.timestep.active[t, b, a]:
                    gains.append(total - value[t, b, a])
    assert told["policy_loss"] == pytest.approx(-float(np.mean(gains)), rel=1e-4)
    assert told["value_loss"] == pytest.approx(np.mean(errors), rel=1e-4)
    assert told["approx_kl"] == pytest.approx(0, abs=1e-6)
    legal = rows.timestep.legal[:-1]
    ids = jnp.broadcast_to(jnp.eye(2), (*rows.timestep.observation[:-1].shape[:3], 2))
    logits = jax.vmap(jax.vmap(jax.vmap(state.weights.agents)))(
        jnp.concatenate([rows.timestep.observation[:-1], ids], -1)
    )
    mask = np.asarray(rows.valid[..., None] & rows.timestep.active[:-1])
    share = np.asarray(categorical.normalised_entropy(logits, legal))[mask].mean()
    assert told["entropy"] == pytest.approx(share, rel=1e-4)


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


PLAIN = {"operator": "none", "entropy": "constant", "alpha0": 0.01, "alpha_min": 0.0, "lr": 3e-3}


@cache
def after(name, **changes):
    """Weights and metrics after two updates on the rows of plain PPO."""
    rows = pieces("ippo", ENV)[2]
    made, state = learner(name, ENV, **changes)
    for k in (4, 5):
        state, told = made.learn(state, rows, jax.random.key(k))
    return jax.device_get((state.weights, told))


def test_qio_with_all_parts_off_is_plain_ppo_bit_for_bit():
    assert same(after("qio", **PLAIN)[0], after("ippo")[0])


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("agents", {"operator": "rotation", "rotation_turns": 1.0}),
        ("agents", {"operator": "mean", "normalise_values": False}),
        pytest.param("agents", {"update": "a2c"}, marks=IN_CI),
        pytest.param("agents", {"reward": "own"}, marks=IN_CI),
        ("agents", {"ramsey": True, "clique_size": 2, "clique_weight": 9.0, "entropy_threshold": 1.0}),
        ("critic", {"critic": "both"}),
        pytest.param("critic", {"value_clip": 0.01}, marks=IN_CI),
        pytest.param(None, {"share_parameters": False}, marks=IN_CI),
    ],
    ids=str,
)
def test_every_part_changes_what_is_learnt_and_stays_finite(part, changes):
    weights, told = after("qio", **{**PLAIN, **changes})
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((weights, told)))
    if part:
        a, b = (jax.tree.leaves(getattr(w, part)) for w in (weights, after("ippo")[0]))
        assert any(x.shape != y.shape or not np.array_equal(x, y) for x, y in zip(a, b, strict=False))
    else:
        assert all(x.shape[0] == 2 for x in jax.tree.leaves(weights))  # one network for each agent


def test_rows_of_no_action_and_inactive_agents_teach_nothing():
    """What stands in the rows that no agent acted in does not reach the weights."""
    rows = pieces("ippo", ENV)[2]
    made, state = learner("mappo", ENV)
    idle = ~rows.chosen
    junk = rows._replace(
        actions=jnp.where(idle, (rows.actions + 1) % 2, rows.actions),
        extras=jnp.where(idle, rows.extras - 3.0, rows.extras),
    )
    assert idle.any()
    one, two = (made.learn(state, r, jax.random.key(4))[0].weights for r in (rows, junk))
    assert same(one, two)


def test_forced_choices_weigh_nothing_in_entropies_and_controllers():
    """Copies whose agents have one legal action change no number that is made of policies."""
    rows = pieces("ippo", ENV)[2]
    made, state = learner("qio", ENV, **PLAIN | {"entropy": "quantum_inspired"}, epochs=1, minibatches=1)
    sure = jax.tree.map(lambda x: 20 * x, state.weights.agents)
    state = state._replace(weights=state.weights._replace(agents=sure))

    def forced(copies):
        only = copies[None, :, None, None] & (jnp.arange(3) > 0)
        actions = jnp.where(copies[None, :, None], 0, rows.actions)
        return rows._replace(
            timestep=rows.timestep._replace(legal=rows.timestep.legal & ~only), actions=actions
        )

    half = jnp.arange(8) % 2 == 1
    after_some, told = made.learn(state, forced(half), jax.random.key(4))
    free = made.learn(state, rollout.of_copies(rows, jnp.flatnonzero(~half)), jax.random.key(4))[1]
    assert told["entropy"] == pytest.approx(float(free["entropy"]), rel=1e-5)
    assert told["entropy"] < 0.9
    assert after_some.entropy.clock > 0
    after_all, told = made.learn(state, forced(half | True), jax.random.key(4))
    assert same(after_all.entropy, state.entropy)
    assert same(after_all.weights.agents, state.weights.agents)
    assert not same(after_all.weights.critic, state.weights.critic)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_alpha_follows_the_entropy_of_updates():
    rows = pieces("qio", ENV)[2]
    made, state = learner("qio", ENV, alpha_decay=0.5, alpha0=0.2, alpha_min=0.0)
    learn, alphas, clock = made.learn, [], 0.0
    for k in range(3):
        state, told = learn(state, rows, jax.random.key(k))
        assert told["alpha"] == pytest.approx(0.2 * np.exp(-0.5 * clock), rel=1e-4)
        clock += np.sqrt(1 - float(told["entropy"]) ** 2)
        alphas.append(float(told["alpha"]))
    assert alphas == sorted(alphas, reverse=True)


def test_the_operators_log_has_its_columns():
    rows = pieces("qio", ENV)[2]
    made, state = learner("qio", ENV, contraction=True, ramsey=True, clique_size=2)
    told = made.learn(state, rows, jax.random.key(4))[1]
    for name in ("entropy", "entropy_floor", "alpha", "floor_share", "clip_share", "approx_kl"):
        assert told[name].shape == ()
    assert told["lipschitz_hellinger_max"] > 0
    assert 0 <= told["explorers"] <= 1


def test_a_policy_below_the_floor_is_counted_and_raised():
    rows = pieces("qio", ENV)[2]
    made, state = learner("qio", ENV, min_entropy=0.9999)
    told = made.learn(state, rows, jax.random.key(4))[1]
    assert told["floor_share"] > 0.2  # uniform at the start, until it learns
    assert told["entropy"] == pytest.approx(0.9999, abs=1e-3)


class Meet:
    """A matrix game of one step: both must choose the same action, and only action 1 pays in full."""

    Config = Echo.Config

    def __init__(self) -> None:
        self.spec = replace(Echo().spec, name="meet", horizon=1, shared_reward=True)

    def reset(self, key):
        return jnp.int32(0), self._show(jnp.int32(0), jnp.zeros(2))

    def step(self, key, state, actions):
        pay = jnp.array([[0.5, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.3]])[actions[0], actions[1]]
        return state + 1, self._show(state + 1, jnp.full(2, pay))

    def _show(self, step, reward):
        legal = jnp.ones((2, 3), bool)
        return TimeStep(
            jnp.ones((2, 3)), jnp.ones(6), legal, legal[:, 0], reward, step >= 1, jnp.bool_(False), {}
        )


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("mappo", {}),
        pytest.param(
            "qio", {"operator": "rotation", "alpha_decay": 0.05, "rotation_turns": 0.5}, marks=IN_CI
        ),
        pytest.param("a2c", {"share_parameters": False, "lr": 1e-2}, marks=IN_CI),
    ],
    ids=str,
)
def test_a_matrix_game_is_solved(name, changes):
    env = Meet()
    made = registry.algorithm(name).build(config(name, num_envs=32, **changes), env)

    def update(carry, key):
        state, flow = carry
        k_collect, k_learn = jax.random.split(key)
        act = partial(made.source.explore, state)
        flow, rows, tally = rollout.collect(
            env, act, made.policy.start(), flow, k_collect, made.source.num_steps
        )
        return (made.learn(state, rows, k_learn)[0], flow), tally.episode_return / tally.episodes

    start = made.init(jax.random.key(0)), rollout.start(env, made.policy.start(), jax.random.key(1), 32)
    keys = jax.random.split(jax.random.key(2), 80)
    (state, _), returns = jax.jit(lambda c, k: jax.lax.scan(update, c, k))(start, keys)
    greedy = play(
        env, of_policy(made.policy, made.execution(state)), made.policy.start(), jax.random.key(3), 4
    )
    assert greedy.episode_return.mean() >= 0.5  # a convention of both; by chance 0.2
    assert returns[-1] > returns[0]


def test_episodes_that_terminate_do_not_bootstrap():
    """In Count odd episodes terminate and even ones are truncated: with gamma 1, lambda 0 and a critic of
    zeros apart from its bias, the value targets differ by that bias."""
    env = Count()
    made, state, rows = pieces(
        "ippo", env, gamma=1.0, gae_lambda=0.0, normalise_values=False, epochs=1, minibatches=1
    )
    zero = jax.tree.map(jnp.zeros_like, state.weights.critic)
    head = zero["local"].head
    biased = jax.tree.unflatten(
        jax.tree.structure(zero),
        [jnp.full_like(x, 7.0) if x is head.bias else x for x in jax.tree.leaves(zero)],
    )
    state = state._replace(weights=state.weights._replace(critic=biased))
    told = made.learn(state, rows, jax.random.key(4))[1]
    valid = np.asarray(rows.valid)
    reward = np.asarray(rows.timestep.reward[1:, :, 0])
    ends = np.asarray(rows.timestep.terminated[1:])
    error = (reward + np.where(ends, 0, 7.0) - 7.0) ** 2
    assert ends.any()
    assert told["value_loss"] == pytest.approx(error[valid].mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_envs", 0),
        ("minibatches", 3),
        ("gamma", 1.5),
        ("lr", 0.0),
        ("eta", -1.0),
        ("min_entropy", 1.0),
        ("rotation_limit", 2.0),
        ("clique_size", 1),
        ("hidden", (0,)),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(UserError, match=name):
        config("qio", **{name: value})


def test_target_entropy_needs_a_least_weight():
    with pytest.raises(UserError, match="alpha_min"):
        config("qio", entropy="target", alpha_min=0.0)


@pytest.mark.parametrize("name", ["qio", "mappo"])
def test_the_presets_of_the_forest_can_be_switched_to_the_ablation(name):
    found = resolve(name, overrides={"env": "forest_uav"})
    assert not found.environment.observe_coverage  # a preset never changes the task
    assert found.learner.reward == "own"
    overrides = {"env": "forest_uav", "operator": "none", "entropy": "constant", "env.observe_coverage": True}
    bare = resolve(name, overrides=overrides)
    assert bare.learner.operator == "none"
    assert bare.environment.observe_coverage


REMEMBERS = """
import equinox as eqx
import jax
import jax.numpy as jnp

class Net(eqx.Module):
    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear

    def __init__(self, inputs, outputs, *, key):
        a, b = jax.random.split(key)
        self.cell = eqx.nn.GRUCell(inputs, 4, key=a)
        self.head = eqx.nn.Linear(4, outputs, key=b)

    def initial(self):
        return jnp.zeros(4)

    def __call__(self, memory, features):
        memory = self.cell(features, memory)
        return memory, self.head(memory)
"""


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_network_with_a_memory_learns_from_the_sequences_it_saw(tmp_path):
    """With the weights that acted, unrolling the rows gives the probabilities of acting: the ratio is 1."""
    file = tmp_path / "gru.py"
    file.write_text(REMEMBERS)
    changes = {"network": f"{file}:Net", "epochs": 1, "minibatches": 2, "lr": 1e-30, "lr_critic": 1e-30}
    made, state, rows = pieces("qio", ENV, **changes)
    told = made.learn(state, rows, jax.random.key(4))[1]
    assert told["approx_kl"] == pytest.approx(0, abs=1e-6)
    assert told["clip_share"] == 0
