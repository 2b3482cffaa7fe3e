"""CoinGame-2: the rules in every state, the start, and the exact programme against play and plain Python."""

from __future__ import annotations

import itertools
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

from qflock.core.environment import Exact
from qflock.core.errors import UserError
from qflock.environments.coin_game import game
from qflock.environments.coin_game.game import Config, Environment
from qflock.playing.evaluation import of_reference, play

KEY = jax.random.key(0)
CELLS = [(x, y) for x in range(3) for y in range(3)]
MOVES = [(0, 1), (0, -1), (-1, 0), (1, 0)]
STATES = list(itertools.product(CELLS, CELLS, CELLS, (0, 1)))  # agent 0, agent 1, coin, owner
JOINT = list(itertools.product(range(4), repeat=2))
VARIANTS = ["full", "partial"]


def moved(cell, action):
    return tuple(min(max(at + by, 0), 2) for at, by in zip(cell, MOVES[action], strict=True))


def plain_step(state, joint):
    """The rules once more: where the agents stand, what each is paid, and whether the coin jumps."""
    agents = [moved(cell, action) for cell, action in zip(state[:2], joint, strict=True)]
    coin, owner = state[2:]
    reward = [0, 0]
    for i in (0, 1):
        if agents[i] == coin:
            reward[i] += 1
            if i != owner:
                reward[owner] -= 2
    return agents, reward, coin in agents


def plain_next(state, joint):
    """All states that may follow, with their chances, and the team's reward."""
    agents, reward, taken = plain_step(state, joint)
    coins = [state[2:]]
    if taken:
        coins = [(cell, owner) for cell in CELLS if cell != state[2] for owner in (0, 1)]
    return [(*agents, *coin) for coin in coins], 1 / len(coins), sum(reward)


@cache
def plain_transitions():
    return {(s, a): plain_next(s, a) for s in STATES for a in JOINT}


def plain_values(steps, choose, discount=1.0):
    """Backward induction with dictionaries; ``choose(state, {joint action: worth})`` is a state's value."""
    values = dict.fromkeys(STATES, 0.0)
    for _ in range(steps):
        back = {}
        for s in STATES:
            worth = {}
            for a in JOINT:
                after, chance, reward = plain_transitions()[s, a]
                worth[a] = reward + discount * chance * sum(values[x] for x in after)
            back[s] = choose(s, worth)
        values = back
    starts = [s for s in STATES if len({*s[:3]}) == 3]
    return sum(values[s] for s in starts) / len(starts)


def view(state, agent, partial):
    """The number of an agent's observation, by its description."""
    own, other, (coin, owner) = state[agent], state[1 - agent], state[2:]
    number = CELLS.index(own)
    if not partial:
        number = 9 * number + CELLS.index(other)
    return 2 * (9 * number + CELLS.index(coin)) + (owner != agent)


def some_policy(env, seed, sharp=2.0):
    logits = sharp * jax.random.normal(jax.random.key(seed), (2, len(env.observations()), 4))
    return jax.nn.softmax(logits)


def numbers(observation):
    """The numbers of both agents' observations, by where the ones are in their planes."""
    *cells, mine, others = jnp.moveaxis(observation.reshape(2, -1, 9), 1, 0)
    number = 0
    for plane in (*cells, mine | others):
        number = 9 * number + plane.argmax(-1)
    return 2 * number + others.any(-1)


def by_table(table):
    """A policy that plays a table of chances."""

    def choose(key, state, now):
        return jax.random.categorical(key, jnp.log(table[jnp.arange(2), numbers(now.observation)]))

    return choose


@pytest.mark.parametrize("observation", VARIANTS)
def test_every_step_from_every_state_follows_the_rules(observation):
    env = Environment(Config(observation))
    cases = list(itertools.product(STATES, JOINT))
    columns = [np.array(c) for c in zip(*(s for s, _ in cases), strict=True)]
    agents, joint = np.stack(columns[:2], 1), np.array([a for _, a in cases])

    def run(key, agents, coin, owner, joint):
        state, now = env.place(agents, coin, owner)
        return now, env.step(key, state, joint)

    keys = jax.random.split(KEY, len(cases))
    told = jax.jit(jax.vmap(run))(keys, agents, columns[2], columns[3], joint)
    first, (after, now) = jax.device_get(told)
    for i, (state, actions) in enumerate(cases):
        cells, reward, taken = plain_step(state, actions)
        assert [tuple(cell) for cell in after.agents[i].tolist()] == cells
        assert now.reward[i].tolist() == reward
        assert (tuple(after.coin[i].tolist()) != state[2]) == taken
        assert taken or after.owner[i] == state[3]
        collects = [cell == state[2] for cell in cells]
        assert after.collected[i].tolist() == collects
        assert after.own[i].tolist() == [c and state[3] == k for k, c in enumerate(collects)]
    known = np.asarray(env.observations())
    np.testing.assert_array_equal(jax.vmap(lambda o: numbers(jnp.stack([o, o]))[0])(known), range(len(known)))
    for state in range(0, len(cases), 16):
        for agent in (0, 1):
            number = view(cases[state][0], agent, observation == "partial")
            np.testing.assert_array_equal(first.observation[state, agent], known[number])


def test_planes_of_an_observation_by_hand():
    """Agent 0 at (2, 1), agent 1 at (0, 2), a coin of agent 1's at (1, 0)."""
    at = lambda *places: np.isin(np.arange(36), places).astype(int)
    full = Environment().place([[2, 1], [0, 2]], [1, 0], 1)[1]
    np.testing.assert_array_equal(full.observation[0], at(7, 9 + 2, 27 + 3))
    np.testing.assert_array_equal(full.observation[1], at(2, 9 + 7, 18 + 3))
    np.testing.assert_array_equal(full.state, full.observation.ravel())
    hidden = Environment(Config("partial")).place([[2, 1], [0, 2]], [1, 0], 1)[1]
    np.testing.assert_array_equal(hidden.observation[0], at(7, 18 + 3)[:27])
    np.testing.assert_array_equal(hidden.observation[1], at(2, 9 + 3)[:27])


@pytest.mark.parametrize(("observation", "count", "size"), [("full", 1458, 36), ("partial", 162, 27)])
def test_all_observations_are_there_once(observation, count, size):
    seen = np.asarray(Environment(Config(observation)).observations())
    assert seen.shape == (count, size)
    assert len(np.unique(seen, axis=0)) == count
    np.testing.assert_array_equal(seen.sum(1), 3 if observation == "full" else 2)


def test_starts_are_uniform_over_distinct_cells():
    env = Environment()
    states = jax.device_get(jax.jit(jax.vmap(lambda k: env.reset(k)[0]))(jax.random.split(KEY, 40_000)))
    cell = lambda places: 3 * places[..., 0].astype(int) + places[..., 1]
    first, second, coin = cell(states.agents[:, 0]), cell(states.agents[:, 1]), cell(states.coin)
    counts = np.bincount(((first * 9 + second) * 9 + coin) * 2 + states.owner, minlength=1458)
    distinct = np.array([len({*s[:3]}) == 3 for s in STATES])
    assert counts[~distinct].sum() == 0
    assert chisquare(counts[distinct]).pvalue > 1e-4


@pytest.mark.parametrize("coin", [(0, 0), (1, 1), (2, 1)])
def test_a_taken_coin_jumps_uniformly_to_another_cell(coin):
    env = Environment()
    beside = next(c for c in CELLS for a in range(4) if c != coin and moved(c, a) == coin)
    action = next(a for a in range(4) if moved(beside, a) == coin)
    state, _ = env.place([beside, beside], coin, 0)
    jump = jax.vmap(lambda k: env.step(k, state, jnp.array([action, action]))[0])
    after = jax.device_get(jax.jit(jump)(jax.random.split(jax.random.key(sum(coin)), 16_000)))
    counts = np.bincount(
        (3 * after.coin[:, 0].astype(int) + after.coin[:, 1]) * 2 + after.owner, minlength=18
    )
    here = 2 * CELLS.index(coin)
    assert counts[here : here + 2].sum() == 0
    assert chisquare(np.delete(counts, [here, here + 1])).pvalue > 1e-4


def test_the_optimum_is_the_published_one():
    assert Environment().optimum() == pytest.approx(27.3675, abs=5e-5)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_optimum_of_short_games_by_plain_dynamic_programming(steps):
    best = plain_values(steps, lambda state, worth: max(worth.values()))
    assert Environment(Config(max_steps=steps)).optimum() == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("observation", VARIANTS)
def test_exact_returns_of_short_games_by_plain_expectations(observation):
    env = Environment(Config(observation, max_steps=3))
    table = some_policy(env, 1)
    chances, partial = np.asarray(table, float), observation == "partial"

    def average(state, worth):
        first, second = (chances[i, view(state, i, partial)] for i in (0, 1))
        return sum(first[a] * second[b] * paid for (a, b), paid in worth.items())

    for discount in (1.0, 0.8):
        found = env.exact_return(table, discount)
        assert found == pytest.approx(plain_values(3, average, discount), abs=1e-5)


@pytest.mark.parametrize("observation", VARIANTS)
def test_exact_returns_are_what_play_earns(observation):
    env = Environment(Config(observation))
    earn = jax.jit(lambda table, key: play(env, of_reference(by_table(table)), (), key, 1024))
    for seed, sharp in ((2, 3.0), (3, 0.0)):
        table = some_policy(env, seed, sharp)
        scores = earn(table, jax.random.key(seed))
        for discount, earned in ((1.0, scores.episode_return), (0.99, scores.discounted)):
            exact = env.exact_return(table, discount)
            assert abs(earned.mean() - exact) < 4 * earned.std() / 1024**0.5
    assert exact == pytest.approx(0, abs=1e-4), "of random actions, whatever is won is lost"


@pytest.mark.slow
@pytest.mark.ci_slow
def test_many_policies_at_once_and_the_gradient():
    env = Environment(Config("partial"))
    tables = jnp.stack([some_policy(env, seed) for seed in range(6)]).reshape(2, 3, 2, 162, 4)
    many, visits = env.exact_return(tables), env.exact_visits(tables)
    assert many.shape == (2, 3)
    assert visits.shape == (2, 3, 2, 162)
    one = jax.jit(env.exact_return)
    for i, j in np.ndindex(2, 3):
        assert many[i, j] == pytest.approx(float(one(tables[i, j])), abs=1e-4)
    np.testing.assert_allclose(visits[1, 2], env.exact_visits(tables[1, 2]), atol=1e-4)
    towards = jax.random.normal(KEY, (2, 162, 4))
    slope = (jax.grad(env.exact_return)(tables[0, 0]) * towards).sum()
    ahead, behind = (one(tables[0, 0] + s * towards) for s in (1e-3, -1e-3))
    assert slope == pytest.approx(float(ahead - behind) / 2e-3, rel=2e-2, abs=1e-2)


def test_the_agents_may_change_places():
    env = Environment()
    table = some_policy(env, 4)
    assert env.exact_return(table[::-1]) == pytest.approx(float(env.exact_return(table)), abs=1e-4)


def test_visits_are_those_of_play():
    env = Environment(Config("partial", max_steps=20))
    table = some_policy(env, 5)
    act = by_table(table)

    def episode(key):
        k_reset, k_play = jax.random.split(key)

        def tick(carry, key):
            state, now = carry
            k_act, k_step = jax.random.split(key)
            seen = jax.nn.one_hot(numbers(now.observation), 162)
            return env.step(k_step, state, act(k_act, state, now)), seen

        return jax.lax.scan(tick, env.reset(k_reset), jax.random.split(k_play, 20))[1].sum(0)

    counts = jax.jit(lambda k: jax.vmap(episode)(jax.random.split(k, 2048)))(KEY)
    exact = env.exact_visits(table)
    np.testing.assert_allclose(exact.sum(-1), [20, 20], rtol=1e-5)
    error = 5 * counts.std(0) / 2048**0.5 + 1e-3
    assert (abs(counts.mean(0) - exact) < error).all()


def test_references_earn_what_they_promise():
    env = Environment()
    assert isinstance(env, Exact)
    for name, low, high in (("oracle", 27.3675, 27.3675), ("own_coin", 25, 26)):
        reference = of_reference(env.references()[name])
        scores = jax.jit(lambda k, reference=reference: play(env, reference, (), k, 1024))(KEY)
        error = 4 * scores.episode_return.std() / 1024**0.5
        assert low - error < scores.episode_return.mean() < high + error
        np.testing.assert_array_equal(scores.measures["own_coin_rate"], 1)
        np.testing.assert_array_equal(scores.measures["coins"], scores.episode_return)


def test_what_is_seen_suffices_to_come_near_the_optimum():
    """The oracle's first step, played all along, by observation and without the time."""
    env = Environment()
    first = game.exact.solve(50).actions[0].astype(int)
    table = np.zeros((2, 1458, 4), np.float32)
    table[0, np.arange(1458), first // 4] = 1
    table[1, env._views[1], first % 4] = 1
    earned = env.exact_return(jnp.asarray(table))
    assert 27.2 < earned <= env.optimum() + 1e-4


@pytest.mark.parametrize("ending", ["truncated", "terminated"])
def test_the_end_is_of_the_chosen_sort(ending):
    env = Environment(Config(max_steps=2, ending=ending))
    state, now = env.reset(KEY)
    step = jax.jit(env.step)
    for over in (False, True):
        state, now = step(KEY, state, jnp.zeros(2, jnp.int32))
        assert bool(now.terminated) == (over and ending == "terminated")
        assert bool(now.truncated) == (over and ending == "truncated")


def test_measures_count_coins():
    """Agent 0 takes its own coin, and agent 1 another's, until both kinds were seen."""
    env = Environment()
    for owner, rate, reward in ((0, 1.0, [1, 0]), (1, 0.0, [1, -2])):
        state, now = env.place([[0, 0], [2, 2]], [0, 1], owner)
        assert now.measures == {"own_coin_rate": 0, "coins": 0}
        _, now = env.step(KEY, state, jnp.array([0, 0]))
        assert now.reward.tolist() == reward
        assert now.measures == {"own_coin_rate": rate, "coins": 1}
    state, now = env.place([[0, 0], [0, 2]], [0, 1], 0)
    _, now = env.step(KEY, state, jnp.array([0, 1]))  # both
    assert now.reward.tolist() == [-1, 1]
    assert now.measures == {"own_coin_rate": 0.5, "coins": 2}


def test_an_unknown_action_is_to_stay():
    state, _ = Environment().place([[1, 1], [0, 2]], [2, 2], 0)
    after, _ = Environment().step(KEY, state, jnp.array([9, -1]))
    np.testing.assert_array_equal(after.agents, state.agents)


def test_the_picture_shows_whose_coin_it_is_and_where():
    env = Environment()
    draw = lambda coin, owner: env.draw(env.place([[0, 0], [2, 2]], coin, owner)[0], 300).astype(int)
    mine, other = draw([1, 1], 0), draw([1, 1], 1)
    changed = np.argwhere((mine != other).any(-1))
    assert (abs(changed.mean(0) - 150) < 10).all(), "in the middle"
    assert np.ptp(changed, 0).max() < 50
    up = np.argwhere((draw([0, 2], 0) != draw([2, 0], 0)).any(-1)[:280])
    assert up[:, 0].min() < 60, "y grows upwards: (0, 2) is the upper left corner"
    together = draw([0, 0], 1)
    assert (together != mine).any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"observation": "none"}, "observation is 'none'; choose 'full' or 'partial'"),
        ({"max_steps": 0}, "max_steps is 0; choose 1 to 10000"),
        ({"ending": "never"}, "ending is 'never'; choose"),
    ],
)
def test_wrong_settings_are_one_clear_line(changed, message):
    with pytest.raises(UserError, match=message):
        Config(**changed)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([[0, 0]], [1, 1], 0), "agents: .* give whole-numbered cells"),
        (([[0, 0], [0, 3]], [1, 1], 0), "agents: .* leaves the board"),
        (([[0, 0], [0, 1]], [1.5, 1], 0), "coin: .* give whole-numbered cells"),
        (([[0, 0], [0, 1]], [1, 1], 2), "owner: 2; give 0 or 1"),
    ],
)
def test_wrong_places_are_one_clear_line(given, message):
    with pytest.raises(UserError, match=message):
        Environment().place(*given)
