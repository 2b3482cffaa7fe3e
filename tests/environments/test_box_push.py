"""BoxPush: random play equals a plain re-implementation of the rules, the view and the state."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np
import pytest

from qflock.environments.box_push.game import Config, Environment

KEY = jax.random.key(0)
EAST, SOUTH, WEST, NORTH = range(4)
STAY, LEFT, RIGHT, FORWARD = range(4)
STEPS = {EAST: (1, 0), SOUTH: (0, 1), WEST: (-1, 0), NORTH: (0, -1)}
EMPTY, WALL = (1, 0, 0), (2, 5, 0)


class Plain:
    """The rules once more, from their description, with sets, dictionaries and loops."""

    def __init__(self, config, agents, directions, boxes, goals):
        self.config, self.clock = config, 0
        self.agents = [tuple(a) for a in agents]
        self.directions = list(directions)
        self.boxes = [tuple(b) for b in boxes]
        self.goals = [tuple(g) for g in goals]
        self.home = [False] * len(boxes)

    def heavy(self, box):
        return box >= self.config.n_light

    def wall(self, cell):
        return not all(0 < c < self.config.grid_size - 1 for c in cell)

    def wants(self, i):
        """Cells that agent i claims going forward, and the box that it pushes; None where it cannot go."""
        dx, dy = STEPS[self.directions[i]]
        x, y = self.agents[i]
        cell, beyond, behind = (x + dx, y + dy), (x + 2 * dx, y + 2 * dy), (x - dx, y - dy)
        if self.wall(cell):
            return None
        if cell not in self.boxes:
            return [cell], None, None
        box = self.boxes.index(cell)
        blocked = self.wall(beyond) or beyond in self.boxes or beyond in self.agents
        if self.home[box] or blocked:
            return None
        helper = None
        if self.heavy(box):
            if behind not in self.agents:
                return None
            helper = self.agents.index(behind)
        return [cell, beyond], box, helper

    def step(self, actions):
        config = self.config
        plans = {}
        for i, action in enumerate(actions):
            plan = self.wants(i) if action == FORWARD else None
            if plan is not None:
                helper = plan[2]
                helps = helper is None or (
                    actions[helper] == FORWARD and self.directions[helper] == self.directions[i]
                )
                if helps:
                    plans[i] = plan
        claimed = [cell for cells, _, _ in plans.values() for cell in cells]
        stopped = {i for i, (cells, _, _) in plans.items() if any(claimed.count(c) > 1 for c in cells)}
        for i, (cells, _, _) in plans.items():
            for j, (others, _, _) in plans.items():
                if cells[0] == self.agents[j] and others[0] == self.agents[i]:
                    stopped |= {i, j}
        going = set(plans) - stopped
        while True:
            stuck = {
                i
                for i in going
                if (plans[i][0][0] in self.agents and self.agents.index(plans[i][0][0]) not in going)
                or (plans[i][2] is not None and plans[i][2] not in going)
            }
            if not stuck:
                break
            going -= stuck
        for i, action in enumerate(actions):
            self.directions[i] = (self.directions[i] + {LEFT: -1, RIGHT: 1}.get(action, 0)) % 4
        self.agents = [plans[i][0][0] if i in going else a for i, a in enumerate(self.agents)]
        for i in going:
            if plans[i][1] is not None:
                self.boxes[plans[i][1]] = plans[i][0][1]
        reward = -0.01
        for box, cell in enumerate(self.boxes):
            if cell in self.goals and not self.home[box]:
                self.home[box] = True
                reward += 5 if self.heavy(box) else 1
        self.clock += 1
        solved = all(self.home)
        return reward, solved, not solved and self.clock >= config.max_steps

    def code(self, cell, turn=0):
        """MiniGrid's three numbers of a cell; ``turn`` is added to agents' directions."""
        if cell in self.agents:
            i = self.agents.index(cell)
            return 10, i, (self.directions[i] + turn) % 4
        if cell in self.boxes:
            box = self.boxes.index(cell)
            return 7, 5 if self.heavy(box) else 4, int(self.home[box])
        if cell in self.goals:
            return 8, 1, 0
        return WALL if self.wall(cell) else EMPTY

    def view(self, i):
        """The view as MiniGrid makes it: cut the square out, turn it, hide what walls hide."""
        dx, dy = STEPS[self.directions[i]]
        x, y = self.agents[i]
        rows = [
            [(x + ahead * dx - side * dy, y + ahead * dy + side * dx) for side in range(-3, 4)]
            for ahead in range(6, -1, -1)
        ]
        seen = np.array([[self.code(cell, 3 - self.directions[i]) for cell in row] for row in rows])
        if self.config.occlusion:
            seen[~visible(np.array([[self.wall(cell) for cell in row] for row in rows]))] = 0
        return seen.ravel()

    def state(self):
        inner = range(1, self.config.grid_size - 1)
        cells = [self.code((x, y)) for y in inner for x in inner]
        poses = [[*a, d] for a, d in zip(self.agents, self.directions, strict=True)]
        return [*np.ravel(cells), *np.ravel(poses), self.clock * 20 // self.config.max_steps]


def visible(opaque):
    """MiniGrid's propagation of sight from the bottom row's middle through cells that are not opaque."""
    mask = np.zeros((7, 7), bool)
    mask[6, 3] = True
    for row in range(6, -1, -1):
        for columns, way in ((range(6), 1), (range(6, 0, -1), -1)):
            for column in columns:
                if mask[row, column] and not opaque[row, column]:
                    mask[row, column + way] = True
                    if row > 0:
                        mask[row - 1, column + way] = mask[row - 1, column] = True
    return mask


@cache
def player(config):
    """Compiled play from given boards, many at once: (agents, directions, boxes, goals), actions (T, A)."""
    environment = Environment(config)

    def tick(state, joint):
        after = environment.step(KEY, state, joint)
        return after[0], after

    def run(board, actions):
        first = environment.place(*board)
        return first, jax.lax.scan(tick, first[0], actions)[1]

    return jax.jit(jax.vmap(run))


def compare(config, boards, actions):
    """Play many boards both ways; count pushes of light and heavy boxes, and agents held up."""
    first, steps = jax.device_get(player(config)(boards, actions))
    shapes = Environment(config).spec
    light = heavy = held = 0
    for k in range(len(actions)):
        plain = Plain(config, *(part[k].tolist() for part in boards))
        for t in range(-1, actions.shape[1]):
            at = (k,) if t < 0 else (k, t)
            state, now = first if t < 0 else steps
            if t >= 0:
                before = list(plain.boxes), list(plain.agents)
                reward, terminated, truncated = plain.step(actions[k, t].tolist())
                moved = [a != b for a, b in zip(before[0], plain.boxes, strict=True)]
                light += sum(moved[: config.n_light])
                heavy += sum(moved[config.n_light :])
                stood = [a == b for a, b in zip(before[1], plain.agents, strict=True)]
                held += sum((actions[k, t] == FORWARD) & stood)
                np.testing.assert_allclose(now.reward[at], reward, atol=1e-6)
                assert now.reward[at].shape == (shapes.agents,)
                assert (now.terminated[at], now.truncated[at]) == (terminated, truncated)
            assert state.agents[at].tolist() == [list(a) for a in plain.agents]
            assert state.directions[at].tolist() == plain.directions
            assert state.boxes[at].tolist() == [list(b) for b in plain.boxes]
            assert state.home[at].tolist() == plain.home
            np.testing.assert_array_equal(
                now.observation[at], [plain.view(i) for i in range(config.n_agents)]
            )
            np.testing.assert_array_equal(now.state[at], plain.state())
            assert now.measures["boxes_home"][at] == sum(plain.home)
            assert now.measures["heavy_home"][at] == sum(plain.home[config.n_light :])
            assert now.measures["solved"][at] == all(plain.home)
            if t >= 0 and (terminated or truncated):
                break
    return light, heavy, held


def crowded(config, count, seed):
    """Boards with everything anywhere, also by the walls; half of them with two agents lined up."""
    random = np.random.default_rng(seed)
    inner, boxes = config.grid_size - 2, config.n_light + config.n_heavy
    line = [[2, 2], [3, 2], [4, 2]]  # agents 0 and 1 and the last box, which they face
    cells = np.array([[x, y] for x in range(1, inner + 1) for y in range(1, inner + 1) if [x, y] not in line])
    boards = []
    for k in range(count):
        picked = random.permutation(cells)[: config.n_agents + 2 * boxes]
        agents, pieces, goals = np.split(picked, [config.n_agents, config.n_agents + boxes])
        directions = random.integers(0, 4, config.n_agents)
        if k % 2:
            agents[:2], pieces[-1], directions[:2] = line[:2], line[2], EAST
        boards.append((agents, directions, pieces, goals))
    return tuple(np.stack(part) for part in zip(*boards, strict=True))


@pytest.mark.parametrize(
    "config",
    [
        Config(7, 4, 2, 1, max_steps=35),
        Config(7, 3, 3, 0, occlusion=False, max_steps=35),
        Config(8, 4, 0, 3, max_steps=35),
        Config(10, 2, 2, 1, max_steps=35),
        Config(6, 2, 1, 0, occlusion=False, max_steps=35),
    ],
    ids=lambda c: f"{c.grid_size}x{c.n_agents}-{c.n_light}-{c.n_heavy}",
)
def test_play_equals_the_plain_rules(config):
    random = np.random.default_rng(config.grid_size)
    boards = crowded(config, 20, seed=7)
    actions = random.choice(
        [STAY, LEFT, RIGHT, FORWARD, 9], (20, 40, config.n_agents), p=[0.03, 0.15, 0.15, 0.65, 0.02]
    )
    actions[1::2, 0, :2] = FORWARD
    light, heavy, held = compare(config, boards, actions)
    assert held > 40
    assert light > 5 or config.n_light == 0
    assert heavy > 2 or config.n_heavy == 0
