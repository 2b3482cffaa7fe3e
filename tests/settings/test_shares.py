"""Settings that count environment steps may be shares of the run: a preset's schedules fit any length."""

from pathlib import Path

import pytest

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.experiments.sweep import with_settings
from qflock.settings import config, file, registry, shares
from qflock.settings.run import RunSettings
from qflock.settings.shares import shareable

ECHO = str(Path(__file__).parents[1] / "tiny.py") + ":Echo"


def resolved(**overrides):
    return config.resolve("qmix", overrides={"env": ECHO, **overrides})


@pytest.mark.parametrize(
    ("given", "steps"), [("100%", 2000), ("5%", 100), ("12.5 %", 250), ("0%", 0), (70, 70)]
)
def test_a_share_is_of_the_runs_steps(given, steps):
    assert resolved(total_steps=2000, lr_decay=given).learner.lr_decay == steps


def test_a_share_above_nothing_is_a_step_at_least():
    assert resolved(total_steps=3, eval_interval="1%").run.eval_interval == 1  # 0 would be: never


def test_a_presets_schedules_last_as_long_as_the_run():
    for name in registry.names("algorithms"):
        whole = config.resolve(name, overrides={"env": "gridworld25"})
        for part in (10, 2):
            total = whole.run.total_steps // part
            short = config.resolve(name, overrides={"env": "gridworld25", "total_steps": total})
            for length in ("lr_decay", "epsilon_decay"):
                if length in whole.shares:
                    steps = [getattr(settings.learner, length) for settings in (short, whole)]
                    assert steps[0] == pytest.approx(steps[1] / part, abs=1), (name, length)


def test_the_command_line_resolves_shares_like_files(capsys):
    words = ["train", "qmix", "--env", ECHO, "--total_steps", "1e4", "--dry_run"]
    for given in (["--lr_decay", "50%"], ["--lr_decay=50%"], ["--lr-decay", "50 %"]):
        assert main([*words, *given]) == 0
        assert "\nlr_decay: 5000\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "value"), [("lr_decay", "101%"), ("lr_decay", "-5%"), ("lr", "5%"), ("num_envs", "5%")]
)
def test_what_is_no_share_is_one_line(name, value, capsys):
    with pytest.raises(UserError, match=name):
        resolved(**{name: value})
    assert main(["train", "qmix", "--env", ECHO, "--dry_run", f"--{name}={value}"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_settings_that_are_changed_keep_their_shares_of_another_length():
    base = resolved(total_steps=2000, lr_decay="50%", epsilon_decay=300)
    changed = with_settings(base, {"total_steps": 400}).learner
    assert (changed.lr_decay, changed.epsilon_decay) == (200, 300)


def test_a_class_that_changes_a_default_keeps_the_mark():
    for name in registry.names("algorithms"):
        form = registry.algorithm(name).Config
        known = {"lr_decay", "epsilon_decay"} & set(form.__dataclass_fields__)
        assert known <= shareable(form), name


CONFIGS = Path(__file__).parents[2] / "configs"
WHOLE = {
    "eqmarl-coin_game.yaml": {"log_interval": 5_000, "eval_interval": 50_000},
    "pqn_iql-jaxmarl.switch_riddle.yaml": {"eval_interval": 50_000},
    "pqn_qmix-gridworld25.yaml": {"eval_interval": 1_000_000},
    "qmix_gridworld25_fast.yaml": {"epsilon_decay": 50_000, "lr_decay": 1_000_000},
    "qmix_pymarl2.yaml": {"epsilon_decay": 100_000, "lr_decay": 0},
}
"""Steps that some of these files' shares are of their own runs."""


@pytest.mark.parametrize(
    "path", [*sorted(config.PRESETS.glob("*.yaml")), *sorted(CONFIGS.glob("*.yaml"))], ids=lambda p: p.name
)
def test_every_file_that_we_ship_gives_lengths_as_shares(path):
    """So that a run which is cut short still explores less and less, and is evaluated."""
    given = file.read(path)
    name = given.get("algorithm", path.stem.partition("-")[0])
    if name not in registry.names("algorithms"):
        return  # settings of a script
    form = registry.algorithm(name).Config
    lengths = {"log_interval", "eval_interval", *shareable(form)} & set(given)
    if given.get("log_interval") == 1:  # each update
        lengths -= {"log_interval"}
    for length in lengths:
        assert shares.read(given[length]) is not None or given[length] == 0, length
    if "epsilon_decay" in shareable(form) and given.get("epsilon_start") != given.get("epsilon_end", 0.05):
        assert "epsilon_decay" in given
    total = given.get("total_steps", RunSettings.total_steps)
    for length, steps in WHOLE.get(path.name, {}).items():
        percentage = shares.read(given[length])
        assert shares.steps(percentage or 0, total) == steps
