"""Environments of other libraries can be watched: JaxMARL's by its visualisers, others by their render."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

import qflock
from qflock.commands import main
from qflock.core.errors import Notice, UserError
from qflock.evidence.replay import show as showing
from qflock.settings import registry
from tests.marks import IN_CI

SHY = """
import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv

class Walk(ParallelEnv):
    \"\"\"Two agents count their steps; each step is a lighter picture.\"\"\"
    metadata = {"name": "walk", "render_modes": ["rgb_array"]}
    possible_agents = ["adversary_0", "agent_0"]

    def __init__(self, render_mode=None, shown="rgb", max_cycles=4):
        self.mode, self.shown, self.end = render_mode, shown, max_cycles

    def observation_space(self, agent):
        return Box(0, 9, (1,))

    def action_space(self, agent):
        return Discrete(2)

    def reset(self, seed=None, options=None):
        self.agents, self.t = list(self.possible_agents), 0
        return self.seen(), {a: {} for a in self.agents}

    def seen(self):
        return {a: np.full(1, self.t, np.float32) for a in self.agents}

    def step(self, actions):
        self.t += 1
        over, names = self.t >= self.end, self.agents
        each = lambda value: dict.fromkeys(names, value)
        out = self.seen(), each(1.0), each(over), each(False), each({})
        self.agents = [] if over else names
        return out

    def render(self):
        assert self.mode == "rgb_array"
        if self.shown == "nothing":
            return None
        return np.full((10, 20, 4 if self.shown == "rgba" else 3), 50 * self.t, np.uint8)

class Blind(Walk):
    def __init__(self, max_cycles=4):
        super().__init__(None, "rgb", max_cycles)
"""


@pytest.fixture
def walk(tmp_path: Path) -> str:
    (tmp_path / "walk.py").write_text(SHY)
    return str(tmp_path / "walk.py")


@pytest.mark.parametrize("shown", ["rgb", "rgba"])
def test_a_host_environment_shows_what_it_renders(walk: str, shown: str) -> None:
    with pytest.warns(Notice, match="game of adversaries"):
        env = qflock.make(f"{walk}:Walk", shown=shown)
    found = showing.episodes(None, environment=env, policy="random")
    (one,) = found.recordings
    assert [int(picture.max()) for picture in one.states] == [0, 50, 100, 150, 200]
    assert one.actions.shape == (4, 2)
    assert one.timestep.observation[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert one.timestep.terminated.tolist() == [False] * 4 + [True]
    assert found.env.draw(one.states[1], 40).shape == (20, 40, 3)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Walk", "Walk cannot be drawn: its render() gives nothing, and no picture of RGB"),
        ("Blind", "Blind cannot be drawn: what makes it takes no render_mode"),
    ],
)
@pytest.mark.filterwarnings("ignore::qflock.core.errors.Notice")
def test_one_that_gives_no_picture_is_one_line(walk: str, name: str, says: str) -> None:
    env = qflock.make(f"{walk}:{name}", **({"shown": "nothing"} if name == "Walk" else {}))
    with pytest.raises(UserError) as raised:
        showing.episodes(None, environment=env, policy="random")
    assert str(raised.value).endswith(says)


def test_the_command_writes_a_film_of_it(
    walk: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "walk.html"
    assert main(["watch", "--env", f"{walk}:Walk", "-o", str(out)]) == 0
    assert out.stat().st_size > 1000
    assert registry.can_be_watched(f"{walk}:Walk")
    assert not registry.can_be_watched(f"{walk}:Blind")
    assert not registry.can_be_drawn(f"{walk}:Walk")  # not at the end of every training


@pytest.mark.parametrize(
    "target",
    [
        "MPE_simple_spread_v3",
        pytest.param("HeuristicEnemySMAX", marks=IN_CI),
        pytest.param("overcooked", marks=IN_CI),
    ],
)
def test_jaxmarls_visualisers_draw_its_states(target: str) -> None:
    pytest.importorskip("jaxmarl")
    env = qflock.make(f"jaxmarl:{target}")
    state, _ = jax.device_get(jax.jit(env.reset)(jax.random.key(0)))
    other, _ = jax.device_get(jax.jit(env.reset)(jax.random.key(1)))
    picture = env.draw(state, 200)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (200, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3
    np.testing.assert_array_equal(env.draw(state, 200), picture)
    assert target == "overcooked" or not np.array_equal(env.draw(other, 200), picture)


def test_what_jaxmarl_shows_as_text_alone_cannot_be_watched() -> None:
    pytest.importorskip("jaxmarl")
    assert not registry.can_be_watched("jaxmarl:switch_riddle")
    assert registry.can_be_watched("jaxmarl:MPE_simple_tag_v3")
    assert not registry.can_be_drawn("jaxmarl:MPE_simple_tag_v3")
