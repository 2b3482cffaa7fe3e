"""The help of commands that take all settings: its order, what it hides, what it marks, and its search."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qflock.commands import _topics, main
from qflock.settings import config, registry
from qflock.settings.run import RunSettings

FILES = Path(__file__).parent / "files"


def shown(typed: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(typed.split()) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def named(text: str) -> list[str]:
    """Options in the order in which they are read."""
    return re.findall(r"^  --([\w.]+)", text, re.MULTILINE)


@pytest.mark.usefixtures("entries")
def test_help_shows_topics_with_the_defaults_as_resolved(capsys: pytest.CaptureFixture[str]) -> None:
    (config.PRESETS / "tiny-tiny_world.yaml").write_text("lr: 0.25\nenv.grid_size: 7\n")
    out = shown("train tiny --env tiny_world --help", capsys)
    order = ["most used", "--total_steps INT", "--lr FLOAT", "run\n", "--seed INT", "what is learnt"]
    order += [
        "--double_q, --no_double_q",
        "environment\n",
        "--env.grid_size INT",
        "this command",
        "--dry_run",
    ]
    places = [out.index(piece) for piece in order]
    assert places == sorted(places)
    together = " ".join(out.split())
    assert "Step size. (preset: 0.25; else 0.001)" in together
    assert "Cells along each side. (preset: 7; else 5)" in together
    assert "--span FLOAT ..." in out
    assert "--clip FLOAT|none" in out
    assert "--hidden INT ..." in out
    assert "{mse,huber}" in out
    assert "Whether it blows. (default: false)" in together
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.usefixtures("entries")
def test_values_say_who_gives_them(capsys: pytest.CaptureFixture[str]) -> None:
    (config.PRESETS / "tiny-tiny_world.yaml").write_text("lr: 0.25\nbatch_size: 5\neval_interval: 10%\n")
    Path("mine.yaml").write_text("env: {name: tiny_world, grid_size: 6}\nbatch_size: 6\n")
    out = " ".join(shown("train tiny --config mine.yaml --total_steps 5000 --help", capsys).split())
    assert "(preset: 0.25; else 0.001)" in out
    assert "(file: 6; else 32)" in out
    assert "Cells along each side. (file: 6; else 5)" in out
    assert "(given: 5000; else 4000000)" in out
    assert "(preset: 10% of total_steps, 500; else 500000)" in out


@pytest.mark.usefixtures("entries")
def test_every_setting_of_a_users_own_files_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = (FILES / "algorithms" / "tiny.py").read_text()
    Path("mine.py").write_text(
        text.replace("    span:", "    warp: int = 3  # how fast\n    bare: int = 1\n    span:")
    )
    shutil.copy(FILES / "environments" / "tiny_world.py", "world.py")
    out = shown("train mine.py --env world.py:Environment --help", capsys)
    assert {"warp", "bare", "lr", "span", "teacher", "env.wind"} <= set(named(out))
    assert re.search(r"--warp INT +how fast \(default: 3\)", out)
    assert "--env.wind" not in shown("train mine.py --env world.py:Bare --help", capsys)


def test_lr_is_among_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    options = named(shown("train qmix --help", capsys))
    assert options.index("lr") == 3
    assert {"total_steps", "env", "seeds", "num_envs", "network"} <= set(options[:8])
    assert len(options) == len(set(options))


@pytest.mark.parametrize("algorithm", registry.names("algorithms"))
def test_every_setting_has_a_topic(algorithm: str) -> None:
    """None of ours is left among those of the user's own algorithms."""
    names = [
        f.name
        for form in (RunSettings, registry.algorithm(algorithm).Config)
        for f in dataclasses.fields(form)
    ]
    assert [name for name in names if name not in _topics.PLACES] == []


def test_a_setting_is_in_one_topic() -> None:
    names = [name for topic in _topics.TOPICS.values() for name in topic]
    assert len(names) == len(set(names)) == len(_topics.PLACES)


@pytest.mark.parametrize(
    ("typed", "circuits"),
    [
        ("train qmix", False),
        ("train qmix --network circuit", True),
        ("train mappo --critic_network=circuit", True),
        ("train qmix --circuit-layers 3", True),
        ("train qmarl", True),
        ("train qmarl --network mlp", False),
        ("sweep vdn", False),
    ],
)
def test_settings_of_circuits_are_shown_where_there_is_one(
    typed: str, circuits: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(f"{typed} --help", capsys)
    assert ({"circuit_layers", "simulator"} <= set(named(out))) is circuits
    assert ("--network circuit --help  and the 22 of circuits" in out) is not circuits


def test_all_leaves_nothing_out(capsys: pytest.CaptureFixture[str]) -> None:
    settings = config.resolve("qmix")
    names = {f.name for form in (settings.run, settings.learner) for f in dataclasses.fields(form)}
    names |= {f"env.{field.name}" for field in dataclasses.fields(settings.environment)}
    out = shown("train qmix --help all", capsys)
    assert set(named(out)) == names | {"config", "dry_run", "quiet", "json"}
    assert "of circuits" not in out


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("lr", ["lr", "lr_angles", "lr_input_scaling", "lr_output_scaling", "lr_final", "lr_decay"]),
        ("learning_rate", ["lr"]),
        ("wandb", ["loggers"]),
        ("random actions", ["epsilon_start", "epsilon_end"]),
        ("Grid", ["env.grid_size"]),
        ("ADAM", ["optimiser", "weight_decay"]),
        ("dry-run", ["dry_run"]),
        ("circuit_seed", ["circuit_seed"]),
    ],
)
def test_a_word_is_searched_in_names_and_texts(
    word: str, found: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    listed = named(shown(f"train qmix gridworld25 --help {word}", capsys))
    assert listed == found


def test_other_settings_on_the_line_are_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Train qmix on chsh." in shown("train qmix --help --env chsh", capsys)
    assert named(shown("train qmix --help tau --env chsh", capsys)) == ["target_tau"]


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("target_taw", "close names: --target_tau"),
        ("zzzzzz", "qflock train qmix --help all shows every setting"),
    ],
)
def test_a_word_that_matches_nothing_is_one_line(
    word: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "qmix", "--help", word]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"qflock: no setting has '{word}' in its name or text; ")
    assert line in err
    assert err.count("\n") == 1


def test_a_narrow_terminal_cuts_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = shown("train qmix --help", capsys)
    monkeypatch.setenv("COLUMNS", "30")
    narrow = shown("train qmix --help", capsys)
    assert named(narrow) == named(wide)
    assert "Environment steps of each seed, summed over copies" in " ".join(narrow.split())


def test_help_reads_no_parser() -> None:
    """tyro's parser took a fifth of the time; help of settings needs none."""
    script = (
        "import sys, qflock.commands; qflock.commands.main(['train', 'qmix', '--help']);"
        "print('tyro' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "False"
