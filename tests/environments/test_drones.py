"""Drones: closed forms of flight and contact, a plain re-implementation, a record, mirrors, bounds."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from math import hypot
from pathlib import Path

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from qflock.core.errors import UserError
from qflock.environments.drones import physics
from qflock.environments.drones.game import Config, Environment
from qflock.playing.evaluation import of_reference, play
from tests.marks import IN_CI

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "drones.json").read_text())
KEY = jax.random.key(0)
ENV = Environment()
ALONE = Environment(Config(n_agents=1, n_walls=0))
MANY = Config(n_agents=22)
NO_WALL = physics.Walls(jnp.zeros(0), jnp.zeros(0), 0.2)


@cache
def player(config: Config):
    """A compiled episode: (position, pads, gaps, actions (T, A, 2)) -> the start and all steps."""
    env = Environment(config)

    def run(position, pads, gaps, actions):
        first = env.place(position, pads, gaps)
        tick = lambda state, action: (lambda after: (after[0], after))(env.step(KEY, state, action))
        return first, jax.lax.scan(tick, first[0], actions)[1]

    return jax.jit(run)


def flown(thrusts, speed=0.06, drag=0.15, velocity=(0.0, 0.0)):
    """Velocities and places of one drone in the open."""
    place, velocity = jnp.zeros((1, 2)), jnp.array([velocity])
    path = []
    for thrust in thrusts:
        place, velocity = physics.fly(place, velocity, jnp.array([thrust]), speed, drag)
        path.append((place[0], velocity[0]))
    return map(np.array, zip(*path, strict=True))


def test_full_thrust_approaches_the_top_speed_as_a_geometric_series():
    places, velocities = flown([(0.0, 1.0)] * 30)
    n = np.arange(1, 31)
    wanted = 0.06 * (1 - 0.85**n)
    np.testing.assert_allclose(velocities, np.stack([0 * n, wanted], 1), atol=1e-6)
    np.testing.assert_allclose(places[:, 1], 0.06 * (n - 0.85 * (1 - 0.85**n) / 0.15), atol=1e-5)


def test_energy_decays_by_the_drag_alone_without_thrust():
    _, velocities = flown([(0.0, 0.0)] * 10, velocity=(0.03, -0.02))
    energy = (velocities**2).sum(1)
    np.testing.assert_allclose(energy, 0.0013 * 0.85 ** (2 * np.arange(1, 11)), rtol=1e-5)


def test_a_thrust_longer_than_one_counts_as_one_in_its_direction():
    for thrust in ((1.0, 1.0), (-1.0, 0.5)):
        _, (velocity,) = flown([thrust])
        np.testing.assert_allclose(velocity, 0.15 * 0.06 * np.array(thrust) / hypot(*thrust), rtol=1e-5)
    _, (velocity,) = flown([(0.6, 0.0)])
    np.testing.assert_allclose(velocity, [0.15 * 0.06 * 0.6, 0], rtol=1e-5)


def test_two_that_meet_head_on_bounce_alike():
    position, velocity = jnp.array([[-0.05, 0.0], [0.05, 0.0]]), jnp.array([[0.05, 0.01], [-0.03, 0.0]])
    flying = jnp.ones(2, bool)
    moved, bounced, touching = physics.touch_each_other(position, velocity, flying, 0.07)
    # The middle of the pair goes on at 0.01; the speed towards each other, 0.08, comes back halved.
    np.testing.assert_allclose(bounced, [[0.01 - 0.02, 0.01], [0.01 + 0.02, 0.0]], atol=1e-6)
    np.testing.assert_allclose(moved, [[-0.07, 0.0], [0.07, 0.0]], atol=1e-6)
    assert touching.all()
    for off in (jnp.array([True, False]), jnp.array([False, True])):
        still = physics.touch_each_other(position, velocity, off, 0.07)
        np.testing.assert_array_equal(still[1], velocity)
        assert not still[2].any(), "who has landed is not touched"


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), among=st.sampled_from([2, 3, 5]))
def test_contacts_keep_the_momentum_and_make_no_energy_between_two(seed, among):
    random = np.random.default_rng(seed)
    position = random.uniform(-0.15, 0.15, (among, 2)).astype(np.float32)
    velocity = random.uniform(-0.06, 0.06, (among, 2)).astype(np.float32)
    moved, bounced, _ = physics.touch_each_other(position, velocity, jnp.ones(among, bool), 0.07)
    np.testing.assert_allclose(np.sum(bounced, 0), velocity.sum(0), atol=1e-6)
    np.testing.assert_allclose(np.sum(moved, 0), position.sum(0), atol=1e-5)
    if among == 2:
        assert (np.asarray(bounced) ** 2).sum() <= (velocity**2).sum() + 1e-7


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_wall_turns_back_half_of_the_speed_towards_it(side):
    walls = physics.Walls(jnp.zeros(1), jnp.array([0.5]), 0.2)
    before = jnp.array([side * 0.08])
    for x in (0.03 * side, -0.02 * side):  # even where the middle is through, in one step
        place, velocity = jnp.array([[x, -0.1]]), jnp.array([[-0.05 * side, 0.02]])
        place, velocity, touching = physics.touch_walls(place, velocity, before, walls, 0.07)
        np.testing.assert_allclose(place, [[0.07 * side, -0.1]], atol=1e-6)
        np.testing.assert_allclose(velocity, [[0.025 * side, 0.02]], atol=1e-6)
        assert touching.all()


def test_the_end_of_a_wall_pushes_away_from_itself_and_the_gap_is_open():
    walls = physics.Walls(jnp.zeros(1), jnp.zeros(1), 0.2)
    place, velocity = jnp.array([[0.03, 0.16]]), jnp.array([[0.0, 0.05]])
    place, velocity, touching = physics.touch_walls(place, velocity, jnp.array([0.03]), walls, 0.07)
    np.testing.assert_allclose(place - np.array([0, 0.2]), [[0.07 * 0.6, -0.07 * 0.8]], atol=1e-6)
    np.testing.assert_allclose(velocity, [[0.05 * 1.5 * 0.8 * 0.6, 0.05 * (1 - 1.5 * 0.64)]], atol=1e-6)
    assert touching.all()
    for y in (-0.12, 0.0, 0.12):
        free = physics.touch_walls(jnp.array([[0.0, y]]), velocity, jnp.array([0.01]), walls, 0.07)
        assert not free[2].any()


def test_the_edge_of_the_arena_turns_back_half_of_the_speed_towards_it():
    place, velocity = jnp.array([[0.95, 0.0]]), jnp.array([[0.04, 0.03]])
    place, velocity, touching = physics.touch_walls(place, velocity, jnp.array([0.9]), NO_WALL, 0.07)
    np.testing.assert_allclose(place, [[0.93, 0.0]], atol=1e-6)
    np.testing.assert_allclose(velocity, [[-0.02, 0.03]], atol=1e-6)
    assert touching.all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_way_through_one_gap_is_the_shortest_of_all_tried(seed):
    random = np.random.default_rng(seed)
    start, goal = random.uniform(-0.9, 0.9, (2, 2)) * [[0.9, 1], [0.9, 1]]
    gap = random.uniform(-0.6, 0.6)
    walls = physics.Walls(jnp.zeros(1), jnp.array([gap]), 0.21)
    length, bend = physics.way(jnp.array(start), jnp.array(goal), walls, 0.07)
    if start[0] * goal[0] >= 0:
        wanted = hypot(*(goal - start))
        np.testing.assert_allclose(bend, goal, atol=1e-6)
    else:
        tried = np.linspace(gap - 0.14, gap + 0.14, 2001)
        wanted = min(hypot(start[0], start[1] - y) + hypot(goal[0], goal[1] - y) for y in tried)
    np.testing.assert_allclose(length, wanted, atol=1e-4)


class Plain:
    """The rules once more, from their description, in double precision with loops; one wall in the middle."""

    def __init__(self, config, position, pads, gap):
        self.config, self.gap = config, gap
        self.position, self.pads = (np.array(x, float) for x in (position, pads))
        self.velocity = np.zeros_like(self.position)
        self.landed = [False] * len(self.position)
        self.contacts = 0
        self.whole = [self.way(i) for i in range(len(self.position))]

    def way(self, i):
        (x, y), (to_x, to_y) = self.position[i], self.pads[i]
        if x * to_x >= 0:
            return hypot(to_x - x, to_y - y)
        free = self.config.gap / 2 - self.config.radius
        bend = min(max(y - x * (to_y - y) / (to_x - x), self.gap - free), self.gap + free)
        return hypot(x, y - bend) + hypot(to_x, to_y - bend)

    def step(self, actions):
        config, flying = self.config, [i for i, down in enumerate(self.landed) if not down]
        before, left = self.position.copy(), [self.way(i) for i in range(len(self.position))]
        for i in flying:
            thrust = np.clip(actions[i], -1, 1)
            thrust = thrust / max(1, hypot(*thrust))
            self.velocity[i] = (1 - config.drag) * self.velocity[i] + config.drag * config.speed * thrust
            self.position[i] += self.velocity[i]
        touching = self.meet(flying)
        for i in flying:
            if self.meet_wall(i, before[i][0]) | self.meet_edge(i):
                touching.add(i)
        self.contacts += len(touching)
        reward = [0.0] * len(self.position)
        for i in flying:
            near = hypot(*(self.position[i] - self.pads[i])) < config.radius
            if near and hypot(*self.velocity[i]) <= config.speed / 4:
                self.landed[i], self.velocity[i] = True, 0.0
            share = (left[i] - self.way(i)) / self.whole[i] + self.landed[i] - 0.1 * (i in touching)
            reward[i] = share / len(self.position)
        return reward

    def meet(self, flying):
        touching, pushes = set(), []
        for i in flying:
            for j in flying:
                apart = self.position[i] - self.position[j]
                distance = hypot(*apart)
                if i == j or distance >= 2 * self.config.radius:
                    continue
                closing = max(0, -(self.velocity[i] - self.velocity[j]) @ apart / distance)
                touching.add(i)
                pushes.append((i, (self.config.radius - distance / 2) * apart / distance))
                pushes.append((i + len(self.position), 0.75 * closing * apart / distance))
        for i, push in pushes:
            (self.position if i < len(self.position) else self.velocity)[i % len(self.position)] += push
        return touching

    def meet_wall(self, i, before_x):
        (x, y), side = self.position[i], -1 if before_x < 0 else 1
        end = self.gap + np.sign(y - self.gap) * self.config.gap / 2
        if abs(y - self.gap) < self.config.gap / 2:
            distance = hypot(x, y - end)
            normal = np.array([x, y - end]) / distance
        else:
            distance, normal = side * x, np.array([side, 0.0])
        if distance >= self.config.radius:
            return False
        self.position[i] += (self.config.radius - distance) * normal
        self.velocity[i] += 1.5 * max(0, -self.velocity[i] @ normal) * normal
        return True

    def meet_edge(self, i):
        touched = False
        for k in range(2):
            limit = 1 - self.config.radius
            if abs(self.position[i][k]) > limit:
                touched = True
                self.position[i][k] = limit * np.sign(self.position[i][k])
                if self.velocity[i][k] * self.position[i][k] > 0:
                    self.velocity[i][k] *= -0.5
        return touched


def crowded(seed, agents, steps):
    """A start near the gap, and actions that mostly go through it: many contacts."""
    random = np.random.default_rng(seed)
    side = np.where(np.arange(agents) % 2, 1.0, -1.0)
    position = np.stack([side * random.uniform(0.15, 0.4, agents), random.uniform(-0.5, 0.5, agents)], 1)
    pads = np.stack([-side * random.uniform(0.3, 0.6, agents), random.uniform(-0.5, 0.5, agents)], 1)
    drift = np.clip((pads - position) * 1.5, -1, 1)
    return position, pads, random.uniform(-0.3, 0.3), drift + random.uniform(-1.2, 1.2, (steps, agents, 2))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_rules_agree_with_a_plain_reading_of_them(seed):
    config = Config(n_agents=5, max_steps=15)
    position, pads, gap, actions = crowded(seed, 5, 15)
    played = player(config)(position, pads, jnp.array([gap]), actions)
    _, (states, steps) = jax.device_get(played)
    plain = Plain(config, position, pads, gap)
    for t, joint in enumerate(actions):
        reward = plain.step(joint)
        if plain.contacts != states.contacts[t] or plain.landed != states.landed[t].tolist():
            return  # a hair's breadth apart: single and double precision fall to different sides
        np.testing.assert_allclose(states.position[t], plain.position, atol=2e-4)
        np.testing.assert_allclose(states.velocity[t], plain.velocity, atol=2e-4)
        np.testing.assert_allclose(steps.reward[t], reward, atol=2e-4)
        assert steps.truncated[t] == (t == 14)


def test_a_recorded_episode_replays():
    """Recorded from `Plain`, not from the environment; 30 steps, with contacts and landings."""
    config = Config(n_agents=len(GOLDEN["start"]))
    arrays = (jnp.array(GOLDEN[name]) for name in ("start", "pads", "gaps", "actions"))
    _, (states, steps) = jax.device_get(player(config)(*arrays))
    np.testing.assert_allclose(states.position[9::10], GOLDEN["places"], atol=1e-3)
    np.testing.assert_allclose(steps.reward.sum(0), GOLDEN["returns"], atol=1e-3)
    assert int(states.contacts[-1]) == GOLDEN["contacts"] > 0
    assert states.landed[-1].tolist() == GOLDEN["landed"]
    assert 0 < sum(GOLDEN["landed"]) < len(GOLDEN["landed"])


def test_a_drone_lands_when_it_is_slow_over_its_pad_and_leaves_the_episode():
    state, now = ALONE.place([[0.0, 0.0]], [[0.5, 0.0]], [])
    over = lambda speed: ALONE.step(
        KEY,
        state._replace(position=jnp.array([[0.49, 0.0]]), velocity=jnp.array([[speed, 0.0]])),
        jnp.zeros((1, 2)),
    )
    after, fast = over(0.06)
    assert not after.landed.any()
    assert fast.active.all()
    after, slow = over(0.0176)  # 0.015 after drag: a quarter of the top speed
    assert after.landed.all()
    assert slow.terminated
    assert not slow.truncated
    assert not slow.active.any()
    assert slow.measures["solved"] == 1
    assert (after.velocity == 0).all()
    np.testing.assert_allclose(slow.reward, [(0.5 - abs(0.5 - 0.49 - 0.01496)) / 0.5 + 1], atol=1e-4)
    assert not now.measures["landed"]


def test_the_clock_truncates_and_all_landed_terminates():
    env = Environment(Config(n_agents=1, n_walls=0, max_steps=1))
    state, _ = env.place([[0.0, 0.0]], [[0.5, 0.0]], [])
    _, cut = env.step(KEY, state, jnp.zeros((1, 2)))
    assert cut.truncated
    assert not cut.terminated
    _, done = env.step(KEY, state._replace(position=state.pads), jnp.zeros((1, 2)))
    assert done.terminated
    assert not done.truncated


def test_each_drone_sees_its_own_way_and_the_nearest_that_fly():
    env = Environment(Config(n_agents=4, n_walls=2, neighbours=2))
    position, pads = [[-0.8, 0.0], [0.0, 0.1], [0.0, -0.3], [0.9, 0.9]], [[0.8, 0.5]] * 2 + [[-0.8, 0.0]] * 2
    state, _ = env.place(position, pads, [0.2, -0.4])
    state = state._replace(
        velocity=jnp.array([[0.06, 0.0], [0.0, 0.03], [0.0, 0.0], [0.0, 0.0]]),
        landed=jnp.array([False, False, False, True]),
    )
    seen = np.asarray(env._show(state, jnp.zeros(4)).observation)
    to_gaps = [[0.8 - 1 / 6, 0.2], [1 / 6, -0.5], [-1 / 6, 0.5]]
    near = {
        0: [[0.8, 0.1, -1.0, 0.5, 1], [0.8, -0.3, -1.0, 0.0, 1]],
        1: [[0.0, -0.4, 0.0, -0.5, 1], [-0.8, -0.1, 1.0, -0.5, 1]],
        2: [[0.0, 0.4, 0.0, 0.5, 1], [-0.8, 0.3, 1.0, 0.0, 1]],
    }
    for i, others in near.items():
        for other in others:  # the nearer, the longer: two radii by the distance
            other[:2] = np.multiply(other[:2], 2 * 0.07 / (other[0] ** 2 + other[1] ** 2))
        own = [*(state.velocity[i] / 0.06), *(np.subtract(pads[i], position[i])), *to_gaps[i]]
        np.testing.assert_allclose(seen[i], [*own, *np.ravel(others)], atol=1e-6)
    few = Environment(Config(n_agents=2, n_walls=0, neighbours=3))
    observation = np.asarray(few.reset(KEY)[1].observation)
    assert (observation[:, 4:6] == 0).all(), "no wall, no gap"
    assert (observation[:, [10, 15, 20]] == [1, 0, 0]).all()
    assert (observation[:, 11:] == 0).all()


@pytest.mark.parametrize("walls", [1, *(pytest.param(n, marks=IN_CI) for n in (0, 3))])
def test_a_mirrored_world_plays_the_mirrored_episode_bit_for_bit(walls):
    config = Config(n_agents=5, n_walls=walls)
    env = Environment(config)
    state, now = jax.jit(env.reset)(jax.random.key(7))
    drift = np.clip(2 * (state.pads - state.position), -1, 1)
    actions = drift + np.random.default_rng(0).uniform(-0.8, 0.8, (60, 5, 2)).astype(np.float32)
    run = player(config)
    _, (_, plain) = run(state.position, state.pads, state.gaps, jnp.asarray(actions))
    assert plain.measures["contacts"][-1] > 0
    for which in range(env.symmetries):
        other = env.turned_state(which, state)
        _, (_, seen) = run(
            other.position, other.pads, other.gaps, jax.vmap(env.turned_actions, (None, 0))(which, actions)
        )
        wanted = jax.vmap(env.turned, (None, 0))(which, plain)
        for a, b in zip(jax.tree.leaves(seen), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_array_equal(a, b)
    assert now.reward.sum() == 0


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.sampled_from([0.3, 1.0, 5.0]))
def test_whatever_drones_do_they_stay_inside_and_go_through_gaps_alone(seed, size):
    config = Config(n_agents=6, n_walls=2, max_steps=60)
    env = Environment(config)
    state, _ = jax.jit(env.reset)(jax.random.key(seed))
    random = np.random.default_rng(seed)
    steady = np.repeat(random.uniform(-size, size, (6, 6, 2)), 10, 0)
    _, (states, steps) = jax.device_get(player(config)(state.position, state.pads, state.gaps, steady))
    places = np.concatenate([state.position[None], states.position])
    assert (np.abs(places) <= 1 - config.radius + 1e-6).all()
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(steps))
    assert (np.linalg.norm(states.velocity, axis=-1) <= 2 * config.speed).all()
    for before, after in pairwise(places):
        for wall, gap in zip(env.walls(state.gaps).x, state.gaps, strict=True):
            through = (before[:, 0] < wall) != (after[:, 0] < wall)
            assert (np.abs(after[through, 1] - gap) < config.gap / 2 + 1e-5).all()
    low, high = env.spec.return_range
    assert low <= steps.reward.sum() <= high
    assert (np.abs(steps.reward) <= (1 + 0.1 + 0.5) / 6).all()


@pytest.mark.parametrize(
    "config", [Config(n_agents=7, n_walls=3), *(pytest.param(c, marks=IN_CI) for c in (Config(), MANY))]
)
def test_starts_and_pads_lie_on_opposite_sides_and_do_not_overlap(config):
    state, _ = jax.jit(jax.vmap(Environment(config).reset))(jax.random.split(KEY, 200))
    side = np.where(np.arange(config.n_agents) % 2, 1, -1)
    assert ((state.position[..., 0] * side >= 0.65) & (state.pads[..., 0] * side <= -0.65)).all()
    for places in (state.position, state.pads):
        assert (np.abs(places) <= 1 - config.radius).all()
        apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)
        assert (apart + 9 * np.eye(config.n_agents) >= 2 * config.radius).all()
    assert (np.abs(state.gaps) <= 0.6).all()
    assert np.std(state.gaps) > 0.2


@pytest.mark.slow
@pytest.mark.ci_slow
def test_the_navigator_lands_nearly_all_without_contacts_and_nearly_as_soon_as_if_it_were_alone():
    policies = ENV.references()
    score = {name: play(ENV, of_reference(policy), (), KEY, 32) for name, policy in policies.items()}
    best = score["navigator"]
    assert (best.measures["contacts"] > 0).mean() <= 0.1
    assert best.measures["landed"].mean() >= 0.97
    assert best.discounted.mean() > score["pilot"].discounted.mean()
    one = Environment(Config(n_agents=1))
    alone = play(one, of_reference(one.references()["navigator"]), (), KEY, 32)
    assert best.discounted.mean() >= 0.93 * alone.discounted.mean()


def test_the_picture_shows_what_happens():
    state, _ = ENV.place([[-0.5, 0.0], [0.5, 0.0], [-0.5, 0.5], [0.5, 0.5]], np.full((4, 2), 0.8), [0.2])
    before = ENV.draw(state)
    assert before.dtype == np.uint8
    assert before.shape[2] == 3
    for other in (
        state._replace(velocity=state.velocity.at[0, 0].set(0.06)),
        state._replace(touching=state.touching.at[1].set(True)),
        state._replace(landed=state.landed.at[1].set(True)),
        state._replace(gaps=state.gaps + 0.2),
    ):
        picture = ENV.draw(other)
        assert picture.shape == before.shape
        assert (picture != before).any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_agents", 0),
        ("n_agents", 23),
        ("n_walls", 4),
        ("gap", 0.14),
        ("gap", 0.9),
        ("radius", 0.0),
        ("radius", 0.2),
        ("speed", 0.08),
        ("drag", 0.0),
        ("drag", 1.5),
        ("neighbours", -1),
        ("max_steps", 0),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(UserError, match=name):
        Config(**{name: value})
