"""Settings: layers, types, ranges, and files that read back as they were written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qflock.core.errors import UserError
from qflock.settings import config, registry
from qflock.settings import file as settings_file
from qflock.settings.run import MOST_STEPS, RunSettings
from qflock.settings.values import plain


@dataclass(frozen=True)
class Learner:
    """Settings of every type."""

    lr: float = 1e-3
    batch: int = 32
    double: bool = True
    mixer: str = "sum"
    loss: Literal["mse", "huber"] = "mse"
    clip: float | None = 10.0
    hidden: tuple[int, ...] = (64, 64)
    span: tuple[float, float] = (0.0, 1.0)
    names: list[str] | None = None
    teacher: Path | None = None

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UserError(f"batch is {self.batch}; it must be at least 1")


@dataclass(frozen=True)
class Grid:
    size: int = 5
    layout: Literal["random", "fixed"] = "random"

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ValueError("too small")


@dataclass(frozen=True)
class Coins:
    coins: int = 3
    size: int = 4


def world(settings: type | None) -> type:
    return type("World", (), {"Config": settings} if settings else {})


WORLDS = {"grid": world(Grid), "coins": world(Coins), "bare": world(None)}


@pytest.fixture(autouse=True)
def small_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """One algorithm, `tiny`, three environments, and presets in an empty folder."""

    def environment(name: str) -> type:
        if name not in WORLDS:
            raise UserError(f"unknown environment {name!r}")
        return WORLDS[name]

    algorithm: Any = SimpleNamespace(Config=Learner)
    monkeypatch.setattr(registry, "algorithm", lambda name: algorithm)
    monkeypatch.setattr(registry, "environment_class", environment)
    monkeypatch.setattr(config, "PRESETS", tmp_path / "presets")
    (tmp_path / "presets").mkdir()
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("clashing", None)


def resolve(file: str | None = None, preset: str | None = None, /, **overrides: Any) -> config.Settings:
    if preset is not None:
        (config.PRESETS / "tiny-grid.yaml").write_text(preset)
    if file is not None:
        Path("mine.yaml").write_text(file)
    given = {name.replace("__", "."): value for name, value in {"env": "grid", **overrides}.items()}
    return config.resolve("tiny", config=Path("mine.yaml") if file is not None else None, overrides=given)


def test_later_layers_win() -> None:
    found = resolve("batch: 2\nlr: 0.2\nenv.size: 7\n", "batch: 1\nlr: 0.1\nseeds: 9\n", batch=3)
    assert (found.learner.batch, found.learner.lr, found.run.seeds, found.environment.size) == (3, 0.2, 9, 7)
    assert found.learner.mixer == "sum"
    assert found.run.env == "grid"


def test_presets_belong_to_an_algorithm_and_an_environment() -> None:
    assert resolve(None, "lr: 0.1\n").learner.lr == 0.1
    assert resolve(env="coins").learner.lr == 1e-3
    assert resolve("env: coins\n", env=None).learner.lr == 1e-3


def test_environment_settings_go_with_their_environment() -> None:
    file = "env: {name: grid, size: 9}\nlr: 0.5\n"
    kept, other = resolve(file), resolve(file, env="coins")
    assert (kept.environment.size, kept.learner.lr) == (9, 0.5)
    assert (other.environment, other.learner.lr) == (Coins(), 0.5)
    assert resolve("env: {size: 9}\n", env="coins").environment.size == 9
    assert resolve(env={"name": "coins", "coins": 8}).environment == Coins(coins=8)


def test_an_environment_without_settings() -> None:
    found = resolve(env="bare")
    assert found.environment is None
    assert config.from_mapping(config.to_mapping(found)) == found
    with pytest.raises(UserError, match=r"unknown setting 'env\.size'"):
        resolve(env="bare", env__size=3)


def test_aliases_and_files_are_stored_by_their_full_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.ALIASES, "expert/grid", "grid")
    assert resolve(env="expert/grid").run.env == "grid"
    assert resolve(mixer="my.py:Mixer").learner.mixer == f"{Path('my.py').resolve()}:Mixer"
    assert resolve(mixer="sum:py").learner.mixer == "sum:py"


def test_the_algorithm_may_come_from_the_file() -> None:
    Path("a.yaml").write_text("algorithm: tiny\nenv: grid\n")
    assert config.resolve(config=Path("a.yaml")).algorithm == "tiny"
    assert config.resolve("tiny", config=Path("a.yaml")).algorithm == "tiny"
    with pytest.raises(UserError, match=r"a.yaml is for algorithm 'tiny', not 'other'"):
        config.resolve("other", config=Path("a.yaml"))
    with pytest.raises(UserError, match="none is named: an algorithm is needed"):
        config.resolve()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"bach": 3}, "unknown setting 'bach'; did you mean 'batch'?"),
        ({"size": 3}, "unknown setting 'size'; did you mean 'env.size'?"),
        ({"total-steps": 3}, "unknown setting 'total-steps'; did you mean 'total_steps'?"),
        ({"batch": True}, "batch: expected a whole number, got True"),
        ({"batch": 2.0}, "batch: expected a whole number, got 2.0"),
        ({"batch": 0}, "batch is 0; it must be at least 1"),
        ({"lr": False}, "lr: expected a number, got False"),
        ({"lr": None}, "lr: expected a number, got None"),
        ({"mixer": 3}, "mixer: expected text, got 3"),
        ({"double": 1}, "double: expected true or false, got 1"),
        ({"loss": "mae"}, "loss: expected one of mse, huber, got 'mae'"),
        ({"clip": "x"}, "clip: expected a number or none, got 'x'"),
        ({"hidden": 3}, "hidden: expected a list, each a whole number, got 3"),
        ({"hidden": [3, 1.5]}, "hidden: expected a list, each a whole number, got [3, 1.5]"),
        ({"span": [1]}, "span: expected 2 values (a number, a number), got [1]"),
        ({"teacher": ""}, "teacher: expected a path or none, got ''"),
        ({"env": 3}, "env: expected the name of an environment, got 3"),
        ({"env.size": 1}, "settings of grid: too small"),
        ({"env.layout": "odd"}, "env.layout: expected one of random, fixed, got 'odd'"),
        ({"seeds": 0}, "seeds is 0; it must be at least 1"),
        ({"final_episodes": 0}, "final_episodes is 0; it must be at least 1"),
        ({"keep_checkpoints": -1}, "keep_checkpoints is -1; it must not be negative"),
        ({"seed": 2**31 - 1, "seeds": 2}, "seed is 2147483647; it must lie in [0, 2147483646]"),
    ],
)
def test_bad_settings(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as raised:
        config.resolve("tiny", overrides={"env": "grid", **overrides})
    assert str(raised.value) == message


def test_a_setting_may_not_hide_one_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("seed", "json"):
        clashing = ModuleType("clashing")
        sys.modules["clashing"] = clashing
        space = {"__annotations__": {name: int}, name: 3, "__module__": "clashing"}
        taken = SimpleNamespace(Config=dataclass(type("Config", (), space)))
        monkeypatch.setattr(registry, "algorithm", lambda _, taken=taken: taken)
        with pytest.raises(UserError, match=f"setting {name!r} of tiny has the name of a run's setting"):
            resolve()


def test_environment_settings_by_name() -> None:
    assert config.environment_settings("grid", {"size": "8"}) == Grid(size=8)
    assert config.environment_settings("bare") is None
    with pytest.raises(UserError, match=r"unknown setting 'sizes'; did you mean 'size'\?"):
        config.environment_settings("grid", {"sizes": 3})


finite = st.floats(allow_nan=False, allow_infinity=False)
word = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12).filter(
    lambda text: not registry.is_path(text)
)
path = word.filter(
    lambda text: text not in ("", "none", "None", "null") and "\0" not in text and text[0] != "~"
).map(Path)
LARGEST = 2**63 - 1
wholes = st.integers(-LARGEST, LARGEST)
learners = st.builds(
    Learner,
    lr=finite,
    batch=st.integers(1, 2**40),
    double=st.booleans(),
    mixer=word,
    loss=st.sampled_from(["mse", "huber"]),
    clip=st.none() | finite,
    hidden=st.lists(wholes, max_size=3).map(tuple),
    span=st.tuples(finite, finite),
    names=st.none() | st.lists(word, max_size=2),
    teacher=st.none() | path,
)
runs = st.builds(
    RunSettings,
    env=st.just("grid"),
    total_steps=st.integers(1, MOST_STEPS),
    seeds=st.integers(1, 99),
    seed=st.integers(0, 2**30),
    device=st.sampled_from(["auto", "cpu", "gpu"]),
    log_interval=st.integers(1, LARGEST),
    eval_interval=st.integers(0, LARGEST),
    state_interval=st.floats(0, allow_infinity=False),
    init_from=st.none() | path,
)
grids = st.builds(Grid, size=st.integers(2, LARGEST), layout=st.sampled_from(["random", "fixed"]))


@given(runs, learners, grids)
@example(RunSettings(env="grid", init_from=Path("\x85a")), Learner(), Grid())
def test_settings_survive_json_and_yaml(run: RunSettings, learner: Learner, grid: Grid) -> None:
    settings = config.Settings("tiny", run, learner, grid)
    mapping = config.to_mapping(settings)
    assert config.from_mapping(json.loads(json.dumps(mapping))) == settings
    file = Path("round.yaml")
    config.write_yaml(settings, file)
    assert settings_file.read(file) == mapping
    assert config.read_yaml(file) == settings
    assert config.resolve(config=file) == settings


def test_the_mapping_names_every_setting_but_the_folder() -> None:
    mapping = config.to_mapping(resolve(run_dir="runs/x"))
    run = {f.name for f in fields(RunSettings)} - {"run_dir", "env"}
    assert set(mapping) == run | {f.name for f in fields(Learner)} | {"algorithm", "env"}
    assert mapping["env"] == {"name": "grid", "size": 5, "layout": "random"}
    assert plain(mapping) == mapping


def test_a_saved_file_does_not_change_with_the_preset() -> None:
    config.write_yaml(resolve(), Path("saved.yaml"))
    (config.PRESETS / "tiny-grid.yaml").write_text("lr: 0.9\nseeds: 8\n")
    assert resolve(None).learner.lr == 0.9
    for found in (config.read_yaml(Path("saved.yaml")), config.resolve(config=Path("saved.yaml"))):
        assert (found.learner.lr, found.run.seeds) == (1e-3, 1)
    with pytest.raises(UserError, match=r"x.yaml: no algorithm is named"):
        config.from_mapping({"env": "grid"}, "x.yaml")


def test_every_preset_that_is_shipped_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for preset in config.PRESETS.glob("*.yaml"):
        algorithm, _, environment = preset.stem.partition("-")
        library, dot, name = environment.partition(".")
        environment = f"{library}:{name}" if dot else environment
        wanted = settings_file.read(preset)
        assert not [name for name in wanted if name.partition(".")[0] == "env"]
        found = config.to_mapping(config.resolve(algorithm, overrides={"env": environment}))
        given = config.to_mapping(config.resolve(algorithm, overrides={**wanted, "env": environment}))
        assert found == given
