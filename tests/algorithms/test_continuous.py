"""Actor-critics on a Box: what they find, and what they compute."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qflock
from qflock.algorithms._actor_critic import gradient_steps
from qflock.algorithms._actor_critic.batch import Batch
from qflock.algorithms._actor_critic.config import ActorCriticConfig
from qflock.algorithms._actor_critic.learner import ActorCritic
from qflock.core import Box, Spec, TimeStep
from qflock.core.errors import UserError
from qflock.core.steps import Rows
from qflock.learning import losses
from tests.contracts.games import Quadratic

GAME = f"{Path(__file__).parents[1] / 'contracts' / 'games.py'}:Quadratic"
QUIET = {"quiet": True, "eval_interval": 0, "save_interval": 0, "final_episodes": 512, "device": "cpu"}
SMALL = {
    "num_envs": 64,
    "num_steps": 2,
    "hidden": (32,),
    "critic_hidden": (32,),
    "gamma": 0.0,
    "alpha0": 0.0,
}
FALLING = {"lr_final": 0.01, "total_steps": 12_800, "lr_decay": 12_800, "log_interval": 6_400}

LONGER = {"total_steps": 64_000, "lr_decay": 64_000, "log_interval": 32_000}  # a step for each rollout


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(
    ("name", "head", "more"),
    [
        ("ippo", "gaussian", {}),
        ("ippo", "beta", {}),
        ("mappo", "gaussian", {"in_turn": True, "share_parameters": False}),
        ("mappo", "beta", {"critic_loss": "huber", "huber_delta": 1.0}),
        ("a2c", "gaussian", {"deviation": "free", "normalise_values": False, **LONGER}),
        ("a2c", "beta", LONGER),
        ("ippo", "gaussian", {"network": "gru", "last_action": True}),
        ("ippo", "gaussian", {"network": "circuit", "deviation": "free", "circuit_layers": 2}),
    ],
)
def test_the_quadratic_game_is_solved(name, head, more, tmp_path):
    settings = {**SMALL, **FALLING, **QUIET, "lr": 1e-2, "lr_critic": 1e-2, "action_head": head, **more}
    summary = qflock.train(name, GAME, run_dir=tmp_path / "run", **settings)
    assert summary["references"]["random"]["return_mean"] < -3.0
    assert -1e-2 < summary["over_seeds"]["return_mean"] <= 0.0


class Still:
    """Agents that see nothing and give a number each."""

    def __init__(self, agents):
        self.agents = agents
        self.spec = Spec("still", agents, Box(1, (-1.0,), (1.0,)), 1, 1, 1)

    def reset(self, key):
        return jnp.int32(0), self._show(jnp.int32(0))

    def step(self, key, state, actions):
        return state + 1, self._show(state + 1)

    def _show(self, at):
        legal, active = jnp.ones((self.agents, 0), bool), jnp.ones(self.agents, bool)
        no = jnp.bool_(False)
        return TimeStep(jnp.ones((self.agents, 1)), jnp.ones(1), legal, active, active * 1.0, at > 0, no, {})


def batch_of(own, env, advantage):
    """One row of two environments in which every agent gave 0.5."""
    now = env.reset(None)[1]
    timestep = jax.tree.map(lambda x: jnp.broadcast_to(x, (2, 2, *x.shape)), now)
    actions = jnp.full((1, 2, env.agents, 1), 0.5)
    rows = Rows(timestep, actions, jnp.ones((2, 2), bool), (), ())
    each = jnp.ones((1, 2, env.agents))
    batch = Batch(rows, each, each, advantage * each, each, each)
    state = own.init(jax.random.key(0))
    return state, batch._replace(rows=rows._replace(extras=own.log_prob(state.weights.agents, batch)))


@pytest.mark.slow
@pytest.mark.ci_slow
def test_the_entropy_bonus_is_the_mean_over_agents():
    """Summed over agents it would grow with their number (a known fault elsewhere)."""
    costs = []
    for agents in (2, 6):
        env = Still(agents)
        own = ActorCritic(ActorCriticConfig(hidden=(4,), critic_hidden=(4,)), env)
        state, batch = batch_of(own, env, 0.0)
        nothing = jax.tree.map(jnp.zeros_like, state.weights)
        cost, metrics = own.actor_loss(nothing.agents, (nothing, jnp.ones(agents)), batch)
        costs.append(cost)
        one = own.action.entropy(jnp.zeros(2), jnp.ones(0, bool))
        np.testing.assert_allclose(cost, -one, rtol=1e-6)
        assert 0 < metrics["entropy"] <= 1
    np.testing.assert_allclose(*costs, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_agents_in_turn_learn_from_the_ratios_of_those_before_them():
    """HAPPO by hand: the second agent's advantage is multiplied by the ratio of the first one's action."""
    env = Still(3)
    config = ActorCriticConfig(hidden=(4,), critic_hidden=(4,), share_parameters=False, in_turn=True)
    own = ActorCritic(config, env)
    state, batch = batch_of(own, env, 2.0)
    heard = []

    def step(carry, part):
        jax.debug.callback(lambda m, a: heard.append((np.array(m), np.array(a))), part.mask, part.advantage)
        moved = jax.tree.map(lambda x: x + 0.1, carry[0]), carry[1]
        return moved, {"entropies": jnp.arange(3.0), "policy_loss": part.mask.sum()}

    carry = (state.weights.agents, state.optimisers[0])
    (agents, _), metrics = gradient_steps.one_by_one(step, own.log_prob, carry, batch, jax.random.key(3))
    jax.effects_barrier()
    order = [int(np.flatnonzero(mask[0, 0])[0]) for mask, _ in heard]
    assert sorted(order) == [0, 1, 2]
    moved = jax.tree.map(lambda x: x + 0.1, state.weights.agents)
    ratios = np.exp(own.log_prob(moved, batch) - batch.rows.extras)[0, 0]
    for turn, (_, advantage) in enumerate(heard):
        wanted = 2.0 * np.prod(ratios[order[:turn]])
        np.testing.assert_allclose(advantage[0, 0], wanted, rtol=1e-5)
    for new, old in zip(jax.tree.leaves(agents), jax.tree.leaves(moved), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-6)  # each moved once, in its own turn
    np.testing.assert_array_equal(metrics["entropies"], [0, 1, 2])


def test_free_deviations_are_the_same_whatever_is_seen():
    own = ActorCritic(ActorCriticConfig(hidden=(8,), deviation="free"), Quadratic())
    weights = own.init(jax.random.key(0)).weights.agents
    outputs = [own.team.one(weights, jnp.int32(0), (), jnp.array([x]))[1] for x in (0.0, 2.0)]
    assert outputs[0][0] != outputs[1][0]
    assert outputs[0][1] == outputs[1][1] == 0.0


def test_hubers_loss_counts_large_errors_linearly():
    value, target = jnp.array([0.5, 3.0]), jnp.zeros(2)
    np.testing.assert_allclose(losses.value_loss(value, target, huber=1.0), [0.25, 2 * 3.0 - 1.0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"operator": "mean"}, "quadratic has continuous actions, a Box of 1 numbers; operator mean, with"),
        ({"contraction": True}, "contraction is for probabilities of discrete ones: leave it off"),
        ({"action_head": "categorical"}, "action head categorical is not for a Box; take one of gaussian"),
        ({"action_head": "beta", "deviation": "free"}, "deviation free is for the action head gaussian"),
        ({"in_turn": True}, "in_turn needs a network for each agent: add --no_share_parameters"),
    ],
)
def test_what_does_not_suit_a_box_is_one_clear_line(settings, message):
    with pytest.raises(UserError, match=message):
        ActorCritic(ActorCriticConfig(**settings), Quadratic())


@pytest.mark.parametrize("name", ["qio", "qmarl", "qmix"])
def test_learners_of_choices_refuse_a_box_by_name(name, tmp_path):
    with pytest.raises(UserError, match=f"a Box of 2 numbers; {name} is for discrete ones: take one"):
        qflock.train(name, "drones", run_dir=tmp_path / "run", **QUIET)
    assert not (tmp_path / "run").exists()
