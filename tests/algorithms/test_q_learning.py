"""Targets on packed rows worked out by hand, agents that leave, and WQMIX's weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.algorithms import qmix, wqmix
from qflock.algorithms._value import learner, q_learning
from qflock.algorithms._value.q_config import QConfig
from qflock.core.errors import UserError
from qflock.core.steps import Rows, TimeStep
from qflock.runs.train import programs
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings
from tests.marks import IN_CI
from tests.tiny import Echo, Recall


def rows_of(reward, terminated, truncated, first, active=None, agents=2, actions=3):
    """Rows of one copy; ``reward`` is the team's, paid to agent 0."""
    n = len(reward)
    paid = jnp.zeros((n, 1, agents)).at[:, 0, 0].set(jnp.array(reward, jnp.float32))
    flags = [jnp.array(x, bool)[:, None] for x in (terminated, truncated)]
    active = jnp.ones((n, 1, agents), bool) if active is None else jnp.array(active, bool)[:, None]
    timestep = TimeStep(
        jnp.zeros((n, 1, agents, 3)),
        jnp.zeros((n, 1, 6)),
        jnp.ones((n, 1, agents, actions), bool),
        active,
        paid,
        *flags,
        {},
    )
    taken = jnp.zeros((n - 1, 1, agents), jnp.int32)
    return Rows(timestep, taken, jnp.array(first, bool)[:, None], (), ())


def core_of(**settings):
    return q_learning.QLearning(QConfig(**{"hidden": (8,), "gamma": 0.5, **settings}), Echo())


def test_two_episodes_of_a_chain_in_one_row():
    """Rows: s0 s1 s2 end | s0' s1'. Nothing of the second episode may reach the first one's targets."""
    core = core_of(mixer="sum", td_lambda=0.0)
    rows = rows_of([0, 1, 2, 4, 0, 8], [0, 0, 0, 1, 0, 0], [0] * 6, [1, 0, 0, 0, 1, 0])
    q = jnp.arange(6.0)[:, None, None, None] * jnp.ones((6, 1, 2, 3))  # each agent says the row's number
    aim = core.targets(q, q, core.init(jax.random.key(0)).mixer, rows)[:, 0]
    # r + gamma (sum of next values); exactly r at the terminal; the restart's tick is not valid
    np.testing.assert_allclose(aim[jnp.array([0, 1, 2, 4])], [1 + 0.5 * 2, 2 + 0.5 * 4, 4, 8 + 0.5 * 10])
    np.testing.assert_array_equal(rows.valid[:, 0], [True, True, True, False, True])


def test_lambda_returns_stop_where_an_episode_ends():
    core = core_of(mixer="sum", td_lambda=1.0)
    mixer = core.init(jax.random.key(0)).mixer
    q = jnp.ones((6, 1, 2, 3))
    ended = rows_of([0, 1, 2, 4, 0, 8], [0, 0, 0, 1, 0, 0], [0] * 6, [1, 0, 0, 0, 1, 0])
    cut = rows_of([0, 1, 2, 4, 0, 8], [0] * 6, [0, 0, 0, 1, 0, 0], [1, 0, 0, 0, 1, 0])
    aim = core.targets(q, q, mixer, ended)[:, 0]
    np.testing.assert_allclose(aim[:3], [1 + 0.5 * (2 + 0.5 * 4), 2 + 0.5 * 4, 4])
    aim = core.targets(q, q, mixer, cut)[:, 0]
    np.testing.assert_allclose(aim[:3], [1 + 0.5 * (2 + 0.5 * 5), 2 + 0.5 * 5, 4 + 0.5 * 2])


@pytest.mark.parametrize(
    "mixer",
    ["sum", "none", "monotone", pytest.param("attention", marks=IN_CI), pytest.param("dueling", marks=IN_CI)],
)
def test_agents_that_left_go_on_as_those_with_one_legal_action(mixer):
    core = core_of(mixer=mixer, td_lambda=0.5)
    there = jnp.array([[1, 1], [1, 0], [1, 0]], bool)
    left = rows_of([0, 1, 2], [0, 0, 0], [0, 0, 0], [1, 0, 0], there)
    only = there[:, None, :, None] | (jnp.arange(3) == 0)
    stays = left._replace(
        timestep=left.timestep._replace(legal=only, active=jnp.ones_like(left.timestep.active))
    )
    left = left._replace(actions=jnp.where(there[:-1, None], left.actions, 2))
    weights = core.init(jax.random.key(0)).mixer
    q = jax.random.normal(jax.random.key(1), (3, 1, 2, 3))
    np.testing.assert_array_equal(core.targets(q, q, weights, left), core.targets(q, q, weights, stays))
    mixed = [core.mixed(weights, q_learning.choose(q[:-1], r.actions, r.before)) for r in (left, stays)]
    np.testing.assert_array_equal(*mixed)
    # What it would say of actions that it has not got does not matter.
    other = q.at[1:, 0, 1, 1:].add(100.0)
    np.testing.assert_array_equal(
        core.targets(q, q, weights, left), core.targets(other, other, weights, left)
    )
    assert core.mask(left, 3 if mixer == "none" else 2).all()


def test_with_its_own_reward_an_agent_ends_where_it_leaves():
    core = core_of(mixer="none", reward="own", td_lambda=1.0)
    there = [[1, 1], [1, 1], [1, 0], [1, 0]]
    rows = rows_of([0, 1, 2, 4], [0, 0, 0, 1], [0] * 4, [1, 0, 0, 0], there)
    paid = rows.timestep.reward.at[:, 0, 1].set(jnp.array([0.0, 3.0, 5.0, 100.0]))
    rows = rows._replace(timestep=rows.timestep._replace(reward=paid))
    target = core.targets(
        jnp.ones((4, 1, 2, 3)), jnp.ones((4, 1, 2, 3)), core.init(jax.random.key(0)).mixer, rows
    )
    np.testing.assert_allclose(target[:, 0, 0], [1 + 0.5 * (2 + 0.5 * 4), 2 + 0.5 * 4, 4])
    np.testing.assert_allclose(target[:2, 0, 1], [3 + 0.5 * 5, 5])
    np.testing.assert_array_equal(core.mask(rows, 3)[:, 0], [[1, 1], [1, 1], [1, 0]])


def test_rows_shorter_than_what_is_collected_do_not_suit_a_memory():
    config = learner.ValueConfig(network="gru", hidden=(8,), num_steps=8, row_length=4)
    with pytest.raises(UserError, match="agents that remember need them equal"):
        learner.build(config, Recall())


@pytest.mark.parametrize("weighting", ["optimistic", "central"])
def test_wqmix_weighs_errors_as_the_paper_says(weighting):
    config = wqmix.Config(weighting=weighting, weight=0.25, hidden=(8,), central_hidden=(8,))
    core = q_learning.QLearning(config, Echo())
    auxiliary = wqmix._central(config, Echo(), core)
    online = core.init(jax.random.key(0))._replace(auxiliary=auxiliary.init(jax.random.key(1)))
    rows = rows_of([0, 0, 0, 0], [0] * 4, [0] * 4, [1, 0, 0, 0])
    rows = rows._replace(actions=jnp.array([[[0, 0]], [[1, 2]], [[1, 2]]]))
    q = jnp.zeros((4, 1, 2, 3)).at[..., 0].set(1.0)  # the greedy joint action is (0, 0)
    total = jnp.zeros((3, 1))
    aim = jnp.array([[-1e3], [-1e3], [1e3]])
    weights = auxiliary.weighting(online, learner.Predicted(q, total, aim), rows)[:, 0]
    # (0, 0) is greedy; then an action worse than what it is compared with; then a better one
    assert weights.tolist() == ([0.25, 0.25, 1.0] if weighting == "optimistic" else [1.0, 0.25, 1.0])


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.left_out
def test_without_a_target_network_targets_are_the_newest():
    """With one gradient step between updates of the target network, it always is the online one."""
    small = {"num_envs": 8, "hidden": (16,), "buffer_capacity": 1024, "min_buffer_size": 64, "batch_size": 64}

    def trained(interval):
        config = qmix.Config(**small, train_frequency=64, target_update_interval=interval)
        made = programs.build(
            Settings("qmix", RunSettings(env="tests/tiny.py:Echo", log_interval=1280), config, Echo.Config())
        )
        state, _ = made.chunk(made.init(np.zeros(1, np.uint32)))
        return jax.device_get(made.learner.weights(state.learner))

    none, always, seldom = trained(0), trained(1), trained(640)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), none, always)
    assert np.abs(none.agents.head.weight - seldom.agents.head.weight).max() > 1e-4
