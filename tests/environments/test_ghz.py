"""The GHZ game: every game there is, the classical bound by enumeration, the state by measuring it."""

from __future__ import annotations

import itertools
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.environment import Exact
from qflock.core.errors import UserError
from qflock.environments.ghz import Config, Environment
from qflock.playing.evaluation import of_reference, play

KEY = jax.random.key(0)


def wins(questions, answers):
    """By the words of the rule: three agents' parity is the OR of their questions."""
    return sum(answers) % 2 == (1 if any(questions) else 0)


def test_every_game_of_three_pays_by_the_rule():
    env = Environment()
    every = [q for q in itertools.product((0, 1), repeat=3) if sum(q) % 2 == 0]
    assert env.asked.tolist() == [list(q) for q in every]
    games = list(itertools.product(every, itertools.product((0, 1), repeat=3)))
    state, _ = env.reset(KEY)
    pay = lambda q, a: env.step(KEY, state._replace(questions=q), a)[1].reward
    paid = jax.vmap(pay)(*(jnp.array(part) for part in zip(*games, strict=True)))
    wanted = [[float(wins(q, a))] * 3 for q, a in games]
    np.testing.assert_array_equal(paid, wanted)


@pytest.mark.parametrize(("agents", "bound"), [(3, 0.75), (4, 0.75), (5, 0.625)])
def test_no_classical_agents_win_more_than_the_bound(agents, bound):
    """All answers that there are, agents in any order; dice only mix them."""
    env = Environment(Config(agents))
    assert isinstance(env, Exact)
    plans = itertools.product(((0, 0), (0, 1), (1, 0), (1, 1)), repeat=agents)
    tables = np.eye(2)[np.array(list(plans))]
    assert max(env.exact_return(tables)) == pytest.approx(bound) == 0.5 + 2.0 ** -np.ceil(agents / 2)


def test_the_exact_return_is_the_mean_over_all_games():
    env = Environment()
    table = np.random.default_rng(0).dirichlet((1, 1), (3, 2))
    total = 0.0
    for q in env.asked:
        for a in itertools.product((0, 1), repeat=3):
            total += np.prod([table[i, q[i], a[i]] for i in range(3)]) * wins(q, a) / len(env.asked)
    assert env.exact_return(table) == pytest.approx(total)


def test_measuring_the_state_wins_every_game():
    """X where the question is 0, Y where it is 1, on (|000> + |111>)/sqrt 2."""
    ghz = np.zeros(8, complex)
    ghz[[0, -1]] = 2**-0.5
    axes = {0: np.array([[1, 1], [1, -1]]) / 2**0.5, 1: np.array([[1, -1j], [1, 1j]]) / 2**0.5}
    for q in Environment().asked.tolist():
        chances = np.square(np.abs(reduce(np.kron, [axes[x] for x in q]) @ ghz))
        answers = itertools.product((0, 1), repeat=3)
        assert sum(p for p, a in zip(chances, answers, strict=True) if wins(q, a)) == pytest.approx(1)


@pytest.mark.parametrize(("name", "share"), [("oracle", 1.0), ("classical", 0.75)])
def test_references_win_as_often_as_they_should(name, share):
    env = Environment()
    scores = play(env, of_reference(env.references()[name]), (), KEY, 4000)
    assert abs(scores.episode_return.mean() - share) <= 4 * (share * (1 - share) / 4000) ** 0.5


@pytest.mark.parametrize("agents", [2, 9])
def test_other_numbers_of_agents_are_one_line(agents):
    with pytest.raises(UserError, match=f"n_agents is {agents}; the GHZ game is for 3 to 8 agents"):
        Config(agents)


def test_the_picture_shows_the_parity_that_was_given():
    env = Environment()
    state, _ = env.reset(KEY)
    before, after = (env.draw(s, 300) for s in (state, env.step(KEY, state, jnp.array([1, 0, 0]))[0]))
    assert before.shape == after.shape
    assert (before != after).any()
