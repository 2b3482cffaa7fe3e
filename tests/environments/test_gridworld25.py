"""GridWorld25v0: recorded episodes, a plain re-implementation, the start, the references, the picture."""

from __future__ import annotations

import itertools
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
from qflock.environments.gridworld25 import boards
from qflock.environments.gridworld25.game import Config, Environment

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "gridworld25.json").read_text())
KEY = jax.random.key(0)
CORNERS = [[0, 0], [2, 0], [0, 2], [2, 2]]
EDGES = [[1, 0], [0, 1], [2, 1], [1, 2]]


@cache
def player(config: Config):
    """A compiled replay of many boards: (agents, foods, actions (boards, T, 4)) -> start and all steps."""
    environment = Environment(config)

    def tick(state, actions):
        after = environment.step(KEY, state, actions)
        return after[0], after

    def play(agents, foods, actions):
        state, timestep = environment.place(agents, foods)
        return timestep, jax.lax.scan(tick, state, actions)[1]

    return jax.jit(jax.vmap(play))


def replay(agents, foods, actions, **changed):
    """Eight steps from one start, the first ones staying: states and time steps with leaves (8, ...)."""
    waiting = [[0, 0, 0, 0]] * (8 - len(actions))
    play = player(Config(**{"grid_size": 3, "max_steps": 8, **changed}))
    _, steps = play(*(np.array([x]) for x in (agents, foods, [*waiting, *actions])))
    return jax.tree.map(lambda leaf: leaf[0], jax.device_get(steps))


@pytest.mark.parametrize("size", [25, 6, 5, 4])
def test_recorded_episodes_replay(size):
    episodes = [e for e in GOLDEN if e["grid_size"] == size]
    longest = max(len(e["actions"]) for e in episodes)
    actions = np.zeros((len(episodes), longest, 4), int)
    for row, episode in zip(actions, episodes, strict=True):
        row[: len(episode["actions"])] = episode["actions"]
    (max_steps,) = {e["max_steps"] for e in episodes}
    agents, foods = (np.array([e[name] for e in episodes]) for name in ("agents", "foods"))
    played = player(Config(grid_size=size, max_steps=max_steps))(agents, foods, actions)
    first, (states, timesteps) = jax.device_get(played)
    assert len(episodes) == 4
    for k, episode in enumerate(episodes):
        steps = range(len(episode["actions"]))
        np.testing.assert_array_equal(first.observation[k], episode["observations"][0])
        for name, recorded in (
            ("observation", episode["observations"][1:]),
            ("reward", episode["rewards"]),
            ("terminated", episode["terminated"]),
            ("truncated", episode["truncated"]),
        ):
            np.testing.assert_array_equal(getattr(timesteps, name)[k, steps], recorded, err_msg=name)
        np.testing.assert_array_equal(states.agents[k, steps], episode["agent_positions"])
        for t in steps:
            assert states.foods[k, t][states.remaining[k, t]].tolist() == episode["foods_left"][t]


class Plain:
    """The rules once more, from their description, with lists and loops."""

    def __init__(self, config, agents, foods):
        self.config, self.steps = config, 0
        self.agents = [tuple(a) for a in agents]
        self.foods = [tuple(f) for f in foods]

    def observation(self):
        rows = []
        for i in range(4):
            row = [*self.agents[i], 1, *self.agents[[1, 0, 0, 1][i]], 1]
            used = []
            for wanted in [(0, 1, 2), (1, 2, 3), (2, 3, 0), (3, 0, 1)][i]:
                m = len(self.foods)
                if len(used) == m:
                    row += [0, 0, 0]
                    continue
                slot = wanted % m
                while slot in used:
                    slot = (slot + 1) % m
                used.append(slot)
                row += [*self.foods[slot], 1]
            rows.append([*row, 0, 0, 0])
        return rows

    def target(self, i, action):
        x, y = self.agents[i]
        if action == 5:
            near = [(fx, fy) for fx, fy in self.foods if abs(fx - x) + abs(fy - y) == 1]
            return near[0] if near else (x, y)
        dx, dy = {1: (0, -1), 2: (0, 1), 3: (-1, 0), 4: (1, 0)}.get(action, (0, 0))
        on_grid = 0 <= x + dx < self.config.grid_size and 0 <= y + dy < self.config.grid_size
        return (x + dx, y + dy) if on_grid else (x, y)

    def step(self, actions):
        old, targets = self.agents, [self.target(i, a) for i, a in enumerate(actions)]
        blocked = set()
        for i, j in itertools.permutations(range(4), 2):
            swap = targets[i] == old[j] and targets[j] == old[i]
            if self.config.collisions and (swap or targets[i] == targets[j]):
                blocked |= {i, j}
        self.agents = [old[i] if i in blocked else targets[i] for i in range(4)]
        reward = [0.0] * 4
        for food in list(self.foods):
            there = [i for i in range(4) if self.agents[i] == food]
            for i in there:
                reward[i] += 1 if self.config.collisions else 1 / len(there)
        self.foods = [f for f in self.foods if f not in self.agents]
        self.steps += 1
        truncated = bool(self.foods) and self.steps >= self.config.max_steps
        if truncated:
            reward = [r - 0.5 * len(self.foods) for r in reward]
        return reward, not self.foods, truncated


CELLS = {n: st.lists(st.tuples(*[st.integers(0, n - 1)] * 2), min_size=4, max_size=4) for n in (3, 4)}
ACTIONS = st.lists(st.lists(st.sampled_from([*range(6), 5, 6, 99, -1]), min_size=4, max_size=4), min_size=8)


@pytest.mark.parametrize(("size", "collisions"), [(3, True), (3, False), (4, True)])
def test_rules_equal_the_plain_ones_on_crowded_boards(size, collisions):
    config = Config(grid_size=size, max_steps=8, collisions=collisions)
    play = player(config)
    board = st.permutations([divmod(c, size) for c in range(size * size)])

    @settings(max_examples=150)
    @given(board, CELLS[size], st.booleans(), ACTIONS)
    def check(cells, anywhere, crowded, actions):
        agents, foods = anywhere if crowded else cells[:4], cells[4:8]
        actions = np.array(actions[:8])
        plain = Plain(config, agents, foods)
        first, (states, steps) = jax.device_get(play(*(np.array([x]) for x in (agents, foods, actions))))
        np.testing.assert_array_equal(first.observation[0], plain.observation())
        for t, action in enumerate(actions.tolist()):
            before = len(plain.foods)
            reward, terminated, truncated = plain.step(action)
            assert states.agents[0, t].tolist() == [list(a) for a in plain.agents]
            np.testing.assert_array_equal(steps.observation[0, t], plain.observation())
            np.testing.assert_array_equal(steps.state[0, t], np.ravel(plain.observation()))
            np.testing.assert_allclose(steps.reward[0, t], reward, atol=1e-6)
            assert (steps.terminated[0, t], steps.truncated[0, t]) == (terminated, truncated)
            assert steps.measures["foods_left"][0, t] == len(plain.foods)
            assert steps.measures["solved"][0, t] == (not plain.foods)
            if not crowded and not truncated:  # no two agents ever come to a food at once
                assert sum(reward) == pytest.approx(before - len(plain.foods))
            if terminated or truncated:
                break

    check()


def test_two_agents_can_end_on_one_cell():
    """Agents 0 and 1 want one cell and stay; agent 2 follows agent 0 and enters its cell."""
    states, _ = replay([[0, 0], [2, 0], [0, 1], [2, 2]], [[1, 1], [1, 2], [2, 1], [0, 2]], [[4, 3, 1, 0]])
    assert states.agents[-1].tolist() == [[0, 0], [2, 0], [0, 0], [2, 2]]


@pytest.mark.parametrize(("collisions", "each"), [(True, 1.0), (False, 0.5)])
def test_agents_that_share_a_food(collisions, each):
    agents, foods = [[0, 0], [0, 0], [2, 1], [2, 2]], [[0, 0], [1, 0], [1, 2], [0, 2]]
    states, timesteps = replay(agents, foods, [[0] * 4] * 8, collisions=collisions)
    assert timesteps.reward[0].tolist() == [each, each, 0, 0]
    assert states.remaining[0].tolist() == [False, True, True, True]


def test_clock_running_out_costs_every_agent():
    _, timesteps = replay(CORNERS, EDGES, [[4, 0, 0, 0], [0, 2, 0, 0]])
    assert timesteps.reward[-2:].tolist() == [[1, 0, 0, 0], [-1, 0, -1, -1]]
    assert not timesteps.terminated.any()
    assert timesteps.truncated.tolist() == [False] * 7 + [True]


def test_solved_with_the_last_step_is_not_truncated():
    _, timesteps = replay(CORNERS, EDGES, [[4, 2, 1, 3]])
    assert timesteps.reward[-1].tolist() == [1, 1, 1, 1]
    assert timesteps.terminated.tolist() == [False] * 7 + [True]
    assert not timesteps.truncated.any()
    assert timesteps.measures["solved"].tolist() == [0] * 7 + [1]


def test_places_among_the_free_cells_reach_every_choice_once():
    """All 5 * 4 * 3 draws give all ordered choices of 3 among 5: equal draws make equal chances."""
    draws = np.array(list(itertools.product(range(5), range(4), range(3))))
    chosen = np.stack(boards.free(list(jnp.asarray(draws.T))), 1)
    assert {tuple(row) for row in chosen.tolist()} == set(itertools.permutations(range(5), 3))


def test_starts_are_uniform_on_distinct_cells():
    environment = Environment(Config(grid_size=3))
    state, timestep = jax.jit(jax.vmap(environment.reset))(jax.random.split(KEY, 9000))
    cells = np.concatenate([state.agents, state.foods], 1) @ [1, 3]
    assert all(len(set(row)) == 8 for row in cells.tolist())
    for entity in cells.T:
        assert chisquare(np.bincount(entity, minlength=9)).pvalue > 1e-4
    pairs = 9 * cells[:, 0] + cells[:, 7]
    assert chisquare(np.bincount(pairs)[np.bincount(pairs) > 0], [9000 / 72] * 72).pvalue > 1e-4
    assert not timestep.over.any()
    assert not timestep.reward.any()


def test_fixed_layout_returns_to_itself():
    reset = Environment(Config(layout="fixed", layout_seed=3)).reset
    first, again = reset(jax.random.key(1))[0], reset(jax.random.key(2))[0]
    other = Environment(Config(layout="fixed", layout_seed=4)).reset(jax.random.key(1))[0]
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), first, again))
    assert (first.agents != other.agents).any()


def test_compiled_equals_not_compiled():
    environment = Environment(Config(grid_size=3, max_steps=8))
    actions = [[5, 1, 4, 2], [4, 3, 5, 5]]
    states, timesteps = replay(CORNERS, EDGES, [*actions, *[[0] * 4] * 6])
    with jax.disable_jit():
        start = environment.place(CORNERS, EDGES)
        first = environment.step(KEY, start[0], jnp.array(actions[0]))
        second = environment.step(KEY, first[0], jnp.array(actions[1]))
    for t, plain in enumerate((first, second)):
        jax.tree.map(
            lambda leaf, same, t=t: np.testing.assert_array_equal(leaf[t], same), (states, timesteps), plain
        )
    assert jax.tree.map(lambda x: (x.shape, x.dtype), start) == jax.tree.map(
        lambda x: (x.shape, x.dtype), first
    )


def test_spec_says_where_the_entities_are():
    environment = Environment()
    spec = environment.spec
    state, timestep = environment.reset(KEY)
    assert timestep.observation.shape == (spec.agents, spec.observation)
    assert timestep.observation.dtype == timestep.state.dtype == np.int8
    assert timestep.state.shape == (spec.state,)
    assert timestep.legal.shape == (spec.agents, spec.actions)
    assert timestep.legal.all()
    assert timestep.active.all()
    (eyes,) = spec.observation_entities
    for i, records in enumerate(spec.state_entities):
        for vector, entities in ((timestep.observation[i], eyes), (timestep.state, records)):
            assert vector[entities.own : entities.own + 2].tolist() == state.agents[i].tolist()
            seen = [vector[at : at + 3].tolist() for at in entities.others]
            foods = [[*state.foods[(i + k) % 4].tolist(), 1] for k in range(3)]
            assert seen == [[*state.agents[(1, 0, 0, 1)[i]].tolist(), 1], *foods]
            assert entities.extent == 24


@cache
def scores(name: str, config: Config, boards: int):
    """Discounted team return of a reference on fresh boards, and those boards."""
    environment = Environment(config)
    policy = environment.references()[name]

    def board(key):
        start = environment.reset(key)

        def tick(carry):
            state, timestep, weight, score = carry
            state, timestep = environment.step(key, state, policy(key, state, timestep))
            return state, timestep, weight * 0.95, score + weight * timestep.reward.sum()

        carry = jax.lax.while_loop(lambda c: ~c[1].over, tick, (*start, jnp.float32(1), jnp.float32(0)))
        return start[0], carry[3]

    return jax.device_get(jax.jit(jax.vmap(board))(jax.random.split(jax.random.key(25), boards)))


@pytest.mark.parametrize(("name", "anchor"), [("oracle", 2.66), ("greedy_neighbour", 2.51), ("greedy", 2.49)])
def test_references_reach_the_published_bounds(name, anchor):
    _, score = scores(name, Config(collisions=False), 2000)
    assert score.mean() == pytest.approx(anchor, abs=0.03)


def test_references_come_best_first():
    assert list(Environment().references()) == ["oracle", "greedy_neighbour", "greedy"]


def test_oracle_equals_the_best_of_all_plans():
    starts, score = scores("oracle", Config(grid_size=6, collisions=False), 32)
    for agents, foods, reached in zip(starts.agents.tolist(), starts.foods.tolist(), score, strict=True):
        best = 0.0
        for order in itertools.permutations(range(4)):
            for owners in itertools.product(range(4), repeat=4):
                at, clock, total = [*agents], [0] * 4, 0.0
                for food, owner in zip(order, owners, strict=True):
                    clock[owner] += sum(abs(a - b) for a, b in zip(at[owner], foods[food], strict=True))
                    at[owner] = foods[food]
                    total += 0.95 ** (clock[owner] - 1)
                best = max(best, total)
        assert reached == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("name", ["greedy", "greedy_neighbour"])
def test_greedy_references_use_an_agents_own_observation_alone(name):
    environment = Environment(Config(grid_size=6))
    policy = environment.references()[name]
    turn = jnp.array([2, 0, 3, 1])
    for seed in range(10):
        _, timestep = environment.reset(jax.random.key(seed))
        turned = timestep._replace(observation=timestep.observation[turn])
        chosen = policy(KEY, None, timestep)
        np.testing.assert_array_equal(policy(KEY, None, turned), chosen[turn])


def test_greedy_leaves_a_food_to_the_nearer_neighbour():
    """Food 0 is nearest to agent 0 and nearer still to agent 1, whom agent 0 sees."""
    environment = Environment(Config(grid_size=8))
    state, timestep = environment.place([[4, 4], [7, 4], [0, 0], [0, 1]], [[6, 4], [1, 4], [0, 7], [7, 7]])
    references = environment.references()
    assert references["greedy"](KEY, state, timestep)[0] == 4
    assert references["greedy_neighbour"](KEY, state, timestep)[0] == 3


@pytest.mark.parametrize(
    ("given_settings", "word"),
    [
        ({"grid_size": 2}, "grid_size"),
        ({"grid_size": 129}, "grid_size"),
        ({"max_steps": 0}, "max_steps"),
        ({"layout": "mode_1"}, "layout"),
    ],
)
def test_settings_out_of_range(given_settings, word):
    with pytest.raises(UserError, match=word):
        Config(**given_settings)


@pytest.mark.parametrize(
    ("agents", "word"),
    [(CORNERS[:3], "four cells"), ([[0, 0.5]] * 4, "whole"), ([*CORNERS[:3], [3, 0]], "leave the grid")],
)
def test_places_off_the_grid(agents, word):
    with pytest.raises(UserError, match=word):
        Environment(Config(grid_size=3)).place(agents, EDGES)


@pytest.mark.parametrize(("grid_size", "size"), [(25, 500), (6, 500), (3, 120)])
def test_picture_shows_what_changed(grid_size, size):
    environment = Environment(Config(grid_size=grid_size))
    state, _ = environment.place(CORNERS, EDGES)
    picture = environment.draw(state, size)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert abs(picture.shape[1] - size) <= size // 10
    together = state._replace(agents=state.agents.at[1].set(state.agents[0]))
    eaten = state._replace(remaining=state.remaining.at[0].set(False))
    later = state._replace(step=state.step + 1)
    for changed in (together, eaten, later):
        assert (environment.draw(changed, size) != picture).any()
    np.testing.assert_array_equal(environment.draw(state, size), picture)
