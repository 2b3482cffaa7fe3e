"""ForestUAV: recorded episodes, a plain re-implementation, the start, options, lawn-mower, picture."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import chisquare

from qflock.core.errors import UserError
from qflock.core.steps import team_reward
from qflock.environments.forest_uav.game import Config, Environment, _distinct
from qflock.playing.evaluation import of_reference, play

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "forest_uav.json").read_text())
KEY = jax.random.key(0)


@cache
def player(config: Config):
    """A compiled episode: (key, agents, vegetation, actions (T, A)) -> the start and all steps."""
    environment = Environment(config)

    def tick(state, x):
        after = environment.step(*x[:1], state, x[1])
        return after[0], after

    def run(key, agents, vegetation, actions):
        state, timestep = environment.place(key, agents, vegetation)
        keys = jax.random.split(key, len(actions))
        return (state, timestep), jax.lax.scan(tick, state, (keys, actions))[1]

    return jax.jit(run)


@pytest.mark.parametrize("k", range(len(GOLDEN)))
def test_recorded_episodes_replay(k):
    episode = GOLDEN[k]
    config = Config(
        **{n: episode[n] for n in ("grid_size", "n_agents", "obs_radius", "episode_len")}, comm_budget=0.0
    )
    arrays = (np.array(episode[n]) for n in ("agents", "vegetation", "actions"))
    (_, first), (states, steps) = jax.device_get(player(config)(KEY, *arrays))
    recorded = episode["observations"]
    np.testing.assert_allclose(first.observation, recorded[0], atol=1e-5)
    np.testing.assert_allclose(steps.observation[: len(recorded) - 1], recorded[1:], atol=1e-5)
    paid = team_reward(Environment(config).spec, steps.reward)
    np.testing.assert_allclose(paid, episode["rewards"], atol=1e-5)
    np.testing.assert_array_equal(states.agents, episode["agent_positions"])
    np.testing.assert_array_equal(steps.truncated, episode["done"])
    assert not steps.terminated.any()


class Plain:
    """The rules once more, from their description, with sets and loops."""

    def __init__(self, config, agents, vegetation):
        self.config, self.vegetation = config, np.asarray(vegetation)
        self.agents = [tuple(a) for a in agents]
        self.visited: set[tuple[int, int]] = set()
        self.steps, self.reached = 0, config.episode_len + 1

    def step(self, actions):
        last = self.config.grid_size - 1
        moves = {1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)}
        for i, action in enumerate(actions):
            down, right = moves.get(action, (0, 0))
            r, c = self.agents[i]
            self.agents[i] = (min(max(r + down, 0), last), min(max(c + right, 0), last))
        reward = 0.0
        for cell in set(self.agents):
            reward += cell not in self.visited
            reward -= 0.25 * (self.agents.count(cell) > 1)
        self.visited |= set(self.agents)
        self.steps += 1
        if self.reached > self.config.episode_len and len(self.visited) >= 0.95 * (last + 1) ** 2 - 1e-9:
            self.reached = self.steps
        return reward

    def observe(self, i, flags=False):
        """The crop, the cell, and the visited flags of the crop."""
        last, radius = self.config.grid_size - 1, self.config.obs_radius
        reach = range(-radius, radius + 1)
        at = lambda x: min(max(x, 0), last)
        row, column = self.agents[i]
        cells = [(at(row + a), at(column + b)) for a in reach for b in reach]
        seen = [self.vegetation[cell] for cell in cells] + [row / last, column / last]
        return seen + [float(cell in self.visited) for cell in cells] if flags else seen


@settings(max_examples=60)
@given(
    config=st.sampled_from(
        [
            Config(3, 4, 1, 6, 0.0),
            Config(4, 2, 0, 6, 0.0, observe_coverage=True),
            Config(2, 3, 2, 6, 0.0, observe_coverage=True),
            Config(5, 1, 1, 6, 0.0),
        ]
    ),
    data=st.data(),
)
def test_the_rules_agree_with_a_plain_reading_of_them(config, data):
    size, count = config.grid_size, config.n_agents
    cell = st.integers(0, size - 1)
    agents = data.draw(st.lists(st.tuples(cell, cell), min_size=count, max_size=count))
    action = st.integers(0, 5)  # 5 is unknown: it means staying
    actions = data.draw(st.lists(st.lists(action, min_size=count, max_size=count), min_size=6, max_size=6))
    vegetation = np.random.default_rng(data.draw(st.integers(0, 99))).random((size, size), np.float32)
    played = player(config)(KEY, np.array(agents), vegetation, np.array(actions))
    (_, first), (states, steps) = jax.device_get(played)
    plain = Plain(config, agents, vegetation)
    seen = lambda: [plain.observe(i, config.observe_coverage) for i in range(count)]
    np.testing.assert_allclose(first.observation, seen(), atol=1e-6)
    for t, joint in enumerate(actions):
        reward = plain.step(joint)
        np.testing.assert_allclose(steps.reward[t].sum(), reward, atol=1e-5)
        np.testing.assert_allclose(steps.observation[t], seen(), atol=1e-6)
        visited = {(int(r), int(c)) for r, c in zip(*np.nonzero(states.visited[t]), strict=True)}
        assert visited == plain.visited
        assert steps.measures["steps_to_95"][t] == plain.reached
        np.testing.assert_allclose(steps.measures["coverage"][t], len(visited) / size**2, rtol=1e-6)
        assert steps.measures["solved"][t] == (len(visited) >= 0.95 * size**2)
        told = np.concatenate(
            [
                states.visited[t].ravel(),
                vegetation.ravel(),
                np.ravel(plain.agents) / (size - 1),
                [1 - (t + 1) / 6],
            ]
        )
        np.testing.assert_allclose(steps.state[t], told, atol=1e-6)
        assert steps.truncated[t] == (t == 5)


def test_agents_on_a_cell_share_what_it_pays():
    env = Environment(Config(3, 3, 1, 9, 0.0))
    state, _ = env.place(KEY, [[0, 0], [0, 2], [2, 2]], np.zeros((3, 3)))
    _, now = env.step(KEY, state, jnp.array([4, 3, 0]))  # two meet on a fresh cell
    np.testing.assert_allclose(now.reward, [0.375, 0.375, 1.0])


@pytest.mark.slow
@pytest.mark.ci_slow
def test_messages_come_as_often_as_the_budget_says_and_hold_all_offsets():
    env = Environment(Config(6, 4, 1, 50, 0.25))
    state, first = env.place(KEY, [[0, 0], [1, 2], [5, 5], [3, 0]], np.zeros((6, 6)))
    keys = jax.random.split(KEY, 4000)
    stay = jnp.zeros(4, jnp.int32)
    told = np.asarray(jax.vmap(lambda k: env.step(k, state, stay)[1].observation)(keys)[..., 11:])
    heard = told[..., -1]
    assert abs(heard.mean() - 0.25) < 0.02
    assert (told[heard == 0] == 0).all()
    offsets = [(np.delete(state.agents, i, 0) - state.agents[i]).ravel() / 5 for i in range(4)]
    for i in range(4):
        assert np.allclose(told[heard[:, i] == 1, i, :-1], offsets[i])
    assert first.observation.shape == (4, 9 + 2 + 7)
    always = Environment(Config(6, 4, 1, 50, 1.0)).place(KEY, state.agents, np.zeros((6, 6)))[1]
    assert (always.observation[:, -1] == 1).all()


def test_coverage_comes_between_the_base_observation_and_messages():
    config = Config(4, 2, 1, 9, 1.0, observe_coverage=True)
    env = Environment(config)
    state, _ = env.place(KEY, [[1, 1], [3, 3]], np.full((4, 4), 0.5))
    _, now = env.step(KEY, state, jnp.array([0, 0]))
    np.testing.assert_array_equal(now.observation[0, 11:20], [0, 0, 0, 0, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(now.observation[0, 20:], [2 / 3, 2 / 3, 1])
    assert env.spec.observation == 23


@pytest.mark.slow
@pytest.mark.ci_slow
def test_start_cells_are_distinct_uniform_and_not_visited():
    draws = np.asarray(jax.jit(jax.vmap(lambda k: _distinct(k, 3, 5)))(jax.random.split(KEY, 12000)))
    assert all(len(set(d)) == 3 for d in draws.tolist())
    counts = np.unique(draws @ [25, 5, 1], return_counts=True)[1]
    assert len(counts) == 60  # every ordered choice
    assert chisquare(counts).pvalue > 1e-3
    whole = np.asarray(_distinct(KEY, 16, 16))
    assert sorted(whole.tolist()) == list(range(16))
    state, now = Environment(Config(5, 20)).reset(KEY)
    assert len({tuple(cell) for cell in state.agents.tolist()}) == 20
    assert not state.visited.any()
    assert now.measures["coverage"] == 0
    assert ((state.vegetation >= 0) & (state.vegetation < 1)).all()


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("config", [Config(), Config(7, 3, 1, 60), Config(5, 1, 1, 60)])
def test_the_lawn_mower_covers_everything_soon(config):
    env = Environment(config)
    score = play(env, of_reference(env.references()["lawn_mower"]), (), KEY, 8)
    strip, walk = config.grid_size**2 / config.n_agents, 2 * config.grid_size
    assert (score.measures["steps_to_95"] <= strip + walk).all()
    assert (score.measures["coverage"] > 0.99).all()


def test_the_picture_shows_what_happens():
    env = Environment(Config(6, 3, 1, 9, 0.0))
    state, _ = env.place(KEY, [[0, 0], [1, 2], [5, 5]], np.full((6, 6), 0.2))
    before, visited = env.draw(state), env.draw(state._replace(visited=state.visited.at[3, 3].set(True)))
    heard = env.draw(state._replace(heard=state.heard.at[1].set(True)))
    denser = env.draw(state._replace(vegetation=state.vegetation + 0.7))
    assert before.dtype == np.uint8
    assert before.shape[2] == 3
    for other in (visited, heard, denser):
        assert other.shape == before.shape
        assert (other != before).any()
    board = before.shape[1]  # above the caption
    changed = (visited != before).any(-1)[:board]
    assert 100 < changed.sum() <= (500 // 6) ** 2, "one cell changes"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grid_size", 1),
        ("n_agents", 0),
        ("n_agents", 401),
        ("obs_radius", -1),
        ("episode_len", 0),
        ("comm_budget", 1.5),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(UserError, match=name):
        Config(**{name: value})


def test_bad_places_are_refused():
    env = Environment(Config(3, 2))
    good = np.zeros((3, 3))
    for agents, vegetation, word in (
        ([[0, 0]], good, "shape"),
        ([[0, 0], [0, 3]], good, "grid"),
        ([[0, 0], [0.5, 1]], good, "type"),
        ([[0, 0], [0, 1]], np.zeros((2, 3)), "vegetation"),
        ([[0, 0], [0, 1]], np.full((3, 3), np.nan), "finite"),
    ):
        with pytest.raises(UserError, match=word):
            env.place(KEY, agents, vegetation)
