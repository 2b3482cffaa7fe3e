"""What users name: their own classes, modules and ids, found where they lie and made with what they need."""

from __future__ import annotations

import importlib.util
import json
import pickle
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium")
pytest.importorskip("pettingzoo")

import gymnasium

import qflock
from qflock.bridges.host.workers import Workers
from qflock.commands import main
from qflock.core.errors import UserError
from qflock.settings import config, registry, trust
from tests.marks import IN_CI

FILES = Path(__file__).parent / "files"
OWN = ("orchard", "hamlet", "lanterns", "quarry", "bells")
SHORT = "--total_steps 64 --num_envs 2 --num_steps 8 --hidden 8 --minibatches 1 --log_interval 32 "
SHORT += "--eval_interval 0 --final_episodes 2 --quiet"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder has the user's files; as with the installed command, it is not on Python's path."""
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    before = dict(gymnasium.registry)
    _forget()
    yield tmp_path
    _forget()
    gymnasium.registry.clear()
    gymnasium.registry.update(before)


def _forget() -> None:
    from qflock.bridges import gymnasium as by_id
    from qflock.bridges import pettingzoo as by_module

    by_id.environment_class.cache_clear()
    by_module.environment_class.cache_clear()
    for name in OWN:
        sys.modules.pop(name, None)


def episode(env: Any, action: int = 1) -> tuple[int, list[Any], Any]:
    """Steps of an episode in which all do the same, the time steps, and the copy that was played."""
    copy = env.copy()
    rows = [copy.reset(0)]
    while not (rows[-1][5] or rows[-1][6]):
        rows.append(copy.step(np.full(env.spec.agents, action)))
    return len(rows) - 1, rows, copy


@pytest.mark.parametrize(
    ("name", "agents", "actions"),
    [
        ("orchard.py:Orchard", 2, 2),
        ("orchard.py", 2, 2),
        ("pettingzoo:orchard", 2, 2),
        ("pettingzoo:orchard:Orchard", 2, 2),
        ("gymnasium:orchard:Orchard", 2, 2),
        ("pettingzoo:hamlet", 2, 2),
        ("hamlet.py:plain", 2, 2),
        ("hamlet.py:LateOrchard", 2, 2),
        ("pettingzoo:lanterns", 2, 3),
        ("lanterns.py", 2, 3),
        ("lanterns.py:Lanterns", 2, 3),
        ("pettingzoo:lanterns:Lanterns", 2, 3),
        ("gymnasium:bells:Bell-v3", 1, 2),
        ("gymnasium:bells:Tower/Bell-v0", 1, 2),
    ],
)
def test_what_is_named_comes_in_by_the_bridge(here: Path, name: str, agents: int, actions: int) -> None:
    env = qflock.make(name, **{"bridge_workers" if "rchard" in name else "workers": "serial"})
    assert (env.spec.agents, env.spec.actions) == (agents, actions)
    assert episode(env)[0] > 3


def test_a_class_of_gymnasiums_needs_no_id(here: Path) -> None:
    for name in ("bells.py:Bell", "gymnasium:bells:Bell", "pettingzoo:bells:Bell"):
        env = qflock.make(name, loudness=4, tower="new")
        steps, rows, _ = episode(env)
        assert (steps, env.spec.agents, rows[1][4].tolist()) == (12, 1, [4.0])


def test_agents_that_take_turns_are_heard_when_it_is_theirs(here: Path) -> None:
    steps, rows, _ = episode(qflock.make("pettingzoo:lanterns", brightness=2.0))
    assert steps == 6
    assert [row[4].tolist() for row in rows[1:]] == [[2, 0], [0, 2]] * 3
    assert rows[-1][5]
    assert not rows[-1][6]


@pytest.mark.parametrize("name", ["orchard.py:Orchard", "pettingzoo:hamlet"])
def test_a_constructors_own_parameters_reach_it_and_the_bridges_get_out_of_the_way(
    here: Path, name: str
) -> None:
    fields = config.environment_settings(name)
    names = {"max_steps", "workers", "worker_count", "shared_reward", "state"}
    if name.startswith("orchard"):
        ours = {"arguments", "evaluation_copies", "patience", "memory_limit"}
        assert names | {f"bridge_{n}" for n in names} | ours == set(vars(fields))
        env = qflock.make(name, max_steps=40, workers=3, worker_count=7, state="wet", bridge_workers="serial")
    else:  # behind **settings they have no options
        given = {"max_steps": 40, "workers": 3, "worker_count": 7, "state": "wet"}
        env = qflock.make(name, arguments=given, workers="serial")
    steps, rows, copy = episode(env)
    assert (steps, env.spec.horizon, env.spec.agents, env.workers) == (40, 40, 3, "serial")
    assert copy._env.worker_count == 7
    np.testing.assert_allclose(rows[1][0][:, 1], 1)


@pytest.mark.parametrize("name", ["orchard.py:Orchard", "pettingzoo:orchard"])
def test_the_horizon_follows_the_environments_own_clock(here: Path, name: str) -> None:
    assert qflock.make(name).spec.horizon == 30
    for own, bridge, wanted in ((120, None, 120), (20, None, 20), (120, 50, 50), (20, 50, 20)):
        env = qflock.make(name, max_steps=own, bridge_max_steps=bridge)
        steps, _, copy = episode(env)
        assert (steps, env.spec.horizon, copy._env.max_steps) == (wanted, wanted, own)


def test_the_horizon_follows_a_registered_limit_until_the_clock_is_set(here: Path) -> None:
    assert qflock.make("gymnasium:bells:Bell-v3").spec.horizon == 9
    assert qflock.make("gymnasium:bells:Short-v1").spec.horizon == 5
    assert episode(qflock.make("gymnasium:bells:Short-v1", max_steps=8))[0] == 8
    assert episode(qflock.make("gymnasium:bells:Short-v1", bridge_max_steps=7))[0] == 7


def test_rewards_that_an_environment_shares_are_not_added_up_again(here: Path) -> None:
    assert qflock.make("orchard.py:Orchard").spec.shared_reward
    assert not qflock.make("orchard.py:Orchard", shared_reward=False).spec.shared_reward
    assert not qflock.make("orchard.py:Orchard", bridge_shared_reward=False).spec.shared_reward


def test_a_class_takes_what_it_passes_on_to_its_base(here: Path) -> None:
    env = qflock.make("hamlet.py:LateOrchard", delay=5, max_steps=6)
    steps, _, copy = episode(env)
    assert (steps, copy._env.delay) == (6, 5)


def test_what_a_class_settles_for_its_base_is_left_to_it(here: Path) -> None:
    env = qflock.make("hamlet.py:EarlyOrchard")
    _, _, copy = episode(env)
    assert copy._env.max_steps == 7


NEEDED = {"n_miners": 3, "depth": 4, "tool": "drill"}


def test_needed_arguments_are_options_and_the_rest_come_in_a_mapping(here: Path) -> None:
    env = qflock.make("pettingzoo:quarry", **NEEDED, arguments={"config": {"width": 5}, "shifts": [9]})
    assert (env.spec.agents, env.spec.actions, env.spec.observation, env.spec.horizon) == (3, 4, 5, 1000)
    steps, _, copy = episode(env)
    assert (steps, copy._env.tool, copy._env.shifts) == (7, "drill", [9])
    assert qflock.make("pettingzoo:quarry", arguments=NEEDED, max_cycles=5).spec.horizon == 5
    assert qflock.make("quarry.py:Mine", sizes=[4, 4], arguments={"ore": "tin"}).spec.actions == 4
    assert qflock.make("hamlet.py:annotated", size=6).spec.horizon == 1000


@pytest.mark.parametrize(
    "typed",
    [
        ["--env.n_miners", "2", "--env.depth", "3", "--env.tool", "pick"],
        ["--env.arguments", '{"n_miners": 2, "depth": 3, "tool": "pick", "config": {"width": 2}}'],
        ["--env.arguments", "{n_miners: 2, depth: 3}", "--env.tool=pick"],
    ],
)
def test_needed_arguments_are_typed(here: Path, typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "pettingzoo:quarry", *typed]) == 0, capsys.readouterr().err
    assert main(["train", "iql", "--env", "pettingzoo:quarry", *typed, "--dry_run"]) == 0
    Path("again.yaml").write_text(capsys.readouterr().out.partition("fine\n")[2])
    assert config.read_yaml(Path("again.yaml")).environment is not None


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("pettingzoo:quarry", "without --env.n_miners VALUE and --env.depth INT and --env.tool {pick,drill}"),
        ("pettingzoo:quarry --env.depth deep", "--env.depth: expected a whole number or none, got 'deep'"),
        ("pettingzoo:quarry --env.arguments 3", "--env.arguments: expected a mapping like"),
        ('pettingzoo:quarry --env.arguments {"dept":1}', "unknown argument of pettingzoo:quarry 'dept'; did"),
        ("quarry.py:Mine", """without --env.sizes INT ... and --env.arguments '{"ore": "..."}'"""),
        ("quarry.py", "cannot be made without"),
        ("hamlet.py:annotated", "cannot be made without --env.size INT"),
        ("hamlet.py:anotated", "did you mean 'annotated'"),
        ("pettingzoo:hamlet:nobody", "unknown name in hamlet 'nobody'"),
        ("pettingzoo:orchard.py", "names a file; do so without the library: orchard.py"),
        ("gymnasium:bells:Bell-v1", "did you mean gymnasium:bells:Bell-v3?"),
        ("gymnasium:bells:Bell-v9", "did you mean gymnasium:bells:Bell-v3?"),
        ("gymnasium:bells:Bel-v3", "did you mean gymnasium:bells:Bell-v3?"),
        ("gymnasium:CartPole-v7", "did you mean gymnasium:CartPole-v1?"),
        ("gymnasium:CartPole", "did you mean gymnasium:CartPole-v1?"),
        ("gymnasium:Maze-5x5-v0", "gymnasium:package:Maze-5x5-v0"),
        ("pettingzoo:nowhere", "No module named 'nowhere'"),
        ("pettingzoo:classic.tictactoe_v2", "did you mean pettingzoo:classic.tictactoe_v3?"),
        ("pettingzoo:classic.tictactoe_v2", "No module named 'pettingzoo.classic.tictactoe_v2'"),
        ("pettingzoo:classic.tictactoes_v3", "did you mean pettingzoo:classic.tictactoe_v3?"),
        ("pettingzoo:pistonball_v5", "did you mean pettingzoo:butterfly.pistonball_v6?"),
        ("pettingzoo:mpe.simple_spread_v3", "MPE has been moved into its own package"),
        ("pettingzoo:crumbling", "crumbling fails when imported: ZeroDivisionError"),
        ("pettingzoo:lacking", "lacking cannot be imported: No module named 'a_rare_package'"),
    ],
)
def test_a_wrong_name_is_one_line_that_tells_the_cause(
    here: Path, typed: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("crumbling.py").write_text("1 / 0\n")
    Path("lacking.py").write_text("import a_rare_package\n")
    assert main(["check", *typed.split(" ", 2)]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert len(said.splitlines()) == 1


def test_versions_in_the_documentation_are_those_that_are_installed() -> None:
    text = (Path(__file__).parents[2] / "docs" / "environments" / "bridges.md").read_text()
    names = set(re.findall(r"`(?:pettingzoo:)?([a-z]\w+\.\w+_v\d+)`", text))
    assert "butterfly.knights_archers_zombies_v11" in names
    for name in names:
        package = name.partition(".")[0]
        module = name if package == "mpe2" else f"pettingzoo.{name}"
        if package == "mpe2":
            pytest.importorskip("mpe2")
        assert importlib.util.find_spec(module) is not None, name


@pytest.mark.parametrize("entry", ["class", "function", "text"])
def test_ids_that_a_script_registers_reach_worker_processes(entry: str) -> None:
    """They are registered in this process alone; a class that has no module elsewhere travels whole."""

    class Rope(gymnasium.Env):
        def __init__(self, length: int = 5) -> None:
            self.observation_space = gymnasium.spaces.Box(0, 10, (1,), np.float32)
            self.action_space = gymnasium.spaces.Discrete(2)
            self.length = length

        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            self.time = 0
            return np.zeros(1, np.float32), {}

        def step(self, action: int) -> Any:
            self.time += 1
            return np.full(1, self.time, np.float32), float(action), self.time >= self.length, False, {}

    points = {"class": Rope, "function": lambda length=5: Rope(length), "text": "tests.bridges.fakes:Walk"}
    name = f"Rope-{entry}-v0"
    gymnasium.register(name, entry_point=points[entry], max_episode_steps=20)
    try:
        env = qflock.make(f"gymnasium:{name}", worker_count=1)
        assert (env.spec.horizon, env.workers) == (20, "processes")
        with Workers(env, 2) as many:
            many.start(np.array([1, 2]))
            now = many.tick(np.ones((2, 1), int))
        assert now.reward.tolist() == [[1 + (entry == "text")]] * 2
    finally:
        gymnasium.registry.pop(name)


def test_what_cannot_travel_is_told_before_there_is_a_run() -> None:
    held = threading.Lock()
    gymnasium.register("Held-v0", entry_point=lambda **more: (held, gymnasium.make("CartPole-v1"))[1])
    try:
        with pytest.raises(UserError, match=r"cannot be sent to worker processes .* --env\.workers threads"):
            qflock.make("gymnasium:Held-v0")
        assert qflock.make("gymnasium:Held-v0", workers="threads").spec.actions == 2
    finally:
        gymnasium.registry.pop("Held-v0")


@pytest.fixture
def stranger(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has named nothing yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(here / "user"))
    monkeypatch.delenv(trust.VARIABLE)
    monkeypatch.setattr(trust, "_named", set())
    monkeypatch.setattr(trust, "_said", False)
    Path("orchard.py").write_text(
        "import os\nos.makedirs('executed', exist_ok=True)\n" + Path("orchard.py").read_text()
    )
    return here


def test_the_working_folder_is_for_what_the_user_names(stranger: Path) -> None:
    with pytest.raises(UserError, match=r"orchard\.py is Python code that is not installed, that a file"):
        registry.environment_class("pettingzoo:orchard")
    Path("theirs.yaml").write_text("algorithm: iql\nenv: pettingzoo:orchard\n")
    assert main(["train", "--config", "theirs.yaml", "--dry_run"]) == 2
    assert not Path("executed").exists()
    assert str(stranger) not in sys.path
    assert main(["check", "pettingzoo:orchard"]) == 0
    assert Path("executed").is_dir()
    assert sys.path[-1] == str(stranger), "behind all that is installed"


def test_a_module_is_remembered_by_where_it_lies(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert qflock.make("pettingzoo:orchard").spec.agents == 2
    assert Path("user/qflock/trusted").read_text().splitlines() == [str(stranger / "orchard.py")]
    monkeypatch.setattr(trust, "_named", set())
    _forget()
    assert registry.environment_class("pettingzoo:orchard") is not None  # as a run of yesterday's names it
    other = stranger / "other"
    shutil.copytree(FILES, other)
    monkeypatch.chdir(other)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(stranger)])
    _forget()
    with pytest.raises(UserError, match=r"other/orchard\.py is Python code that is not installed"):
        registry.environment_class("pettingzoo:orchard")


def test_what_is_installed_comes_before_the_working_folder(here: Path) -> None:
    for folder in ("classic", "mpe2"):
        Path(folder).mkdir()
        Path(folder, "__init__.py").write_text("raise SystemError('not this one')\n")
    assert qflock.make("pettingzoo:classic.rps_v2", arguments={"num_actions": 3}).spec.agents == 2
    assert str(here) not in sys.path


@pytest.mark.parametrize("name", ["orchard.py:Orchard", "pettingzoo:lanterns", "gymnasium:bells:Bell-v2"])
def test_ours_for_others_plays_what_came_from_others(here: Path, name: str) -> None:
    zoo = qflock.to_pettingzoo(name)
    seen, _ = zoo.reset(seed=4)
    steps = 0
    while zoo.agents:
        seen = zoo.step(dict.fromkeys(zoo.agents, 1))[0]
        steps += 1
    assert steps == {"orchard.py:Orchard": 30, "pettingzoo:lanterns": 6}.get(name, 12)
    assert seen["agent_0"].shape == zoo.observation_space("agent_0").shape
    zoo.close()


def test_what_came_from_others_is_pickled_with_where_its_code_lies(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process stands in another folder, and has registered nothing."""
    names = ("orchard.py:Orchard", "gymnasium:bells:Bell-v2")
    content = [pickle.dumps(qflock.to_pettingzoo(name)) for name in names]
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    gymnasium.registry.pop("Bell-v2")
    for one in content:
        assert pickle.loads(one).reset(seed=1)[0]["agent_0"][0] == 0


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("orchard.py:Orchard --env.bridge_worker_count 1", marks=IN_CI),
        pytest.param("pettingzoo:lanterns --env.worker_count 1", marks=pytest.mark.slow),
        pytest.param("gymnasium:bells:Bell-v2 --env.worker_count 1", marks=pytest.mark.slow),
    ],
)
def test_a_run_in_worker_processes_is_evaluated_later(
    here: Path, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "ippo", "--env", *typed.split(), *SHORT.split(), "--run_dir", "a run"]) == 0
    said = capsys.readouterr().out
    assert "qflock evaluate 'a run'" in said
    assert "watch" not in said
    assert main(["evaluate", "a run", "--episodes", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["environment"].endswith(typed.split()[0])


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_script_trains_on_what_it_registers(here: Path) -> None:
    """A process of its own, whose ``__main__`` has the class and registers it by a text and by itself."""
    bell = (FILES / "bells.py").read_text().partition("gymnasium.register")[0]
    settings = "total_steps=32, num_envs=2, num_steps=8, hidden=(8,), minibatches=1, log_interval=32"
    settings += ", eval_interval=0, final_episodes=2, quiet=True"
    Path("mine.py").write_text(
        f"{bell}\nimport qflock\n"
        "gymnasium.register('Gong-v0', entry_point=Bell, kwargs={'loudness': 1, 'tower': None})\n"
        "gymnasium.register('Chime-v0', entry_point='__main__:Bell', kwargs={'loudness': 1, 'tower': None})\n"
        "gymnasium.register('Knell-v0', entry_point='mine:Bell', kwargs={'loudness': 1, 'tower': None})\n"
        "if __name__ == '__main__':\n"
        "    for name in ('Gong', 'Chime', 'Knell'):\n"
        f"        print(qflock.train('ippo', f'gymnasium:{{name}}-v0', {settings})['env_steps'])\n"
    )
    done = subprocess.run([sys.executable, "mine.py"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [int(steps) >= 32 for steps in done.stdout.split()] == [True] * 3


@pytest.mark.slow
@pytest.mark.ci_slow
def test_an_experiment_compares_on_a_users_own_classes(here: Path) -> None:
    environments = ["orchard.py:Orchard", {"name": "pettingzoo:quarry", "arguments": NEEDED}]
    run = {"total_steps": 64, "log_interval": 32, "eval_interval": 0, "final_episodes": 2}
    method = {"algorithm": "ippo", "num_envs": 2, "num_steps": 8, "minibatches": 1, "hidden": [8]}
    content = {"name": "own", "seeds": 1, "run": run, "environments": environments, "methods": [method]}
    Path("own.yaml").write_text(json.dumps(content))
    assert main(["experiment", "own.yaml", "--quiet"]) == 0
