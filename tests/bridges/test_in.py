"""Environments of JaxMARL and Jumanji as ours: names, settings, and how their episodes end."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qflock
from qflock.bridges import _options
from qflock.core.errors import UserError
from qflock.runs.evaluation import references
from qflock.settings import config, registry


def steps(env: Any, key: int, actions: Any) -> list[Any]:
    """The time steps of a row of joint actions, the reset's first."""
    step = jax.jit(env.step)
    state, now = jax.jit(env.reset)(jax.random.key(key))
    shown = [now]
    for t, joint in enumerate(actions):
        state, now = step(jax.random.key(t), state, jnp.asarray(joint))
        shown.append(now)
    return jax.device_get(shown)


def test_names_that_mean_nothing_are_one_line() -> None:
    with pytest.raises(UserError, match="did you mean 'jaxmarl'"):
        registry.environment_class("jaxmrl:MPE_simple_spread_v3")


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("jaxmarl:hanabi", "jaxmarl", "envs"),
        ("jumanji:Connector-v3", "jumanji", "envs"),
        ("pettingzoo:mpe2.simple_v3", "pettingzoo", "zoo"),
        ("gymnasium:CartPole-v1", "gymnasium", "zoo"),
    ],
)
def test_without_the_library_a_line_says_what_to_install(
    name: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = name.partition(":")[0]
    bridge = importlib.import_module(f"qflock.bridges.{library}")
    bridge.environment_class.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"pip install 'qflock\[{extra}\]'"):
        registry.environment_class(name)


def test_options_come_from_a_constructor() -> None:
    def constructor(
        size: int = 3,
        rate=0.5,
        name="x",
        few=(1, 2),
        cards=np.array([3, 2]),  # noqa: B008
        perhaps: int | None = None,
        unknown=None,
        function=len,
        needed=...,
        weights=jnp.ones(3),  # noqa: B008
        **more: Any,
    ) -> None: ...

    found = _options.of_constructor(constructor)
    assert {n: o.type for n, o in found.items()} == {
        "size": int,
        "rate": float,
        "few": tuple[int, ...],
        "cards": tuple[int, ...],
        "perhaps": int | None,
    }
    made = _options.config_class("it", found)
    assert _options.values(made(size=4))["size"] == 4
    with pytest.raises(AttributeError):
        made().size = 1


class TestJaxMARL:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("jaxmarl")

    def test_spread_is_truncated_after_max_steps(self, capsys: pytest.CaptureFixture[str]) -> None:
        """JaxMARL lets one more step pass, and calls the end done; there is no task that could end."""
        env = qflock.make("jaxmarl:MPE_simple_spread_v3", max_steps=4, num_agents=2, num_landmarks=2)
        assert (env.spec.agents, env.spec.actions, env.spec.horizon) == (2, 5, 4)
        shown = steps(env, 0, [[1, 2]] * 4)
        assert [bool(now.truncated) for now in shown] == [False] * 4 + [True]
        assert not any(now.terminated for now in shown)
        np.testing.assert_array_equal(shown[2].state, shown[2].observation.ravel())
        assert capsys.readouterr().out == ""

    def test_the_last_observation_is_no_reset(self) -> None:
        """The same actions with a later clock show the very same time step, but for its end."""
        name = "jaxmarl:MPE_simple_spread_v3"
        short, long = (steps(qflock.make(name, max_steps=n), 5, [[4, 2, 0]] * 3)[-1] for n in (3, 9))
        assert short.truncated
        assert not long.truncated
        np.testing.assert_array_equal(short.observation, long.observation)
        np.testing.assert_array_equal(short.reward, long.reward)

    def test_it_steps_as_jaxmarl_does(self) -> None:
        import jaxmarl

        env, theirs = qflock.make("jaxmarl:MPE_simple_spread_v3"), jaxmarl.make("MPE_simple_spread_v3")
        key = jax.random.key(3)
        state, now = jax.jit(env.reset)(key)
        seen, inner = theirs.reset(key)
        for t in range(3):
            joint = jnp.array([t, 4 - t, 2])
            state, now = env.step(key, state, joint)
            chosen = {a: joint[i] for i, a in enumerate(theirs.agents)}
            seen, inner, rewards, _, _ = theirs.step_env(key, inner, chosen)
            for i, agent in enumerate(theirs.agents):
                np.testing.assert_allclose(now.observation[i], seen[agent], rtol=1e-5, atol=1e-6)
                np.testing.assert_allclose(now.reward[i], rewards[agent], rtol=1e-5)

    def test_agents_that_differ_are_padded(self) -> None:
        env = qflock.make("jaxmarl:MPE_simple_speaker_listener_v4")
        shown = steps(env, 0, [[4, 4]])  # the speaker has three actions: the fourth counts as its last
        again = steps(env, 0, [[2, 4]])
        assert shown[0].legal.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
        assert env.spec.observation == 11
        assert (shown[0].observation[0, 3:] == 0).all()
        assert env.spec.state == 3 + 11
        np.testing.assert_array_equal(shown[1].observation, again[1].observation)

    def test_the_riddle_terminates_by_speech_and_with_its_last_day(self) -> None:
        env = qflock.make("jaxmarl:switch_riddle")
        assert env.spec.shared_reward
        spoken = steps(env, 0, [[2, 2, 2]])[-1]
        assert spoken.terminated
        assert not spoken.truncated
        assert spoken.reward.tolist() == [-1.0] * 3
        *before, silent = steps(env, 0, [[0, 0, 0]] * env.spec.horizon)
        assert silent.terminated
        assert not silent.truncated
        assert not any(day.terminated or day.truncated for day in before)

    def test_the_riddle_tells_critics_who_has_been_in_the_room(self) -> None:
        """Behind each other: who is inside, who has been, the bulb, the share of days that are over."""
        env = qflock.make("jaxmarl:switch_riddle")
        assert env.spec.state == 3 + 3 + 1 + 1
        shown = steps(env, 4, [[1, 1, 1]] * 5)
        been = np.zeros(3)
        for day, now in enumerate(shown):
            inside, told = now.observation[:, 0], np.asarray(now.state)
            np.testing.assert_allclose(told, [*inside, *been, day % 2, day / 6], rtol=1e-6)
            been = np.maximum(been, inside)
        assert been.sum() > 1

    def test_outside_the_riddles_room_there_is_nothing_to_do(self) -> None:
        now = steps(qflock.make("jaxmarl:switch_riddle"), 4, [[0, 0, 0]])[-1]
        for inside, legal in zip(now.observation[:, 0], now.legal, strict=True):
            assert legal.tolist() == [True, bool(inside), bool(inside)]

    def test_the_riddles_oracle_speaks_when_all_have_been_inside(self) -> None:
        """It wins whenever that happens within the 6 visits, and never speaks too soon."""
        scores = references(qflock.make("jaxmarl:switch_riddle"), jax.random.key(0), 4096)
        ceiling = 1 - 3 * (2 / 3) ** 6 + 3 * (1 / 3) ** 6
        assert scores["oracle"]["return_min"] == 0
        assert abs(scores["oracle"]["return_mean"] - ceiling) < 4 * (ceiling * (1 - ceiling) / 4096) ** 0.5

    def test_the_coin_game_never_shows_the_next_game(self) -> None:
        """JaxMARL's own inner reset happens inside a step: it would be the observation to bootstrap from."""
        env = qflock.make("jaxmarl:coin_game", num_inner_steps=3)
        shown = steps(env, 2, [[4, 4]] * 3)  # nobody moves
        assert shown[-1].truncated
        for now in shown[1:]:
            np.testing.assert_array_equal(now.observation[0][:18], shown[0].observation[0][:18])

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "settings"),
        [
            ("HeuristicEnemySMAX", {"scenario": "3m", "max_steps": 12}),
            ("overcooked", {"layout": "coord_ring", "max_steps": 20}),
            ("hanabi", {"num_colors": 2, "num_ranks": 2, "num_cards_of_rank": (2, 1), "hand_size": 2}),
            ("switch_riddle", {}),
            ("coin_game", {}),
        ],
    )
    def test_all_keep_their_promises(self, name: str, settings: dict[str, Any]) -> None:
        from qflock.playing.conformance import checks

        assert checks.findings(qflock.make(f"jaxmarl:{name}", **settings)) == []

    def test_refusals(self) -> None:
        with pytest.raises(UserError, match="did you mean 'MPE_simple_spread_v3'"):
            qflock.make("jaxmarl:MPE_simple_spred_v3")
        with pytest.raises(UserError, match="unknown SMAX scenario '3n'"):
            qflock.make("jaxmarl:HeuristicEnemySMAX", scenario="3n")
        with pytest.raises(UserError, match="local_ratio must be between"):
            qflock.make("jaxmarl:MPE_simple_spread_v3", local_ratio=2.0)


class TestJumanji:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("jumanji")

    def test_foraging_is_truncated_by_its_clock(self) -> None:
        env = qflock.make("jumanji:LevelBasedForaging-v0", time_limit=3)
        shown = steps(env, 0, [[0, 0]] * 3)
        assert [bool(now.truncated) for now in shown] == [False, False, False, True]
        assert not shown[-1].terminated
        assert shown[-1].measures["solved"] == 0

    def test_foraging_pays_one_for_all_food_and_terminates(self) -> None:
        """An all-seeing walk to each food in turn; its records tell it where everything is."""
        env = qflock.make("jumanji:LevelBasedForaging-v0", num_food=1, grid_size=5)
        step, paid = jax.jit(env.step), 0.0
        state, now = jax.jit(env.reset)(jax.random.key(1))
        for t in range(60):
            agents, food = state.inner.agents.position, state.inner.food_items.position[0]
            goals = [food - jnp.array([1, 0]), food + jnp.array([1, 0])]
            near = jnp.abs(agents - food).sum(-1) == 1
            actions = []
            for i in range(2):
                away = goals[i] - agents[i]
                moves = [1 if away[0] < 0 else 2, 3 if away[1] < 0 else 4]
                wanted = [m for m, d in zip(moves, away, strict=True) if d != 0 and now.legal[i, m]]
                blocked = [m for m in range(1, 5) if now.legal[i, m]]
                actions.append(
                    5 if near.all() else 0 if near[i] else (wanted or blocked[t % len(blocked) :])[0]
                )
            state, now = step(jax.random.key(t), state, jnp.array(actions))
            paid += float(now.reward.sum())
            if now.over:
                break
        assert now.terminated
        assert not now.truncated
        assert paid == pytest.approx(1.0)
        assert now.measures == {"solved": 1.0, "eaten": 1.0}

    def test_foraging_records(self) -> None:
        env = qflock.make("jumanji:LevelBasedForaging-v0")
        state, now = jax.jit(env.reset)(jax.random.key(0))
        (eyes,) = env.spec.observation_entities
        own = now.observation[0][eyes.own : eyes.own + 4]
        np.testing.assert_array_equal(own[:2], state.inner.agents.position[0])
        assert own[2:].tolist() == [1, int(state.inner.agents.level[0])]
        other = now.observation[0][eyes.others[-1] :]
        np.testing.assert_array_equal(other[:2], state.inner.agents.position[1])

    @pytest.mark.slow
    @pytest.mark.ci_slow
    def test_the_warehouse_ends_truncated_though_jumanji_calls_it_a_termination(self) -> None:
        env = qflock.make("jumanji:RobotWarehouse-v0", time_limit=2, num_agents=2, column_height=3)
        shown = steps(env, 0, [[0, 0]] * 2)
        assert env.spec.shared_reward
        assert shown[-1].truncated
        assert not shown[-1].terminated

    def test_connector_shows_each_agent_its_own_colours(self) -> None:
        env = qflock.make("jumanji:Connector-v3", grid_size=5, num_agents=2)
        state, now = jax.jit(env.reset)(jax.random.key(0))
        for i in range(2):
            cells = np.asarray(now.observation[i]).reshape(5, 5)
            assert cells[tuple(state.inner.agents.position[i])] == 2
            assert cells[tuple(state.inner.agents.target[i])] == 3
            assert cells[tuple(state.inner.agents.position[1 - i])] == 5

    def test_refusals(self) -> None:
        with pytest.raises(
            UserError, match="there are: Connector-v3, LevelBasedForaging-v0, RobotWarehouse-v0"
        ):
            qflock.make("jumanji:Zoo")
        with pytest.raises(UserError, match="Grid size must be"):
            qflock.make("jumanji:LevelBasedForaging-v0", grid_size=3)
        with pytest.raises(UserError, match="time_limit is 0"):
            qflock.make("jumanji:Connector-v3", time_limit=0)


def test_settings_of_a_bridge_are_read_and_written_as_any_others(tmp_path: Any) -> None:
    pytest.importorskip("jumanji")
    name = "jumanji:LevelBasedForaging-v0"
    given = config.resolve("qmix", overrides={"env": name, "env.num_food": 1})
    config.write_yaml(given, tmp_path / "c.yaml")
    assert config.read_yaml(tmp_path / "c.yaml") == given
    assert given.environment.num_food == 1
    with pytest.raises(UserError, match=r"did you mean 'env\.num_food'"):
        config.resolve("qmix", overrides={"env": name, "env.num_foods": 1})
