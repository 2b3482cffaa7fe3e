"""Settings of every sort of nonsense: valid settings come out, or one line that says what is wrong."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from qflock.core.errors import UserError
from qflock.settings import config, registry
from qflock.settings.run import RunSettings
from qflock.settings.values import types_of
from tests.damages import damaged

ALGORITHMS = ("qmix", "ippo", "qmarl", "pqn_vdn", "wqmix", "qio", "eqmarl", "random_walk", "../qmix", "")
ENVIRONMENTS = (
    "gridworld25",
    "forest_uav",
    "box_push",
    "matrix_game",
    "chsh",
    "nowhere",
    "zoo:x",
    "x.py:Y",
)
NONSENSE = (
    None, True, False, 0, 1, -1, 2, 3, 10**6, -(10**9), 2**31, 2**63, 10**40, 10**400, 0.0, -0.5, 1e-300,
    1e308, float("inf"), float("-inf"), float("nan"), "", " ", "1", "1e-3", "-1", "nan", "none", "True",
    "relu", "mlp", "gru", "circuit", "sun", "4e6", "1e999", "9" * 5000, "\x00", "\ud800", "a\nb", "<script>",
    "../../..", "/etc/passwd", "~nobody/x", "x" * 10_000, "my.py:Net", "\0.py", "~nobody/my.py", "[1, 2]",
    b"bytes", date(2031, 2, 3),
    [], [[]], [1, 2], [0], [-5], ["a"], [None], [1e999], [10**30], {}, {"a": 1}, {1: 2}, (), ((1,),), {3},
    object,
)  # fmt: skip


def known_names(algorithm: str, env: str) -> list[str]:
    """Settings that there are, of the run, the learner and the environment."""
    found = list(types_of(RunSettings, "a run"))
    try:
        found += types_of(registry.algorithm(algorithm).Config, algorithm)
        settings = getattr(registry.environment_class(env), "Config", None)
        found += [f"env.{name}" for name in types_of(settings, env)] if settings else []
    except UserError:
        pass
    return found


def nested(draw: random.Random, depth: int) -> Any:
    """A value of junk within junk."""
    if depth == 0 or draw.random() < 0.4:
        return draw.choice(NONSENSE)
    inner = [nested(draw, depth - 1) for _ in range(draw.randrange(4))]
    return inner if draw.random() < 0.5 else {str(i): value for i, value in enumerate(inner)}


def mapping(draw: random.Random) -> dict[Any, Any]:
    """Settings as a hand, a program or an enemy may write them."""
    algorithm, env = draw.choice(ALGORITHMS), draw.choice(ENVIRONMENTS)
    names = known_names(algorithm, env)
    found: dict[Any, Any] = {"algorithm": algorithm, "env": env}
    if draw.random() < 0.2:
        found["env"] = {"name": env, draw.choice(names): nested(draw, 1)}
    for _ in range(draw.randrange(1, 4)):
        name = draw.choice(names) if draw.random() < 0.9 else draw.choice(["lrr", "", "env.", "env.x", "a b"])
        found[name] = nested(draw, 3) if draw.random() < 0.3 else draw.choice(NONSENSE)
    if draw.random() < 0.05:
        found[draw.choice(["algorithm", "env"])] = nested(draw, 2)
    return found


def attempt(work: Any, what: str) -> bool:
    """Whether settings come out; anything but them or one line is a failure."""
    try:
        settings = work()
    except UserError as problem:
        line = str(problem)
    except Exception as problem:
        raise AssertionError(f"{what}: {type(problem).__name__}: {problem}"[:2000]) from problem
    else:
        kept = replace(settings, run=replace(settings.run, run_dir=None))  # a folder may move: it is not kept
        assert config.from_mapping(config.to_mapping(settings)) == kept, what
        return True
    assert len(line) < 2000, what
    assert "\n" not in line, what
    return False


def rounds(count: int, seed: int, place: Path) -> int:
    """How many of so many settings were valid: from mappings, and from files of damaged YAML."""
    draw, valid = random.Random(seed), 0
    file = place / "settings.yaml"
    file.write_text(config.to_yaml(config.resolve("qmix", overrides={})))
    whole = file.read_bytes()
    for number in range(count):
        what = f"seed {seed}, number {number}"
        if number % 4:
            given = mapping(draw)
            valid += attempt(lambda given=given: config.from_mapping(given), f"{what}: {given!r:.500}")
        else:
            file.write_bytes(damaged(whole, [b"- 1\n", b"a: &a [*a]\n"], draw))
            valid += attempt(lambda: config.resolve(config=file), f"{what}: {file.read_bytes()[:300]!r}")
    return valid


def test_any_settings_are_valid_or_one_line(tmp_path: Path) -> None:
    assert 0 < rounds(400, 1, tmp_path) < 400


@pytest.mark.slow
@pytest.mark.ci_slow
def test_ten_thousand_settings(tmp_path: Path) -> None:
    assert 50 < rounds(10_000, 2, tmp_path) < 9_900


@pytest.mark.parametrize(
    "text",
    [
        "lr: &a [*a]",
        "lr: " + "[" * 5000,
        "total_steps: " + "9" * 5000,
        "lr: 2001-99-99",
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))
        + "\nhidden: *a29",
        "hidden: !!python/object/apply:os.system ['touch executed']",
        "lr: !!python/name:os.system",
        "lr: !!binary x",
        "? [a]\n: 1",
        "lr: !!float x",
        "lr: !!int x",
        "lr: !!timestamp x",
        "<<: 3",
        "\ufeff\ufefflr: 1",
    ],
)
def test_yaml_that_would_hurt(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        config.resolve("qmix", config=Path("bad.yaml"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000
    assert not Path("executed").exists()


def test_plain_yaml_still_reads(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(yaml.safe_dump({"lr": 0.5, "hidden": [3, 4]}))
    assert config.resolve("qmix", config=tmp_path / "good.yaml").learner.hidden == (3, 4)


def test_steps_that_counters_cannot_hold_are_refused() -> None:
    with pytest.raises(UserError, match="total_steps is 3000000000; it must be at most 2000000000"):
        config.resolve("qmix", overrides={"total_steps": 3_000_000_000})
