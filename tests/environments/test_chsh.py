"""The CHSH game: every game there is, the classical bound by enumeration, the entangled pair by its state."""

from __future__ import annotations

import itertools
from math import cos, pi, sin

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflock.core.environment import Exact
from qflock.environments.chsh import CLASSICAL, ENTANGLED, Environment
from qflock.playing.evaluation import of_reference, play

KEY = jax.random.key(0)
BITS = list(itertools.product((0, 1), repeat=2))


def asked(env, questions):
    state, _ = env.reset(KEY)
    return state._replace(questions=jnp.array(questions))


@pytest.mark.parametrize("questions", BITS)
@pytest.mark.parametrize("answers", BITS)
def test_every_game_pays_by_the_rule(questions, answers):
    env = Environment()
    _, now = env.step(KEY, asked(env, questions), jnp.array(answers))
    won = (answers[0] != answers[1]) == (questions == (1, 1))
    assert now.reward.tolist() == [won, won]
    assert now.measures["solved"] == won
    assert now.terminated
    assert not now.truncated


def test_questions_are_fair_and_each_agent_sees_its_own():
    env = Environment()
    states, now = jax.vmap(env.reset)(jax.random.split(KEY, 4000))
    counts = np.bincount(2 * states.questions[:, 0] + states.questions[:, 1], minlength=4)
    assert (abs(counts - 1000) < 150).all()
    np.testing.assert_array_equal(now.observation.argmax(-1), states.questions)
    np.testing.assert_array_equal(now.state.reshape(-1, 2, 2), now.observation)


def test_no_classical_pair_wins_more_than_three_of_four():
    """All sixteen pairs of answers to questions; dice only mix them."""
    env = Environment()
    assert isinstance(env, Exact)
    pairs = list(itertools.product(BITS, repeat=2))
    tables = jnp.stack([jnp.eye(2)[jnp.array(pair)] for pair in pairs])
    scores = env.exact_return(tables)
    assert scores.max() == CLASSICAL
    wins = lambda pair: np.mean([(pair[0][x] ^ pair[1][y]) == (x & y) for x, y in BITS])
    np.testing.assert_allclose(scores, [wins(pair) for pair in pairs])


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
def test_random_answers_stay_below_the_classical_bound(chances):
    ones = jnp.array(chances, jnp.float32).reshape(2, 2)
    table = jnp.stack([1 - ones, ones], -1)
    env = Environment()
    assert env.exact_return(table) <= CLASSICAL + 1e-6
    np.testing.assert_array_equal(env.exact_visits(table), np.full((2, 2), 0.5))


def test_the_entangled_pair_by_measuring_its_state():
    """Measure (|00> + |11>)/sqrt(2) along the textbook angles: exactly cos^2(pi/8)."""
    axis = lambda angle: np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])
    first, second = [axis(a) for a in (0, pi / 4)], [axis(a) for a in (pi / 8, -pi / 8)]
    bell = np.eye(2) / 2**0.5
    joint = np.array([[(u @ bell @ v.T) ** 2 for v in second] for u in first])
    assert Environment().exact_joint_return(joint) == pytest.approx(ENTANGLED, abs=1e-6)
    assert pytest.approx(0.8536, abs=5e-5) == ENTANGLED


@pytest.mark.parametrize(("name", "share"), [("oracle", ENTANGLED), ("classical", CLASSICAL)])
def test_references_win_as_often_as_they_should(name, share):
    env = Environment()
    scores = play(env, of_reference(env.references()[name]), (), KEY, 20_000)
    assert abs(scores.episode_return.mean() - share) < 4 * (share * (1 - share) / 20_000) ** 0.5
    np.testing.assert_array_equal(scores.length, 1)


def test_the_oracle_keeps_what_each_agent_may_know():
    """Whatever is asked, each answer alone is fair: no agent learns the other's question."""
    env = Environment()
    oracle = env.references()["oracle"]
    for questions in BITS:
        state = asked(env, questions)
        answers = jax.vmap(lambda k, state=state: oracle(k, state, None))(jax.random.split(KEY, 4000))
        assert (abs(answers.mean(0) - 0.5) < 0.04).all()


def test_the_picture_shows_the_answers_that_were_given():
    env = Environment()
    state = asked(env, (1, 1))
    before = env.draw(state, 300).astype(int)
    rings = [
        np.argwhere((env.draw(env.step(KEY, state, jnp.array(a))[0], 300) != before).any(-1)[:250]).mean(0)
        for a in ((0, 0), (1, 1))
    ]
    assert (rings[1] > rings[0] + 30).all()
    np.testing.assert_array_equal(before.shape, env.draw(asked(env, (0, 1)), 300).shape)
