"""``qflock new environment``: a file that checks out, trains, and is never overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import pytest

import qflock
from qflock.commands import main
from qflock.evidence.figures.animation import frames


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_a_class_named_after_the_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "environment", "light_house.py"]) == 0
    out = capsys.readouterr().out
    text = (here / "light_house.py").read_text()
    assert "class LightHouse:" in text
    assert 'name="light_house"' in text
    assert "qflock check light_house.py:LightHouse" in text
    assert "MyEnv" not in text
    assert "THIS_FILE" not in text
    assert "    qflock check light_house.py:LightHouse\n" in out
    assert "qflock train qmix --env light_house.py:LightHouse --total_steps 400000\n" in out


def test_a_file_that_is_there_is_left_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.py").write_text("precious")
    assert main(["new", "environment", "mine.py"]) == 2
    assert capsys.readouterr().err == "qflock: mine.py is there already; take another name\n"
    assert (here / "mine.py").read_text() == "precious"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["new"], "say what and where"),
        (["new", "environment"], "say what and where"),
        (["new", "enviroment", "a.py"], "did you mean 'environment'?"),
        (["new", "environment", "my-env.py"], "no name for a Python file"),
        (["new", "environment", "my_env.txt"], "no name for a Python file"),
        (["new", "environment", "nowhere/my_env.py"], "cannot be written: No such file or directory"),
        (["new", "environment", "a.py", "--nonsense"], "unknown option --nonsense"),
    ],
)
def test_bad_input_is_one_line(
    argv: list[str], says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert not list(here.iterdir())


def test_json_and_help(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "environment", "a.py", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": "a.py", "environment": "a.py:A"}
    assert main(["new", "--help"]) == 0
    out = capsys.readouterr().out
    assert "usage: qflock new environment FILE.py" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.slow
@pytest.mark.ci_slow
def test_the_template_keeps_its_promises_and_is_learnt_in_seconds(here: Path) -> None:
    """The very steps that are printed: nearly every game is solved then."""
    main(["new", "environment", "my_env.py"])
    assert main(["check", "my_env.py:MyEnv"]) == 0
    summary = qflock.train(
        "qmix", "my_env.py:MyEnv", total_steps=400_000, eval_interval=0, log_interval=20_000, quiet=True
    )
    assert summary["over_seeds"]["solved"] >= 0.9
    assert summary["references"]["oracle"]["solved"] == 1.0
    env = qflock.make("my_env.py:MyEnv", agents=3, cells=5)
    assert frames(env, [env.reset(jax.random.key(0))[0]], 200)[0].shape[2] == 3


def test_continuous_writes_a_game_of_numbers(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "environment", "light_house.py", "--continuous"]) == 0
    out = capsys.readouterr().out
    assert "class LightHouse:" in (here / "light_house.py").read_text()
    assert "qflock train ippo --env light_house.py:LightHouse --total_steps 400000\n" in out


@pytest.mark.slow
@pytest.mark.ci_slow
def test_the_continuous_template_keeps_its_promises_and_is_learnt(here: Path) -> None:
    main(["new", "environment", "my_env.py", "--continuous"])
    assert main(["check", "my_env.py:MyEnv"]) == 0
    summary = qflock.train(
        "ippo", "my_env.py:MyEnv", total_steps=400_000, eval_interval=0, log_interval=200_000, quiet=True
    )
    assert summary["over_seeds"]["solved"] > 0.95
    assert summary["references"]["oracle"]["solved"] == 1.0
