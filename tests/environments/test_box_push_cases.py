"""BoxPush: pushes, conflicts and views worked by hand; settings, boards given, the reference, the picture."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.environments.box_push.game import Config, Environment
from qflock.networks.inputs import of_observation, of_state
from qflock.playing.evaluation import of_reference, play

KEY = jax.random.key(0)
EAST, SOUTH, WEST, NORTH = range(4)
STAY, LEFT, RIGHT, FORWARD = range(4)
EMPTY, WALL = (1, 0, 0), (2, 5, 0)


@cache
def player(config):
    """Compiled play from a board (agents, directions, boxes, goals) with actions (T, A)."""
    environment = Environment(config)

    def tick(state, joint):
        after = environment.step(KEY, state, joint)
        return after[0], after

    return jax.jit(lambda board, actions: jax.lax.scan(tick, environment.place(*board)[0], actions)[1])


def after(config, board, *actions):
    """The states after each joint action from one board, and the time steps."""
    padded = [*actions, *[[STAY] * config.n_agents] * (3 - len(actions))]
    steps = player(config)(tuple(np.array(part) for part in board), np.array(padded))
    return jax.tree.map(lambda x: np.asarray(x)[: len(actions)], steps)


HEAVY = Config(n_light=0, n_heavy=1)
LIGHT = Config(n_light=1, n_heavy=0)
GO = [FORWARD, FORWARD]


def test_two_in_line_push_a_heavy_box_home():
    board = ([[3, 4], [2, 4]], [EAST, EAST], [[4, 4]], [[6, 4]])
    state, now = after(HEAVY, board, GO, GO)
    assert state.boxes[:, 0].tolist() == [[5, 4], [6, 4]]
    assert state.agents[-1].tolist() == [[5, 4], [4, 4]]
    np.testing.assert_allclose(now.reward, [[-0.01] * 2, [4.99] * 2], atol=1e-6)
    assert now.terminated.tolist() == [False, True]


@pytest.mark.parametrize(
    ("second", "facing", "action"),
    [
        ([2, 4], EAST, STAY),  # does not go
        ([2, 4], NORTH, FORWARD),  # goes elsewhere
        ([1, 4], EAST, FORWARD),  # a cell too far back
        ([4, 3], SOUTH, FORWARD),  # pushes from another side
    ],
)
def test_a_heavy_box_stays_without_a_second_in_line(second, facing, action):
    state, _ = after(HEAVY, ([[3, 4], second], [EAST, facing], [[4, 4]], [[6, 6]]), [FORWARD, action])
    assert state.boxes[0].tolist() == [[4, 4]]
    assert state.agents[0, 0].tolist() == [3, 4]


def test_a_helper_that_is_held_up_does_not_help():
    """Agent 2 claims the first's cell as well, so the second stays, and so does the heavy box."""
    config = Config(n_agents=3, n_light=0, n_heavy=1)
    board = ([[3, 4], [2, 4], [3, 5]], [EAST, EAST, NORTH], [[4, 4]], [[6, 4]])
    state, _ = after(config, board, [FORWARD] * 3)
    assert state.agents[0].tolist() == [[3, 4], [2, 4], [3, 5]]
    assert state.boxes[0].tolist() == [[4, 4]]


def test_one_pushes_a_light_box_and_another_follows():
    state, _ = after(LIGHT, ([[3, 4], [2, 4]], [EAST, EAST], [[4, 4]], [[7, 7]]), GO)
    assert (state.boxes[0].tolist(), state.agents[0].tolist()) == ([[5, 4]], [[4, 4], [3, 4]])


@pytest.mark.parametrize(
    ("agents", "directions", "box"),
    [
        ([[3, 4], [5, 4]], [EAST, WEST], [7, 7]),  # both claim (4, 4)
        ([[3, 4], [4, 5]], [EAST, NORTH], [7, 7]),
        ([[3, 4], [4, 4]], [EAST, WEST], [7, 7]),  # would change places
        ([[3, 4], [5, 5]], [EAST, NORTH], [4, 4]),  # the box and agent 1 claim (5, 4)
        ([[3, 4], [4, 5]], [EAST, NORTH], [4, 4]),  # both push one box
    ],
)
def test_agents_that_claim_one_cell_stay(agents, directions, box):
    state, _ = after(LIGHT, (agents, directions, [box], [[8, 8]]), GO)
    assert state.agents[0].tolist() == agents
    assert state.boxes[0].tolist() == [box]


def test_a_chain_of_three_moves_and_stops_together():
    config = Config(n_agents=3, n_light=1, n_heavy=0)
    chain, box, goal = [[5, 4], [4, 4], [3, 4]], [[2, 2]], [[8, 8]]
    go = [FORWARD] * 3
    state, _ = after(config, (chain, [EAST] * 3, box, goal), go)
    assert state.agents[0].tolist() == [[6, 4], [5, 4], [4, 4]]
    state, _ = after(config, (chain, [EAST] * 3, box, goal), [STAY, FORWARD, FORWARD])
    assert state.agents[0].tolist() == chain
    wall = [[8, 4], [7, 4], [6, 4]]
    state, _ = after(config, (wall, [EAST] * 3, box, goal), go)
    assert state.agents[0].tolist() == wall


def test_four_can_turn_in_a_ring():
    config = Config(n_agents=4, n_light=1, n_heavy=0)
    ring = [[4, 4], [5, 4], [5, 5], [4, 5]]
    state, _ = after(config, (ring, [EAST, SOUTH, WEST, NORTH], [[2, 2]], [[8, 8]]), [FORWARD] * 4)
    assert state.agents[0].tolist() == [*ring[1:], ring[0]]


def test_a_box_is_pushed_into_free_cells_only():
    for agents, goals in (
        ([[7, 4], [2, 2]], [[3, 3]]),  # wall behind the box
        ([[3, 4], [5, 4]], [[3, 3]]),  # an agent behind it
    ):
        box = [agents[0][0] + 1, 4]
        state, _ = after(LIGHT, (agents, [EAST, NORTH], [box], goals), [FORWARD, FORWARD])
        assert state.boxes[0].tolist() == [box], "also where the agent behind it goes away"


def test_a_box_that_is_home_stays_and_pays_once():
    config = Config(n_light=2, n_heavy=0)
    board = ([[3, 4], [1, 1]], [EAST, EAST], [[4, 4], [7, 7]], [[5, 4], [2, 6]])
    state, now = after(config, board, *[[FORWARD, STAY]] * 3)
    assert state.boxes[:, 0].tolist() == [[5, 4]] * 3
    np.testing.assert_allclose(now.reward[:, 0], [0.99, -0.01, -0.01], atol=1e-6)
    assert state.agents[:, 0].tolist() == [[4, 4]] * 3
    assert now.measures["boxes_home"].tolist() == [1, 1, 1]
    assert not now.terminated.any()
    assert now.observation[0, 0].reshape(7, 7, 3)[5, 3].tolist() == [7, 4, 1], "seen to be home"


@cache
def viewer(config):
    return jax.jit(Environment(config).place)


def look(config, *board):
    now = viewer(config)(*(np.array(part) for part in board))[1]
    return np.asarray(now.observation).reshape(-1, 7, 7, 3)


@pytest.mark.parametrize("occlusion", [True, False])
def test_a_view_from_a_corner(occlusion):
    """Agent 0 at (2, 1) faces west: wall two ahead and to its right, everything else on its left."""
    config = Config(n_light=1, n_heavy=1, occlusion=occlusion)
    seen = look(config, [[2, 1], [1, 3]], [WEST, NORTH], [[2, 3], [4, 4]], [[1, 2], [6, 6]])[0]
    beyond = (0, 0, 0) if occlusion else WALL
    picture = np.array(
        [
            *[[beyond] * 7] * 4,
            [WALL] * 5 + [beyond] * 2,
            [EMPTY, (10, 1, 0), (8, 1, 0), EMPTY, WALL, beyond, beyond],  # column x = 1
            [EMPTY, (7, 4, 0), EMPTY, (10, 0, 3), WALL, beyond, beyond],  # x = 2: itself and a light box
        ]
    )
    np.testing.assert_array_equal(seen[:, :3], picture[:, :3])
    np.testing.assert_array_equal(seen, picture)


def test_a_view_turns_with_the_agent():
    """One ahead and one to the right: a heavy box, wherever the agent faces."""
    config = Config(n_light=0, n_heavy=1)
    for facing, box in ((EAST, [5, 5]), (SOUTH, [3, 5]), (WEST, [3, 3]), (NORTH, [5, 3])):
        seen = look(config, [[4, 4], [8, 8]], [facing, facing], [box], [[1, 8]])[0]
        assert seen[5, 4].tolist() == [7, 5, 0]
        assert (seen[..., 0] == 7).sum() == 1


def test_the_input_stage_tells_cells_apart():
    spec = Environment().spec
    _, now = jax.jit(Environment().reset)(KEY)
    seen, whole = of_observation(spec), of_state(spec)
    features = np.asarray(jax.jit(seen.apply)(now.observation[0]))
    assert seen.size == features.size == 49 * (5 + 3 + 3)
    assert set(features.tolist()) == {0.0, 1.0}
    types = features[: 49 * 5].reshape(49, 5)
    np.testing.assert_array_equal(types[:, 1], now.observation[0, ::3] == 2)
    assert whole.size == 64 * (3 + 2 + 1) + 2 * (8 + 8 + 4) + 1
    assert jax.jit(whole.apply)(now.state).shape == (whole.size,)


def test_shaped_reward_pays_the_way_to_the_goals_and_back():
    config = Config(n_light=1, n_heavy=0, shaped_reward=0.5)
    board = ([[3, 4], [6, 4]], [EAST, WEST], [[4, 4]], [[8, 4]])
    _, now = after(config, board, [FORWARD, LEFT], [LEFT, STAY])
    np.testing.assert_allclose(now.reward[:, 0], [0.49, -0.01], atol=1e-6)
    away = ([[3, 4], [6, 4]], [EAST, WEST], [[5, 4]], [[8, 4]])
    _, now = after(config, away, [STAY, FORWARD])
    np.testing.assert_allclose(now.reward[0, 0], -0.51, atol=1e-6)


def test_the_clock_runs_out():
    _, now = after(
        Config(max_steps=2),
        ([[1, 1], [1, 2]], [0, 0], [[3, 3], [5, 5], [5, 3]], [[4, 4], [6, 6], [6, 4]]),
        [0, 0],
        [0, 0],
    )
    assert now.truncated.tolist() == [False, True]
    assert not now.terminated.any()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"grid_size": 5}, "grid_size"),
        ({"grid_size": 6}, "too small"),
        ({"grid_size": 7, "n_light": 0, "n_heavy": 2}, "too small"),
        ({"n_agents": 5}, "n_agents"),
        ({"n_light": 0, "n_heavy": 0}, "boxes"),
        ({"n_light": 3}, "boxes"),
        ({"n_light": -1}, "n_light"),
        ({"max_steps": 0}, "max_steps"),
        ({"start_near": -1}, "start_near"),
        ({"shaped_reward": -1.0}, "shaped_reward"),
    ],
)
def test_settings_out_of_range(settings, word):
    with pytest.raises(UserError, match=word):
        Config(**settings)


@pytest.mark.parametrize(
    ("board", "word"),
    [
        (([[1, 1]], [0], [[3, 3]], [[4, 4]]), "agents"),
        (([[1, 1], [0, 4]], [0, 0], [[3, 3]], [[4, 4]]), "walls"),
        (([[1, 1], [1, 4]], [0, 4], [[3, 3]], [[4, 4]]), "directions"),
        (([[1, 1], [3, 3]], [0, 0], [[3, 3]], [[4, 4]]), "one of the cells"),
        (([[1, 1], [1, 2]], [0, 0], [[3, 3]], [[3, 3]]), "one of the cells"),
    ],
)
def test_boards_that_cannot_be(board, word):
    with pytest.raises(UserError, match=word):
        Environment(LIGHT).place(*board)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_greedy_solves_most_boards():
    environment = Environment()
    policy = environment.references()["greedy"]
    scores = jax.jit(lambda k: play(environment, of_reference(policy), (), k, 64))(KEY)
    assert scores.measures["solved"].mean() > 0.7
    assert scores.measures["heavy_home"].mean() > 0.7


def test_the_picture_shows_what_changed():
    environment = Environment()
    state, _ = jax.jit(environment.reset)(KEY)
    picture = environment.draw(state, 300)
    for changed in (
        state._replace(directions=(state.directions + 1) % 4),
        state._replace(home=state.home.at[0].set(True)),
        state._replace(step=state.step + 1),
        state._replace(goals=state.goals.at[0].set(jnp.array([8, 8]))),
    ):
        assert (environment.draw(changed, 300) != picture).any()
    np.testing.assert_array_equal(environment.draw(state, 300), picture)
