"""``qflock train``: what the runner is given, what is printed, and what the help shows."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from qflock import api
from qflock.commands import main
from qflock.settings import config
from qflock.settings.config import Settings

FILES = Path(__file__).parent / "files"
SCORES = {"episodes": 8, "return_mean": 2.5, "return_std": 0.5, "discounted_mean": 2.25, "solved": 0.875}
RESULT = {
    "run": "runs/tiny-tiny_world-1",
    "algorithm": "tiny",
    "environment": "tiny_world",
    "env_steps": 1_234_567,
    "seconds": 61.4,
    "parameters": 9876,
    "per_seed": [{"seed": 3, **SCORES}, {"seed": 4, **SCORES, "solved": float("nan")}],
    "over_seeds": SCORES,
    "references": {"oracle": {**SCORES, "return_mean": 4.0}, "random": {**SCORES, "return_mean": 0.25}},
}

pytestmark = pytest.mark.usefixtures("entries")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, bool]]:
    """Settings and quietness of every training that was asked for."""
    calls: list[tuple[Settings, bool]] = []

    def train(settings: Settings, *, quiet: bool) -> dict[str, Any]:
        calls.append((settings, quiet))
        print("chatter of an environment")
        return RESULT

    monkeypatch.setattr(api, "train", train)
    return calls


def settings_of(typed: str, trained: list[tuple[Settings, bool]]) -> Settings:
    assert main(["train", *typed.split()]) == 0
    return trained[-1][0]


def test_settings_of_every_type(trained: list[tuple[Settings, bool]]) -> None:
    typed = """tiny --env tiny_world --total_steps 4e5 --seeds=3 --run-dir out --device cpu
        --lr 1e-5 --batch-size 1_024 --no_double_q --loss huber --clip none --hidden 32 16 --span -1,1.5
        --teacher w.safetensors --mixer none --env.grid_size 7 --env.layout fixed --env.wind"""
    found = settings_of(typed, trained)
    assert found.algorithm == "tiny"
    assert (found.run.env, found.run.total_steps, found.run.seeds) == ("tiny_world", 400_000, 3)
    assert (found.run.run_dir, found.run.device, found.run.seed) == (Path("out"), "cpu", 0)
    learner = found.learner
    assert (learner.lr, learner.batch_size, learner.double_q, learner.loss) == (1e-5, 1024, False, "huber")
    assert (learner.clip, learner.hidden, learner.span) == (None, (32, 16), (-1.0, 1.5))
    assert (learner.teacher, learner.mixer) == (Path("w.safetensors"), "none")
    assert vars(found.environment) == {"grid_size": 7, "layout": "fixed", "wind": True}


def test_the_command_line_goes_over_the_file_and_the_file_over_the_preset(
    trained: list[tuple[Settings, bool]],
) -> None:
    (config.PRESETS / "tiny-tiny_world.yaml").write_text(
        "lr: 0.5\nbatch_size: 5\nseeds: 5\ntotal_steps: 55\n"
    )
    Path("mine.yaml").write_text("env: {name: tiny_world, grid_size: 6}\nbatch_size: 6\nseeds: 6\n")
    found = settings_of("tiny --config mine.yaml --seeds 7 --env.layout fixed", trained)
    assert (found.learner.lr, found.run.total_steps) == (0.5, 55)
    assert (found.learner.batch_size, found.environment.grid_size) == (6, 6)
    assert (found.run.seeds, found.environment.layout) == (7, "fixed")


def test_a_users_own_files(trained: list[tuple[Settings, bool]]) -> None:
    shutil.copy(FILES / "algorithms" / "tiny.py", "own_learner.py")
    shutil.copy(FILES / "environments" / "tiny_world.py", "own_world.py")
    found = settings_of("own_learner.py --env own_world.py:Environment --lr 0.5 --env.grid_size 9", trained)
    assert (found.learner.lr, found.environment.grid_size) == (0.5, 9)
    assert found.algorithm == str(Path("own_learner.py").resolve())
    assert found.run.env == f"{Path('own_world.py').resolve()}:Environment"
    assert settings_of("own_learner.py --env own_world.py:Bare", trained).environment is None


def test_a_runs_own_file_repeats_it_from_anywhere(
    trained: list[tuple[Settings, bool]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copy(FILES / "environments" / "tiny_world.py", "far_world.py")
    first = settings_of(
        "tiny --env far_world.py:Environment --run_dir x --hidden 8 --env.grid_size 3", trained
    )
    config.write_yaml(first, tmp_path / "config.yaml")
    monkeypatch.chdir(tmp_path)
    again = settings_of("--config config.yaml", trained)
    assert again.run.run_dir is None
    assert config.to_mapping(again) == config.to_mapping(first)


def test_dry_run_prints_settings_that_read_back(
    trained: list[tuple[Settings, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "train",
                "tiny",
                "--env",
                "tiny_world",
                "--dry_run",
                "--hidden",
                "3",
                "--clip",
                "none",
                "--env.wind",
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert not trained
    assert "hidden: [3]\n" in printed
    Path("dry.yaml").write_text(printed)
    assert main(["train", "--config", "dry.yaml", "--dry-run"]) == 0
    assert capsys.readouterr().out == printed


def test_json_is_the_only_thing_on_standard_output(
    trained: list[tuple[Settings, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "tiny", "--env", "tiny_world", "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["run"] == RESULT["run"]
    assert found["per_seed"][1]["solved"] is None
    assert err == "chatter of an environment\n"
    assert trained[-1][1] is True


def test_the_end_shows_scores_and_what_to_type_next(
    trained: list[tuple[Settings, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "tiny", "--env", "tiny_world"]) == 0
    out = capsys.readouterr().out
    assert trained[-1][1] is False
    rows = {line.split("  ")[0]: line for line in out.splitlines()}
    for name in ("seed 3", "seed 4", "all 2 seeds", "oracle", "random"):
        assert name in rows
    assert "87.5 %" in rows["seed 3"]
    assert rows["seed 4"].rstrip().endswith("-")
    assert "4.000" in rows["oracle"]
    assert "1,234,567 steps" in out
    for command in ("watch", "evaluate", "resume"):
        assert f"qflock {command} runs/tiny-tiny_world-1" in out


def test_the_end_also_shows_acting_by_chance_where_that_differs(
    trained: list[tuple[Settings, bool]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for mean, shown in ((3.75, True), (2.5, False)):
        monkeypatch.setitem(RESULT, "sampled", {"over_seeds": {**SCORES, "return_mean": mean}})
        assert main(["train", "tiny", "--env", "tiny_world"]) == 0
        out = capsys.readouterr().out
        rows = [line for line in out.splitlines() if line.startswith("by chance")]
        assert [("3.750" in row) for row in rows] == [True] * shown
        assert ("by chance, as in training, it has return_mean 3.75" in " ".join(out.split())) is shown


def test_what_to_type_next_can_be_copied_and_works(
    trained: list[tuple[Settings, bool]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with a space in its name is one word; a world that cannot be drawn is not to be watched."""
    shutil.copy(FILES / "environments" / "tiny_world.py", "own_world.py")
    monkeypatch.setitem(RESULT, "run", "läufe/erster lauf")
    for env, offered in (
        ("tiny_world", ["watch", "evaluate", "resume"]),
        ("own_world.py:Bare", ["evaluate", "resume"]),
    ):
        monkeypatch.setitem(RESULT, "environment", env)
        assert main(["train", "tiny", "--env", env]) == 0
        lines = capsys.readouterr().out.partition("Next:\n")[2].splitlines()
        words = [shlex.split(line) for line in lines if line.startswith("    ")]
        assert [word[:3] for word in words] == [["qflock", name, "läufe/erster lauf"] for name in offered]
        assert words[-1][3:] == ["--total_steps", str(2 * RESULT["env_steps"])]  # nothing to be filled in
        assert all(line.endswith(":") for line in lines if not line.startswith("    "))


def test_settings_by_pymarls_names_lead_to_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """The file is refused as ever, and the line says where PyMARL2's settings are under our names."""
    Path("theirs.yaml").write_text(
        "mac: basic_mac\nrunner: episode\nlearner: nq_learner\nmixing_embed_dim: 32\n"
    )
    assert main(["train", "tiny", "--config", "theirs.yaml", "--env", "tiny_world"]) == 2
    line = capsys.readouterr().err
    assert "theirs.yaml: unknown setting 'mac'" in line
    assert "configs/qmix_pymarl2.yaml" in line
    assert (Path(__file__).parents[2] / "configs" / "qmix_pymarl2.yaml").is_file()
    Path("ours.yaml").write_text("mac: 3\n")
    assert main(["train", "tiny", "--config", "ours.yaml", "--env", "tiny_world"]) == 2
    assert "pymarl" not in capsys.readouterr().err


def test_help_without_an_algorithm_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    assert "usage: qflock train ALGORITHM" in out
    assert "tiny" in out
    assert "tiny_world" in out


def test_a_number_of_agents_by_its_published_name_reaches_the_environment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = ["train", "qmarl", "--env", "forest_uav", "--n_gs", "3", "--dry_run"]
    assert main(typed) == 0
    assert "n_agents: 3" in capsys.readouterr().out
    assert (
        main(["train", "qmarl", "--env", "forest_uav", "--n_gs", "3", "--env.n_agents", "10", "--dry_run"])
        == 2
    )
    assert "n_gs is 3 and env.n_agents 10; leave one of them out" in capsys.readouterr().err
