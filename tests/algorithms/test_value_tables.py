"""Games whose values are known: the two-step game's published tables, and closed forms on matrix games.

Sources: Rashid et al. 2018, tables 1 and 2 (two-step game); least squares and enumeration elsewhere.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls

from qflock.core import Seen
from qflock.core.steps import Rows
from qflock.playing.evaluation import of_policy, play
from qflock.runs.train import programs
from qflock.settings import config, registry
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings

pytestmark = [pytest.mark.slow, pytest.mark.ci_slow]

RANDOM = {"epsilon_end": 1.0, "gamma": 0.99, "td_lambda": 0.0, "row_length": 1, "hidden": (32,)}
"""Random actions for ever, and one-step targets: values of uniform data."""
MIXER = {"mixer_embed": 8, "mixer_hyper": 16}
PAYOFFS = {
    "qtran": "qtran",
    "climbing": "climbing",
    "penalty": "penalty",
    "xor": "xor",
    "uneven": "[[3, -1], [0.5, 4], [2, 2]]",
    "three": "[[[0, 5], [-2, 1]], [[4, 3], [3, -9]]]",
}


SEEDS = 2


def trained(algorithm, updates=3000):
    """The two-step game's program, and what each seed trained."""
    settings = {
        "num_envs": 32,
        "num_steps": 3,
        "buffer_capacity": 96 * 1000,
        "min_buffer_size": 2000,
        "batch_size": 96,
        "train_frequency": 48,
        "target_update_interval": 2000,
        "lr": 3e-3,
        "lr_final": 0.01,
        "lr_decay": updates * 96,
    }
    learner = registry.algorithm(algorithm).Config(**RANDOM, **MIXER, **settings)
    run = RunSettings(env="two_step", log_interval=updates * 96, seeds=SEEDS)
    made = programs.build(Settings(algorithm, run, learner, None))
    state, _ = made.chunk(made.init(np.arange(SEEDS, dtype=np.uint32)))
    weights = made.learner.weights(state.learner)
    return made, [jax.tree.map(lambda x, i=i: x[i], weights) for i in range(SEEDS)]


def agents_values(learner, weights, seen, agents=2):
    """Each agent's values where all see the same, (A, U)."""
    everyone = np.broadcast_to(seen, (agents, *np.shape(seen)))
    seen = Seen(everyone, np.ones((agents, learner.policy.portable.agents)), np.ones(agents, bool))
    return np.asarray(learner.policy.scores(weights.agents, learner.policy.start(), seen))


def joint_values(learner, weights, seen, counts):
    """Q_tot of every joint action, an axis for each agent; the mixer sees what the agents see."""
    each = agents_values(learner, weights, seen, len(counts))
    joint = np.array(list(np.ndindex(*counts)))
    chosen = each[np.arange(len(counts)), joint]
    told = {"actions": joint, "best": np.broadcast_to(each.max(-1), joint.shape)}
    told = {name: told[name] for name in getattr(weights.mixer, "looks", ())}
    mix = lambda values, told: weights.mixer(values, seen, **told)
    return np.asarray(jax.vmap(mix)(chosen, told)).reshape(counts)


def greedy_return(made, weights):
    choose = of_policy(made.learner.policy, weights.agents, "greedy")
    scores = play(made.env, choose, made.learner.policy.start(), jax.random.key(0), 1)
    return float(scores.episode_return[0])


START, AFTER_A, AFTER_B = np.eye(3, dtype=np.float32)
SEEN = np.ones(1, np.float32)  # all that a matrix game shows


@pytest.mark.parametrize(
    ("algorithm", "tolerance", "start", "after_b", "paid"),
    [
        ("vdn", 0.4, [[6.93, 6.93], [6.435, 6.435]], [[-1.5, 2.5], [2.5, 6.5]], 7),
        ("qmix", 0.05, [[6.93, 6.93], [7.92, 7.92]], [[0, 1], [1, 8]], 8),
    ],
)
def test_two_step_game_factored(algorithm, tolerance, start, after_b, paid):
    made, seeds = trained(algorithm)
    for weights in seeds:
        for seen, expected in ((START, start), (AFTER_A, [[7, 7], [7, 7]]), (AFTER_B, after_b)):
            found = joint_values(made.learner, weights, seen, (2, 2))
            np.testing.assert_allclose(found, expected, atol=tolerance)
        assert greedy_return(made, weights) == paid


def test_two_step_game_independent():
    made, seeds = trained("iql")
    for weights in seeds:
        values = lambda seen, weights=weights: agents_values(made.learner, weights, seen)
        np.testing.assert_allclose(values(START)[0], [6.93, 4.455], atol=0.4)
        np.testing.assert_allclose(values(AFTER_A), [[7, 7], [7, 7]], atol=0.4)
        np.testing.assert_allclose(values(AFTER_B), [[0.5, 4.5], [0.5, 4.5]], atol=0.4)
        assert greedy_return(made, weights) == 7


def uniform_play(env):
    """One stream of rows, (2N+1, 1): an episode for each of the N joint actions, one after the other."""
    joint = jnp.array(list(np.ndindex(env.table.shape)))
    key = jax.random.key(0)
    state, start = env.reset(key)
    starts = jax.tree.map(lambda x: jnp.broadcast_to(x, (len(joint), *x.shape)), start)
    _, ends = jax.vmap(env.step, (None, None, 0))(key, state, joint)
    both = lambda a, b, last: jnp.concatenate([jnp.stack([a, b], 1).reshape(-1, *a.shape[1:]), last[None]])
    stream = jax.tree.map(both, starts, ends, start)
    actions = joint.repeat(2, 0)  # that of an episode's last row is never taken
    return jax.tree.map(lambda x: x[:, None], Rows(stream, actions, ~stream.over, (), ()))


def fitted(algorithm, payoff, seeds=1, updates=100, **more):
    """Learners fed with nothing but uniform play of a matrix game. Every batch is all of the play, so that no
    chance but the first weights is left in it.

    Returns:
        The game's table, and for each seed Q_tot of every joint action after each fifth of the updates.
    """
    env = config.make_environment(
        "matrix_game", config.environment_settings("matrix_game", {"payoff": payoff})
    )
    rows = uniform_play(env)
    length = 2 * env.table.size
    own = {
        "num_envs": 1,
        "num_steps": length,
        "row_length": length,
        "batch_size": length,
        "train_frequency": 1,
        "buffer_capacity": length,
        "min_buffer_size": 1,
        "lr": 0.02,
        "lr_final": 0.0,
        "lr_decay": updates * env.table.size,
    }
    made = registry.algorithm(algorithm)
    learner = made.build(made.Config(**{**RANDOM, **MIXER, **own, **more}), env)
    update = lambda state, key: (learner.learn(state, rows, key)[0], None)
    fifth = lambda state, key: jax.lax.scan(update, state, jax.random.split(key, updates // 5))[0]
    fifth = jax.jit(jax.vmap(fifth, (0, None)))
    state, told = jax.jit(jax.vmap(learner.init))(jax.random.split(jax.random.key(0), seeds)), []
    for key in jax.random.split(jax.random.key(1), 5):
        state = fifth(state, key)
        told.append(learner.weights(state))
    alone = lambda weights, i: jax.tree.map(lambda x: x[i], weights)
    tables = lambda i: [joint_values(learner, alone(w, i), SEEN, env.table.shape) for w in told]
    return env.table, [tables(i) for i in range(seeds)]


def least_squares(table):
    """The sum of one number for each agent's action that is nearest to the table."""
    joint = list(np.ndindex(table.shape))
    starts = np.cumsum([0, *table.shape[:-1]])
    design = np.zeros((len(joint), sum(table.shape)))
    for row, actions in zip(design, joint, strict=True):
        row[starts + actions] = 1
    solution = np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
    return (design @ solution).reshape(table.shape)


def test_least_squares_by_hand():
    np.testing.assert_allclose(least_squares(np.array([[0, 1], [1, 8.0]])), [[-1.5, 2.5], [2.5, 6.5]])


@pytest.mark.parametrize("payoff", PAYOFFS.values(), ids=PAYOFFS.keys())
def test_vdn_is_the_least_squares_sum(payoff):
    table, (tables,) = fitted("vdn", payoff)
    np.testing.assert_allclose(tables[-1], least_squares(table), atol=1e-2)
    if payoff == "qtran":
        assert table.ravel()[tables[-1].argmax()] == 0, "and so its greedy agents miss the best cell"


def least_monotone_error(table):
    """The least squared error of any table that rises along both axes, in whichever order of the actions.

    Tables that rise in one order are sums, with weights of at least 0, of the indicators of upper sets
    (and of a constant of any sign); so the nearest one is a non-negative least-squares problem.
    """
    n, m = table.shape
    heights = itertools.combinations_with_replacement(range(m + 1), n)  # cells of each row in an upper set
    upper = np.array([[column >= m - high for high in heights for column in range(m)] for heights in heights])
    design = np.vstack([upper, -np.ones(n * m)]).T.astype(float)
    orders = itertools.product(itertools.permutations(range(n)), itertools.permutations(range(m)))
    return min(nnls(design, table[np.ix_(*order)].ravel())[1] ** 2 for order in orders)


def test_no_monotone_mixer_gets_below_288_in_qtrans_game():
    table, seeds = fitted("qmix", "qtran", seeds=4)
    bound = least_monotone_error(table)
    assert bound == pytest.approx(288)
    errors = np.array([[np.square(each - table).sum() for each in tables] for tables in seeds])
    assert (errors >= 288 - 1e-3).all()
    assert errors[:, -1].min() < 320.1, "the usual optimum, without the best cell, has 320"


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("weighting", [pytest.param("optimistic", marks=pytest.mark.left_out), "central"])
def test_weighted_qmix_finds_the_best_cell_of_qtrans_game(weighting):
    more = {"weighting": weighting, "central_hidden": (32,)}
    table, seeds = fitted("wqmix", "qtran", seeds=20, updates=60, **more)
    picked = [table.ravel()[tables[-1].argmax()] for tables in seeds]
    assert picked.count(8) >= 19
    switched_off = fitted("wqmix", "qtran", seeds=2, updates=60, **{**more, "weight": 1.0})[1]
    assert all(table.ravel()[tables[-1].argmax()] == 0 for tables in switched_off)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_qplex_finds_the_best_cell_of_qtrans_game_and_learns_the_game():
    more = {"lr": 2e-3, "lr_final": 0.1, "mixer_hyper": 64, "max_grad_norm": 1.0}
    table, seeds = fitted("qplex", "qtran", seeds=20, updates=200, **more)
    picked = [table.ravel()[tables[-1].argmax()] for tables in seeds]
    assert picked.count(8) >= 19
    errors = [np.abs(tables[-1] - table).max() for tables in seeds]
    assert np.median(errors) < 0.1
