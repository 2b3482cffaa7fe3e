"""Our environments in PettingZoo's language pass PettingZoo's own tests."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("pettingzoo")

from pettingzoo.test import parallel_api_test, parallel_seed_test
from pettingzoo.test.render_test import render_test
from pettingzoo.utils.conversions import parallel_to_aec

import qflock
from qflock.core.environment import Drawable
from qflock.core.errors import UserError
from qflock.core.spec import Choices, Spec
from qflock.settings import config, registry
from tests.marks import IN_CI
from tests.tiny import Count, Echo

NAMES = registry.names("environments")


@pytest.fixture(scope="module", params=NAMES)
def env(request: pytest.FixtureRequest) -> Any:
    return config.make_environment(request.param)


def test_the_parallel_api(env: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PettingZoo only warns of agents that are missing
        parallel_api_test(qflock.to_pettingzoo(env), num_cycles=120)


def test_the_same_seed_gives_the_same_episode(env: Any) -> None:
    parallel_seed_test(lambda: qflock.to_pettingzoo(env), num_cycles=60)


def test_rendering(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not isinstance(env, Drawable):
        assert qflock.to_pettingzoo(env).metadata["render_modes"] == []
        return
    import matplotlib

    matplotlib.use("Agg")
    render_test(lambda render_mode: parallel_to_aec(qflock.to_pettingzoo(env, render_mode)))


def test_it_shows_what_the_environment_shows() -> None:
    """Step by step the same as the environment itself, with the same keys."""
    env = Echo()
    zoo = qflock.to_pettingzoo(env)
    seen, infos = zoo.reset(seed=7)
    key, own = jax.random.split(jax.random.key(7))
    state, now = env.reset(own)
    for step in range(4):
        for i, agent in enumerate(zoo.possible_agents):
            np.testing.assert_array_equal(seen[agent], now.observation[i])
            np.testing.assert_array_equal(infos[agent]["action_mask"], now.legal[i])
        np.testing.assert_array_equal(zoo.state(), now.state)
        actions = np.array([step % 3, 1])
        seen, rewards, terminated, truncated, infos = zoo.step(dict(zip(zoo.agents, actions, strict=True)))
        key, own = jax.random.split(key)
        state, now = env.step(own, state, actions)
        assert list(rewards.values()) == now.reward.tolist()
        assert list(terminated.values()) == [bool(now.terminated)] * 2
        assert list(truncated.values()) == [bool(now.truncated)] * 2
    assert truncated == {"agent_0": True, "agent_1": True}
    assert infos["agent_0"]["solved"] == 1.0
    assert zoo.agents == []


class Leaving(Count):
    """Two agents; the second leaves after the first step."""

    spec = Spec("leaving", 2, 2, 3, 3, 3)

    def _show(self, state: Any, reward: Any) -> Any:
        now = super()._show(state, reward)
        both = lambda x: jnp.repeat(x, 2, 0)
        active = jnp.array([True, False]) | (state.step == 0)
        return now._replace(
            observation=both(now.observation), legal=both(now.legal), active=active, reward=both(now.reward)
        )


def test_an_agent_that_leaves_is_terminated_and_gone() -> None:
    zoo = qflock.to_pettingzoo(Leaving())
    for seed in range(20):
        zoo.reset(seed=seed)
        _, _, terminated, truncated, _ = zoo.step({"agent_0": 0, "agent_1": 0})
        if any(truncated.values()):
            assert not terminated["agent_0"]
            continue
        assert terminated["agent_1"]
        if not terminated["agent_0"]:
            assert zoo.agents == ["agent_0"]
            return
    pytest.fail("no episode of more than one step")


def same_from_here(one: Any, other: Any, steps: int = 6) -> None:
    """Both show the same, from where they are to the end or for some steps."""
    for step in range(steps):
        if not one.agents:
            break
        actions = {agent: step % one.action_space(agent).n for agent in one.agents}
        for mine, theirs in zip(one.step(actions), other.step(actions), strict=True):
            assert mine.keys() == theirs.keys()
            for agent in mine:
                np.testing.assert_equal(mine[agent], theirs[agent])
    assert one.agents == other.agents


def test_it_is_pickled_in_the_middle_of_an_episode(env: Any) -> None:
    """The twin goes on with the episode, and plays the next one too."""
    if not isinstance(env.spec.action, Choices):
        pytest.skip("the walk is for choices")
    zoo = qflock.to_pettingzoo(env)
    zoo.reset(seed=3)
    zoo.step(dict.fromkeys(zoo.agents, 0))
    twin = pickle.loads(pickle.dumps(zoo))
    same_from_here(zoo, twin)
    np.testing.assert_equal(zoo.reset(seed=4)[0], twin.reset(seed=4)[0])


def test_what_vectorisers_do_gives_the_same_episodes() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    zoo = qflock.to_pettingzoo("two_step")
    for twin in (
        pickle.loads(pickle.dumps(zoo)),
        cloudpickle.loads(cloudpickle.dumps(zoo)),
        copy.deepcopy(zoo),
    ):
        np.testing.assert_equal(zoo.reset(seed=3)[0], twin.reset(seed=3)[0])
        same_from_here(zoo, twin)


@pytest.mark.parametrize(
    "form",
    [
        "{file}:Echo",
        "gymnasium:CartPole-v1",
        pytest.param("jumanji:LevelBasedForaging-v0", marks=IN_CI),
        pytest.param("jaxmarl:switch_riddle", marks=IN_CI),
    ],
)
def test_another_process_unpickles_what_has_no_module_there(form: str, tmp_path: Path) -> None:
    """A class in a file of the user's, and classes that bridges make."""
    if not form.startswith("{"):
        pytest.importorskip(form.partition(":")[0])
    zoo = qflock.to_pettingzoo(form.format(file=Path(__file__).parents[1] / "tiny.py"))
    seen, _ = zoo.reset(seed=5)
    (tmp_path / "zoo.pickle").write_bytes(pickle.dumps(zoo))
    program = (
        "import pickle, sys; zoo = pickle.load(open('zoo.pickle', 'rb')); "
        "pickle.dump(zoo.reset(seed=5)[0], open('seen.pickle', 'wb'))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_equal(pickle.loads((tmp_path / "seen.pickle").read_bytes()), seen)


def test_settings_and_refusals() -> None:
    assert qflock.to_pettingzoo("gridworld25", grid_size=9).environment.config.grid_size == 9
    with pytest.raises(UserError, match="cannot be drawn"):
        qflock.to_pettingzoo(Echo(), "rgb_array")
    with pytest.raises(UserError, match="this one is made: horizon"):
        qflock.to_pettingzoo(Echo(), horizon=3)
    zoo = qflock.to_pettingzoo("two_step")
    zoo.reset()
    with pytest.raises(UserError, match="render_mode"):
        zoo.render()


def test_without_pettingzoo_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pettingzoo", None)
    monkeypatch.delitem(sys.modules, "qflock.bridges.as_pettingzoo", raising=False)  # another test's import
    with pytest.raises(UserError, match=r"pip install 'qflock\[zoo\]'"):
        qflock.to_pettingzoo("two_step")
