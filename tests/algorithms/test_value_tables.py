"""Games whose values are known: the two-step game's published tables, and closed forms on matrix games.

Sources: Rashid et al. 2018, tables 1 and 2 (two-step game); least squares and enumeration elsewhere.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock import config, registry
from qflock.config import RunSettings, Settings
from qflock.parts.evaluation import decentralised, play
from qflock.runs import program
from qflock.types import Rows

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


SEEDS = 3


def trained(algorithm, updates=4000):
    """The two-step game's program, and what each seed trained."""
    settings = {
        "copies": 32,
        "steps": 3,
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
    made = program.build(Settings(algorithm, run, learner, None))
    state, _ = made.chunk(made.init(np.arange(SEEDS, dtype=np.uint32)))
    weights = made.learner.weights(state.learner)
    return made, [jax.tree.map(lambda x, i=i: x[i], weights) for i in range(SEEDS)]


def agents_values(learner, weights, seen, agents=2):
    """Each agent's values where all see the same, (A, U)."""
    return np.stack([learner.values(weights.agents, i, learner.memory(), seen) for i in range(agents)])


def joint_values(learner, weights, seen, counts):
    """Q_tot of every joint action, an axis for each agent; the mixer sees what the agents see."""
    each = agents_values(learner, weights, seen, len(counts))
    chosen = np.stack([each[np.arange(len(counts)), joint] for joint in np.ndindex(*counts)])
    return np.asarray(jax.vmap(weights.mixer, (0, None))(chosen, seen)).reshape(counts)


def greedy_return(made, weights):
    choose = decentralised(made.learner, weights.agents, "greedy")
    scores = play(made.env, choose, made.learner.memory(), jax.random.key(0), 1)
    return float(scores.episode_return[0])


START, AFTER_A, AFTER_B = np.eye(3, dtype=np.float32)


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
    """Rows of one step in which every joint action is taken once, an (N,) copy for each."""
    joint = jnp.array(list(np.ndindex(env.table.shape)))
    keys = jax.random.split(jax.random.key(0), len(joint))
    state, before = jax.vmap(env.reset)(keys)
    _, after = jax.vmap(env.step)(keys, state, joint)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), before, after)
    first = jnp.array([[True], [False]]).repeat(len(joint), 1)
    return Rows(stacked, joint[None], first, (), ())


def fitted(algorithm, payoff, seed=0, updates=500, gradient_steps=20, **settings):
    """A learner fed with nothing but uniform play of a matrix game, and its Q_tot after each fifth."""
    env = config.make_environment("matrix_game", config.environment_settings("matrix_game", {"payoff": payoff}))
    cells = env.table.size
    own = {
        "copies": cells * gradient_steps,
        "steps": 1,
        "train_frequency": cells,
        "batch_size": 8 * cells,
        "buffer_capacity": cells * gradient_steps,
        "min_buffer_size": 1,
        "lr": 0.02,
        "lr_final": 0.0,
        "lr_decay": updates * cells * gradient_steps,
    }
    made = registry.algorithm(algorithm)
    learner = made.build(made.Config(**{**RANDOM, **MIXER, **own, **settings}), env)
    rows = jax.tree.map(lambda x: jnp.repeat(x, gradient_steps, 1), uniform_play(env))
    update = lambda state, key: (learner.learn(state, rows, key)[0], None)
    fifth = jax.jit(lambda state, key: jax.lax.scan(update, state, jax.random.split(key, updates // 5))[0])
    state, tables = jax.jit(learner.init)(jax.random.key(seed)), []
    for key in jax.random.split(jax.random.key(seed + 100), 5):
        state = fifth(state, key)
        tables.append(joint_values(learner, learner.weights(state), np.ones(1, np.float32), env.table.shape))
    return env.table, tables


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
    table, tables = fitted("vdn", payoff)
    np.testing.assert_allclose(tables[-1], least_squares(table), atol=1e-2)


def test_vdn_ends_at_payoff_0_in_qtrans_game():
    table, tables = fitted("vdn", "qtran")
    assert table.ravel()[tables[-1].argmax()] == 0


def monotone_error(table):
    """The least squared error of any table that is monotone in an order of each agent's actions, by trying
    all orders; the projection on one order by Dykstra's alternating projections."""
