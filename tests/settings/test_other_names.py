"""Settings, algorithms and environments by the names that people type: read, or answered with ours."""

from __future__ import annotations

import pytest

from qflock.commands import _arguments, main
from qflock.core.errors import Notice, UserError
from qflock.settings import config, registry, renamed
from qflock.settings.run import RunSettings


def dry(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What a dry run of a training prints, and what it says on standard error."""
    assert main(["train", *words.split(), "--dry_run"]) == 0
    return capsys.readouterr()


@pytest.mark.parametrize(
    ("typed", "setting"),
    [
        ("--learning_rate 0.25", "lr: 0.25"),
        ("--learning-rate=0.25", "lr: 0.25"),
        ("--timesteps 1e5", "total_steps: 100000"),
        ("--total-timesteps 1e5", "total_steps: 100000"),
        ("--episodes 70", "total_episodes: 70"),
        ("--n_envs 8", "num_envs: 8"),
        ("--hidden [64,32]", "hidden: [64, 32]"),
        ("--hidden [64, 32]", "hidden: [64, 32]"),
        ("--hidden (64,)", "hidden: [64]"),
        ("--lr_decay 50% --timesteps 1000", "lr_decay: 500"),
    ],
)
def test_names_and_lists_of_other_libraries_are_read(
    typed: str, setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = dry(f"vdn --env two_step {typed}", capsys)
    assert setting in out.splitlines()
    assert err.count("\n") <= 1
    assert (" here\n" in err) == ("--hidden" not in typed)


def test_they_are_read_from_python_and_yaml_too() -> None:
    with pytest.warns(Notice, match="^learning_rate is lr here$"):
        settings = config.resolve("vdn", overrides={"env": "two_step", "learning_rate": 0.25})
    assert settings.learner.lr == 0.25


def test_every_other_name_is_of_a_setting_that_there_is() -> None:
    ours = set(vars(RunSettings()))
    for name in registry.names("algorithms"):
        ours |= set(vars(registry.algorithm(name).Config()))
    assert set(renamed.ELSEWHERE.values()) <= ours
    assert {setting for setting, _ in renamed.DOES_IT.values()} <= ours
    assert set(renamed.ELSEWHERE) & ours == {"episodes"}  # of qmarl, where it is its own
    assert config.resolve("qmarl", overrides={"env": "coin_game", "episodes": 7}).learner.episodes == 7


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("train vdn --env two_step --wandb", "unknown option --wandb; did you mean --loggers wandb?"),
        ("train vdn --env two_step --gpu", "unknown option --gpu; did you mean --device gpu?"),
        ("train vdn --environment two_step", "unknown option --environment; did you mean --env?"),
        ("train vdn chhs", "unknown environment 'chhs'; did you mean 'chsh'?"),
        ("train MAPOP", "unknown algorithm 'MAPOP'; did you mean 'mappo'?"),
        ("play latest", "unknown command 'play'; did you mean 'watch'?"),
        ("Trian", "unknown command 'Trian'; did you mean 'train'?"),
    ],
)
def test_what_is_unknown_is_answered_with_what_was_meant(
    typed: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed.split()) == 2
    assert capsys.readouterr().err == f"qflock: {answer}\n"


def test_yaml_is_answered_likewise() -> None:
    with pytest.raises(UserError, match=r"unknown setting 'wandb'; did you mean loggers: wandb\?"):
        config.resolve("vdn", overrides={"env": "two_step", "wandb": True})


def test_capitals_and_an_environment_without_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    plain = dry("mappo --env gridworld25 --seeds 2", capsys)[0]
    assert dry("MAPPO gridworld25 --seeds 2", capsys)[0] == plain
    assert dry("mappo GridWorld25 --seeds 2", capsys)[0] == plain
    assert registry.canonical("MAPPO", "algorithms") == "mappo"
    assert registry.canonical("My_env.py:MAPPO") == "My_env.py:MAPPO"
    assert _arguments.with_env(["chsh", "--lr", "1"]) == ["--env", "chsh", "--lr", "1"]
    assert _arguments.with_env(["chsh", "--env", "two_step"]) == ["chsh", "--env", "two_step"]


@pytest.mark.parametrize("typed", ["version", "--version", "-V"])
def test_the_version(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([typed]) == 0
    assert capsys.readouterr().out.startswith("qflock ")
