"""The two-step game: every episode there is, the published payoffs, the references and the picture."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.environments.two_step import Environment
from qflock.playing.evaluation import of_reference, play

KEY = jax.random.key(0)
JOINT = list(itertools.product(range(2), repeat=2))
TABLES = {0: [[7, 7], [7, 7]], 1: [[0, 1], [1, 8]]}


def run(env, *joint):
    state, now = env.reset(KEY)
    told = [(state, now)]
    for actions in joint:
        state, now = env.step(KEY, state, jnp.array(actions))
        told.append((state, now))
    return told


@pytest.mark.parametrize("first", JOINT)
@pytest.mark.parametrize("second", JOINT)
def test_every_episode_pays_what_the_tables_say(first, second):
    told = [now for _, now in run(Environment(), first, second)]
    assert [float(now.reward[0]) for now in told] == [0, 0, TABLES[first[0]][second[0]][second[1]]]
    assert all(now.reward[0] == now.reward[1] for now in told)
    assert [bool(now.terminated) for now in told] == [False, False, True]
    assert not any(now.truncated for now in told)
    assert told[2].measures["solved"] == (told[2].reward[0] == 8)


@pytest.mark.parametrize("first", JOINT)
def test_everybody_sees_the_place_alone(first):
    """The second agent's first action leaves no trace; the end shows no place."""
    places = [now.state.tolist() for _, now in run(Environment(), first, (0, 0))]
    assert places == [[1, 0, 0], [0, 0, 1] if first[0] else [0, 1, 0], [0, 0, 0]]
    for _, now in run(Environment(), first, (0, 0)):
        np.testing.assert_array_equal(now.observation, np.tile(now.state, (2, 1)))


def test_an_unknown_action_means_the_second():
    assert run(Environment(), (9, -3), (2, 7))[2][1].reward[0] == 8


@pytest.mark.parametrize(("name", "paid"), [("oracle", 8), ("safe", 7)])
def test_references_earn_what_they_promise(name, paid):
    env = Environment()
    scores = play(env, of_reference(env.references()[name]), (), KEY, 3)
    np.testing.assert_array_equal(scores.episode_return, [paid] * 3)
    np.testing.assert_allclose(scores.discounted, [0.99 * paid] * 3, rtol=1e-6)
    np.testing.assert_array_equal(scores.length, [2] * 3)


def test_the_picture_shows_the_table_in_play_and_the_chosen_cell():
    env = Environment()
    start, middle, end = (env.draw(state).astype(int) for state, _ in run(env, (1, 0), (1, 1)))
    assert start.shape == middle.shape == end.shape
    half = start.shape[1] // 2
    board = slice(60, 250)  # without the caption
    assert (start[board, :half] != middle[board, :half]).any(), "2A fades"
    np.testing.assert_array_equal(start[board, half:], middle[board, half:])
    ring = np.argwhere((middle != end).any(-1)[board, half:])
    assert (ring > np.array([60, half // 3])).all(), "the ring is around the lower right cell"
