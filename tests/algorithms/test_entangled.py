"""Agents that share an entangled pair: what they may and may not do, and what they learn in CHSH."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qflock
from qflock.algorithms._entangled.measuring import HABIT, joint, outcomes
from qflock.algorithms.entangled import Config, build
from qflock.core import Seen
from qflock.core.errors import UserError
from qflock.environments import chsh, ghz
from qflock.playing import execution
from qflock.runs.train import programs
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings

KEY = jax.random.key(0)
PAIRS = ("bell", "dice", "none")
ANGLES = st.floats(-4, 4, width=32)


def measured(state, angles):
    """Chances of the outcomes of measuring a density matrix of two qubits, by its projectors."""
    found = np.zeros((2, 2))
    for m in itertools.product((0, 1), repeat=2):
        sides = [
            np.array([np.cos(t + k * np.pi / 2), np.sin(t + k * np.pi / 2)])
            for t, k in zip(angles, m, strict=True)
        ]
        both = np.kron(*sides)
        found[m] = both @ state @ both
    return found


STATES = {
    "bell": np.outer([1, 0, 0, 1], [1, 0, 0, 1]) / 2,
    "dice": np.diag([1, 0, 0, 1]) / 2,
    "none": np.diag([1, 0, 0, 0]),
}


@pytest.mark.parametrize("pair", PAIRS)
@settings(max_examples=20)
@given(st.tuples(ANGLES, ANGLES, ANGLES))
def test_outcomes_are_those_of_the_state_and_tell_nothing_of_the_other_angle(pair, angles):
    first, second, other = angles
    found = outcomes(pair, jnp.array([first, second]))
    np.testing.assert_allclose(found, measured(STATES[pair], (first, second)), atol=1e-5)
    elsewhere = outcomes(pair, jnp.array([first, other]))
    np.testing.assert_allclose(found.sum(1), elsewhere.sum(1), atol=1e-5)
    swapped = outcomes(pair, jnp.array([other, second]))
    np.testing.assert_allclose(found.sum(0), swapped.sum(0), atol=1e-5)


def won(pair, angles, answers):
    """The share of CHSH games won: angles (agent, question), answers (agent, question, outcome, action)."""
    table = [
        [
            joint(pair, jnp.array([angles[0][x], angles[1][y]]), jnp.stack([answers[0][x], answers[1][y]]))
            for y in (0, 1)
        ]
        for x in (0, 1)
    ]
    return float(chsh.Environment().exact_joint_return(jnp.array(table)))


@settings(max_examples=10)
@given(st.lists(ANGLES, min_size=4, max_size=4), st.lists(st.floats(0, 1, width=32), min_size=8, max_size=8))
def test_no_agents_win_more_than_their_pair_allows(angles, chances):
    angles = np.reshape(angles, (2, 2))
    ones = jnp.array(chances).reshape(2, 2, 2)
    for answers in (jnp.stack([1 - ones, ones], -1), jax.nn.one_hot((ones > 0.5).astype(int), 2)):
        assert won("dice", angles, answers) <= chsh.CLASSICAL + 1e-5
        assert won("none", angles, answers) <= chsh.CLASSICAL + 1e-5
        assert won("bell", angles, answers) <= chsh.ENTANGLED + 1e-5


def test_the_textbook_angles_win_what_can_be_won():
    angles = np.array([[0, np.pi / 4], [np.pi / 8, -np.pi / 8]])
    answers = jnp.broadcast_to(jnp.eye(2), (2, 2, 2, 2))
    assert won("bell", angles, answers) == pytest.approx(chsh.ENTANGLED, abs=1e-5)


def test_actions_are_drawn_from_the_joint_chances():
    learner = build(Config(hidden=(4,)), chsh.Environment())
    parameters = learner.execution(learner.init(KEY))
    asked, legal = jnp.eye(2), jnp.ones((2, 2), bool)
    seen = Seen(asked, legal, legal.any(-1))
    draw = lambda key: learner.policy.act(parameters, (), seen, key, "sample")[1]
    actions = jax.jit(jax.vmap(draw))(jax.random.split(KEY, 20_000))
    out = jax.vmap(lambda network, x: network(x))(parameters, asked)
    expected = joint("bell", out[:, 0], jax.nn.softmax(out[:, 1:].reshape(2, 2, 2) + HABIT * jnp.eye(2)))
    found = np.bincount(actions @ np.array([2, 1]), minlength=4).reshape(2, 2) / 20_000
    np.testing.assert_allclose(found, expected, atol=0.015)
    alone = jnp.exp(learner.policy.scores(parameters, (), seen))
    np.testing.assert_allclose(alone, [expected.sum(1), expected.sum(0)], atol=1e-5)
    assert execution.kind(learner.policy) == "drawn together"


def trained(pair):
    """The exact share of games that a pair wins after training, playing greedily."""
    run = RunSettings(env="chsh", log_interval=50_000)
    made = programs.build(Settings("entangled", run, Config(pair=pair, lr_decay=50_000), None))
    state, _ = made.chunk(made.init(np.arange(1, dtype=np.uint32)))
    parameters = jax.tree.map(lambda x: x[0], made.learner.execution(state.learner))
    out = jax.vmap(lambda network: jax.vmap(network)(jnp.eye(2)))(parameters)  # agent, question
    logits = out[..., 1:].reshape(2, 2, 2, 2) + HABIT * jnp.eye(2)
    best = jax.nn.one_hot(logits.argmax(-1), 2)
    return won(pair, out[..., 0], best)


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(("pair", "low", "high"), [("bell", 0.85, 0.8536), ("dice", 0.74, 0.75)])
def test_an_entangled_pair_learns_what_no_other_can(pair, low, high):
    assert low <= trained(pair) <= high + 1e-4


@pytest.mark.parametrize("visibility", [1.0, 0.9, 0.8, 0.7071, 0.7, 0.6])
def test_chsh_with_werners_state_wins_by_the_closed_form(visibility):
    """1/2 + v sqrt(2)/4 at the textbook angles, which are the best for every v; 3/4 or less below 0.7071."""
    angles = np.array([[0, np.pi / 4], [np.pi / 8, -np.pi / 8]])
    answers = jnp.broadcast_to(jnp.eye(2), (2, 2, 2))
    table = [[joint("bell", jnp.array([a, b]), answers, visibility) for b in angles[1]] for a in angles[0]]
    found = float(chsh.Environment().exact_joint_return(jnp.array(table)))
    assert found == pytest.approx(0.5 + visibility * 2**0.5 / 4, abs=1e-5)
    assert (found > chsh.CLASSICAL) is (visibility > 0.7072)


@pytest.mark.parametrize("visibility", [1.0, 0.6])
@settings(max_examples=10)
@given(st.tuples(ANGLES, ANGLES, ANGLES))
def test_a_ghz_state_is_measured_along_the_equator(visibility, angles):
    """By its density matrix and the projectors of each outcome."""
    vector = np.zeros(8)
    vector[[0, -1]] = 2**-0.5
    state = visibility * np.outer(vector, vector) + (1 - visibility) * np.eye(8) / 8
    found = outcomes("ghz", jnp.array(angles), visibility)
    assert found.shape == (2, 2, 2)
    for m in itertools.product((0, 1), repeat=3):
        sides = [np.array([1, np.exp(1j * t) * (-1) ** k]) / 2**0.5 for t, k in zip(angles, m, strict=True)]
        seen = np.kron(np.kron(*sides[:2]), sides[2])
        assert found[m] == pytest.approx((seen.conj() @ state @ seen).real, abs=1e-5)


@pytest.mark.parametrize(("visibility", "pair"), [(1.0, "ghz"), (0.5, "ghz"), (1.0, "dice")])
def test_the_ghz_game_is_won_at_the_textbook_angles_as_far_as_the_state_is_seen(visibility, pair):
    env = ghz.Environment()
    answers = jnp.broadcast_to(jnp.eye(2), (3, 2, 2))
    won = 0.0
    for asked, sign in zip(env.asked, env.signs, strict=True):
        chances = np.asarray(joint(pair, jnp.array(asked * np.pi / 2), answers, visibility))
        parity = np.indices((2, 2, 2)).sum(0) % 2
        won += chances[parity == (sign < 0)].sum() / len(env.asked)
    assert won == pytest.approx((1 + visibility) / 2) if pair == "ghz" else won <= 0.75 + 1e-6


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(("pair", "low", "high"), [("ghz", 0.99, 1.0), ("dice", 0.7, 0.78)])
def test_three_agents_learn_to_win_every_ghz_game_with_the_state_alone(tmp_path, pair, low, high):
    small = {"total_steps": 40_000, "eval_interval": 0, "log_interval": 20_000, "final_episodes": 4000}
    told = qflock.train("entangled", "ghz", pair=pair, quiet=True, run_dir=tmp_path / "run", **small)
    assert low <= told["over_seeds"]["return_mean"] <= high


def test_more_agents_than_can_be_counted_are_one_line():
    with pytest.raises(UserError, match="too many, of 10 agents with 5 actions each"):
        build(Config(pair="ghz"), qflock.make("forest_uav"))


def test_a_pair_is_for_two():
    with pytest.raises(UserError, match=r"entangled needs two agents, .*; gridworld25 has 4"):
        build(Config(), qflock.make("gridworld25"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lr": 0.0}, "lr is 0.0"),
        ({"num_envs": 0}, "num_envs is 0"),
        ({"gamma": 2.0}, r"must lie in \[0, 1\]"),
        ({"visibility": 1.5}, r"visibility is 1.5; it must lie in \[0, 1\]"),
    ],
)
def test_wrong_settings_are_one_clear_line(changed, message):
    with pytest.raises(UserError, match=message):
        Config(**changed)
