"""``qflock check``: every sort of mistake is found, and named by one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qflock.commands import main

GOOD = """
from typing import Any, NamedTuple
import jax
import jax.numpy as jnp
import numpy as np
from qflock.core.spec import Entities, Spec
from qflock.core.steps import TimeStep

class State(NamedTuple):
    place: Any
    step: Any

class World:
    def __init__(self):
        self.spec = Spec("world", agents=2, actions=3, observation=2, state=4, horizon=5,
                         return_range=(0.0, 10.0))

    def reset(self, key):
        state = State(jax.random.randint(key, (2,), 0, 9), jnp.int32(0))
        return state, self.show(state, jnp.zeros(2))

    def step(self, key, state, actions):
        after = State((state.place + actions) % 9, state.step + 1)
        return after, self.show(after, (after.place == 0).astype(jnp.float32))

    def show(self, state, reward):
        seen = jnp.stack([state.place, state.place[::-1]], 1).astype(jnp.float32)
        over = state.step >= 5
        return TimeStep(seen, seen.reshape(-1), jnp.ones((2, 3), bool), jnp.ones(2, bool), reward,
                        over & False, over, {"home": (state.place == 0).mean(dtype=jnp.float32)})
"""

MISTAKES = {
    "size": (
        "observation=2,",
        "observation=3,",
        "reset: TimeStep.observation has shape [2, 2]; the Spec says [2, 3]",
    ),
    "spec": ("agents=2,", "agents=0,", "spec.agents is 0; it must be a whole number of at least 1"),
    "range order": ("(0.0, 10.0)", "(1.0, 0.0)", "the lowest return stands first"),
    "names": ("horizon=5,", 'horizon=5, action_names=("a",),', "spec.action_names has 1 names for 3 actions"),
    "entities": (
        "horizon=5,",
        "horizon=5, observation_entities=(Entities(0, (1,)),),",
        "spec.observation_entities: the record at 0 leaves the observation",
    ),
    "legal type": (
        "jnp.ones((2, 3), bool)",
        "jnp.ones((2, 3))",
        "reset: TimeStep.legal is float32; it must be bool",
    ),
    "reward type": (
        "(after.place == 0).astype(jnp.float32)",
        "(after.place == 0)",
        "step: TimeStep.reward is bool; it must be float32",
    ),
    "measure": ("(state.place == 0).mean(dtype=jnp.float32)", "state.step", "measure 'home' is int32[]"),
    "no array": ("over & False", "False", "reset: TimeStep.terminated is a bool; it must be an array"),
    "state types": (
        "State((state.place",
        "State(1.0 * (state.place",
        "State.place: reset gives int32[2], step gives",
    ),
    "python if": (
        "after = State",
        "if state.step > 2: pass\n        after = State",
        "step(key, state, actions): cannot be compiled: Python's if",
    ),
    "a crash": ("after = State", "state.nothing\n        after = State", "fails with AttributeError"),
    "memory in self": ("after = State", "self.last = actions\n        after = State", "sets self.last"),
    "hidden chance": (
        "(state.place + actions) % 9",
        "(state.place + np.random.randint(2**30)) % 9",
        "step: the same key gives two different results",
    ),
    "no legal action": (
        "jnp.ones((2, 3), bool)",
        "jnp.ones((2, 3), bool) & (state.step != 2)",
        "legal: an active agent has no legal action (copy 0, step 2, agent 0)",
    ),
    "never over": (">= 5", ">= 50", "the episode is not over after 5 steps"),
    "over at once": ("state.step >= 5", "state.step >= 0", "reset: the episode is over before it begins"),
    "both ends": ("over & False", "over", "terminated and truncated at once"),
    "infinite": (
        "(after.place == 0).astype(jnp.float32)",
        "jnp.ones(2) / (state.step != 1)",
        "reward: a number is not finite (copy 0, step 2)",
    ),
    "out of range": ("(0.0, 10.0)", "(0.0, 0.1)", "spec.return_range says 0 to 0.1"),
    "back from the dead": (
        "jnp.ones(2, bool)",
        "jnp.array([True, False]) | (state.step % 2 == 0)",
        "active: an agent comes back after it has left",
    ),
    "unequal pay": (
        "return_range=(0.0, 10.0)",
        "return_range=(0.0, 10.0), shared_reward=True",
        "the Spec says shared_reward",
    ),
    "first reward": ("jnp.zeros(2))", "jnp.ones(2))", "reset: the reward is not 0"),
}


def world(folder: Path, old: str = "", new: str = "") -> str:
    """The good world in a file, with one thing changed; as it is named on the command line."""
    assert GOOD.count(old) >= 1
    (folder / "world.py").write_text(GOOD.replace(old, new, 1) if old else GOOD)
    return f"{folder / 'world.py'}:World"


def test_a_good_environment_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = world(tmp_path)
    assert main(["check", name]) == 0
    assert capsys.readouterr().out == f"{name}: fine\n"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_named(mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, says = MISTAKES[mistake]
    assert main(["check", world(tmp_path, old, new)]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert says in "\n".join(lines)
    assert all(line.startswith("wrong: ") for line in lines)
    assert last.endswith(f"{len(lines)} wrong")


def test_pictures_and_references_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extras = """
    def draw(self, state, size=500):
        return np.zeros((3, 3))
    def references(self):
        return {"oracle": lambda key, state, now: jnp.array([0, 7])}
"""
    (tmp_path / "world.py").write_text(GOOD + extras)
    assert main(["check", f"{tmp_path / 'world.py'}:World"]) == 1
    out = capsys.readouterr().out
    assert "draw: gives float64[3, 3]" in out
    assert "reference 'oracle': chooses [0, 7]" in out


@pytest.mark.slow
@pytest.mark.ci_slow
def test_settings_json_and_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "gridworld25", "--env.grid_size", "5", "--env.max_steps", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"environment": "gridworld25", "fine": True, "findings": []}
    for argv, says in (
        (["check"], "name an environment"),
        (["check", "gridwrld25"], "did you mean 'gridworld25'"),
        (["check", "gridworld25", "--env.grid_sise", "5"], "did you mean --env.grid_size"),
    ):
        assert main(argv) == 2
        assert says in capsys.readouterr().err
    assert main(["check", "--help"]) == 0
    out = capsys.readouterr().out
    assert "usage: qflock check ENVIRONMENT" in out
    assert max(map(len, out.splitlines())) <= 80
    (tmp_path / "bare.py").write_text("class Bare: pass\n")
    assert main(["check", f"{tmp_path / 'bare.py'}:Bare"]) == 1
    assert "has no attribute spec" in capsys.readouterr().out


def test_host_environments(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gymnasium")
    assert main(["check", "gymnasium:CartPole-v1", "--env.max_steps", "20"]) == 0
    assert capsys.readouterr().out == "gymnasium:CartPole-v1: fine\n"


SHAPES = ("size", "spec", "legal type", "reward type", "measure", "state types")


@pytest.mark.parametrize("mistake", SHAPES)
def test_training_finds_wrong_shapes_before_it_starts_and_says_the_same(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, _ = MISTAKES[mistake]
    name = world(tmp_path, old, new)
    assert main(["check", name]) == 1
    finding = capsys.readouterr().out.splitlines()[0].removeprefix("wrong: ")
    assert main(["train", "vdn", "--env", name, "--run_dir", str(tmp_path / "run"), "--device", "cpu"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith(f"qflock: {name}: {finding}; qflock check {name} lists all that is wrong")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("        after = State", "        state.nothing_of_this_name\n        after = State"),
        ("        self.spec = Spec(", "        raise ValueError('x' * 500)\n        self.spec = Spec("),
        ("class State(", "nobody\nclass State("),
        ("class State(", "nobody and\nclass State("),
    ],
)
def test_the_file_and_the_line_are_told_whole(
    old: str, new: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """However long the path is, and the error's own words."""
    folder = tmp_path / ("deep" * 20) / ("below" * 20)
    folder.mkdir(parents=True)
    name = world(folder, old, new)
    line = GOOD[: GOOD.index(old)].count("\n") + 1
    assert main(["check", name]) in (1, 2)
    assert f"({folder / 'world.py'}:{line})" in "".join(capsys.readouterr())
