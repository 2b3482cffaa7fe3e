"""BoxPush's start boards: where things stand, every choice equally likely, and each can be solved."""

from __future__ import annotations

import heapq
import itertools
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.environments.box_push import boards
from qflock.environments.box_push.game import Config, Environment
from tests.marks import IN_CI

WAYS = ((1, 0), (0, 1), (-1, 0), (0, -1))


COUNT = 300  # boards of each sort


@cache
def drawn(config):
    """Many start states."""
    start = jax.vmap(lambda key: Environment(config).reset(key)[0])
    return jax.device_get(jax.jit(start)(jax.random.split(jax.random.key(31), COUNT)))


def component(cell, free):
    """The cells that can be walked to from a cell."""
    found, todo = {cell}, [cell]
    while todo:
        x, y = todo.pop()
        for dx, dy in WAYS:
            near = (x + dx, y + dy)
            if near in free and near not in found:
                found.add(near)
                todo.append(near)
    return found


def solvable(config, agents, boxes, goals):
    """Search over pushes for a plan in which the agents stay together in one connected part of the board.

    Agents in one part can take any places in it, whoever is where (they are alike), so who stands where
    need not be searched: a push needs one free cell behind the box, or two for a heavy one.
    """
    inside = set(itertools.product(range(1, config.grid_size - 1), repeat=2))
    goals = set(goals)
    start = component(agents[0], inside - set(boxes))
    assert start >= set(agents)

    def left(boxes):
        away = [min(abs(x - a) + abs(y - b) for a, b in goals - set(boxes)) for x, y in set(boxes) - goals]
        return sum(away)

    ticket = itertools.count()
    queue = [(left(boxes), next(ticket), tuple(boxes), min(start))]
    seen = {queue[0][2:]}
    while queue:
        _, _, boxes, place = heapq.heappop(queue)
        if set(boxes) <= goals:
            return True
        free = inside - set(boxes)
        together = component(place, free)
        for k, (x, y) in enumerate(boxes):
            for dx, dy in WAYS:
                behind = [(x - dx, y - dy), (x - 2 * dx, y - 2 * dy)][: 1 + (k >= config.n_light)]
                target = (x + dx, y + dy)
                if (x, y) in goals or target not in free or not together.issuperset(behind):
                    continue
                later = (*boxes[:k], target, *boxes[k + 1 :])
                part = component((x, y), inside - set(later))
                alike = (*sorted(later[: config.n_light]), *sorted(later[config.n_light :]))
                node = (alike, min(part))
                if node not in seen and len(part) >= config.n_agents:
                    seen.add(node)
                    heapq.heappush(queue, (left(alike), next(ticket), *node))
    return False


CONFIGS = [
    Config(),
    Config(n_light=2, n_heavy=0),
    Config(grid_size=7),
    pytest.param(Config(grid_size=7, n_light=3, n_heavy=0), marks=IN_CI),
    Config(grid_size=8, n_light=0, n_heavy=3, n_agents=4),
    pytest.param(Config(grid_size=8, n_light=1, n_heavy=2), marks=IN_CI),
    Config(grid_size=6, n_light=1, n_heavy=0, n_agents=4),
    Config(start_near=1),
]
NAMES = lambda c: f"{c.grid_size}x{c.n_agents}-{c.n_light}-{c.n_heavy}-{c.start_near}"


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_every_board_can_be_solved(config):
    states = drawn(config)
    cells = lambda part, k: [tuple(cell) for cell in part[k].tolist()]
    for k in range(COUNT):
        board = [cells(part, k) for part in (states.agents, states.boxes, states.goals)]
        assert solvable(config, *board), board


def test_the_search_finds_boards_that_cannot_be_solved():
    config = Config(n_agents=2, n_light=1, n_heavy=0)
    agents = [(5, 5), (5, 4)]
    assert not solvable(config, agents, [(1, 4)], [(3, 4)]), "a box by the wall"
    assert solvable(config, agents, [(1, 4)], [(1, 7)])
    heavy = Config(n_agents=2, n_light=0, n_heavy=1)
    assert not solvable(heavy, agents, [(2, 4)], [(3, 4)]), "no room for two between box and wall"
    assert solvable(heavy, agents, [(3, 4)], [(4, 4)])
    two = Config(n_light=2, n_heavy=0)
    assert solvable(two, agents, [(3, 3), (4, 4)], [(1, 1), (2, 1)])
    three = Config(grid_size=7, n_light=3, n_heavy=0)
    corner = [(1, 1), (2, 1), (1, 2)]
    assert not solvable(three, agents, [(3, 3), (4, 3), (3, 4)], corner), "goals that wall one in"


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_where_things_stand(config):
    states = drawn(config)
    last = config.grid_size - 1
    away = lambda cells: np.minimum(cells, last - cells).min(-1)  # cells to the nearest wall
    assert (away(states.agents) >= 1).all()
    assert (away(states.goals) >= 2).all()
    assert (away(states.boxes[:, : config.n_light]) >= 2).all()
    assert (away(states.boxes[:, config.n_light :]) >= 3).all()
    assert not states.home.any()
    assert set(states.directions.ravel().tolist()) == {0, 1, 2, 3}
    for k in range(COUNT):
        cells = [tuple(c) for part in (states.agents, states.boxes, states.goals) for c in part[k].tolist()]
        assert len(set(cells)) == len(cells)
        for one, other in itertools.combinations(states.goals[k], 2):
            assert np.abs(one - other).sum() >= 2
    if config.start_near:
        apart = np.abs(states.boxes - states.goals).max(-1)
        assert apart.max() == config.start_near
        assert np.abs(states.agents - states.boxes[:, -1:]).max() == config.start_near + 1


def test_a_start_reaches_every_cell_that_it_may():
    states = drawn(Config())
    reached = lambda cells: {tuple(c) for c in cells.reshape(-1, 2).tolist()}
    square = lambda low, high: set(itertools.product(range(low, high + 1), repeat=2))
    assert reached(states.boxes[:, :2]) == reached(states.goals) == square(2, 7)
    assert reached(states.boxes[:, 2]) == square(3, 6)
    assert reached(states.agents) == square(1, 8)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_agents_that_start_in_line_push_a_heavy_box_towards_its_goal():
    config = Config(n_light=0, start_lined=1.0)
    environment = Environment(config)
    states = drawn(config)
    steps = jax.vmap(lambda s: environment.step(jax.random.key(0), s, jnp.full(2, 3))[0])
    after = jax.device_get(steps(states))
    nearer = np.abs(states.goals - states.boxes).sum((1, 2)) - np.abs(after.goals - after.boxes).sum((1, 2))
    assert (nearer == 1).mean() > 0.9, "the rest: an agent stood where the other should"
    assert (nearer >= 0).all()
    fronts = np.abs(states.agents - states.boxes).sum(-1).argmin(1)
    assert 0.4 < fronts.mean() < 0.6, "either agent in front"


def test_each_agent_starts_in_line_with_the_stated_probability():
    config, usual = Config(n_light=0, start_lined=0.5), Config(n_light=0)
    moved = (drawn(config).agents != drawn(usual).agents).any(-1)
    assert (np.abs(moved.mean(0) - 0.5) < 0.1).all()
    assert abs((moved[:, 0] & moved[:, 1]).mean() - 0.25) < 0.1
    assert (drawn(config).boxes == drawn(usual).boxes).all()


def test_a_pick_gives_every_free_cell_once():
    """Numbers 0 to free - 1 give each free cell of the rectangle once: equal draws make equal chances."""
    low, high = jnp.array([2, 3]), jnp.array([5, 5])
    taken = [jnp.array(c) for c in ([3, 3], [9, 9], [2, 3], [5, 5], [2, 2], [4, 3])]
    pick = jax.vmap(lambda bits: boards._pick(bits, low, high, taken))
    found = [tuple(c) for c in np.asarray(pick(jnp.arange(8, dtype=jnp.uint32))).tolist()]
    free = set(itertools.product(range(2, 6), range(3, 6))) - {(3, 3), (2, 3), (5, 5), (4, 3)}
    assert len(set(found)) == 8
    assert set(found) == free
