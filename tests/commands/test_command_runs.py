"""``resume``, ``evaluate`` and ``watch``: which run they take and what they ask the library for."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from qflock import api
from qflock.commands import main
from qflock.evidence.replay import watching
from qflock.machine import device
from qflock.networks.circuit import Conditions
from qflock.quantum.noise import Noise
from qflock.runs import evaluation, folder
from qflock.settings import config

SCORES = {"episodes": 4, "return_mean": 2.5, "discounted_mean": 2.25, "solved": 0.5, "coverage": 0.75}
RESULT = {
    "run": "runs/one",
    "algorithm": "tiny",
    "environment": "tiny_world",
    "mode": "greedy",
    "checkpoint": "final",
    "episodes": 4,
    "env_steps": 100,
    "seconds": 1.0,
    "parameters": 10,
    "per_seed": [{"seed": 0, **SCORES}],
    "over_seeds": SCORES,
    "references": {"random": SCORES},
}
Calls = list[dict[str, Any]]


@pytest.fixture
def calls(entries: None, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What the library was asked for. The run `runs/one` is there, trained on a tiny world of 6 cells."""
    settings = config.resolve("tiny", overrides={"env": "tiny_world", "env.grid_size": 6})
    folder.create(settings, Path("runs/one"), now=datetime(2024, 1, 2))
    asked: Calls = []

    def fake(*names: str) -> Any:
        def call(*values: Any, **others: Any) -> dict[str, Any]:
            asked.append({**dict(zip(names, values, strict=False)), **others})
            return RESULT

        return call

    monkeypatch.setattr(api, "resume", fake("run", "total_steps"))
    monkeypatch.setattr(device, "use", lambda where: asked.append({"device": where}))
    monkeypatch.setattr(evaluation, "evaluate_run", fake("run"))
    monkeypatch.setattr(watching, "write", fake("run", "path"))
    monkeypatch.setattr(watching, "play_in_terminal", fake("run"))
    return asked


@pytest.mark.parametrize(
    "typed", ["runs/one --total_steps 5e6", "--total-steps=5000000 runs/one", "latest --total_steps 5000000"]
)
def test_resume(typed: str, calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", *typed.split()]) == 0
    told = {"quiet": False, "device": None, "on_nan": None, "devices": None}
    assert calls == [{"run": Path("runs/one"), "total_steps": 5_000_000, **told}]
    assert "qflock evaluate runs/one" in capsys.readouterr().out


def test_resume_as_planned(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", "runs/one", "--quiet", "--json", "--device", "cpu", "--devices", "all"]) == 0
    told = {"quiet": True, "device": "cpu", "on_nan": None, "devices": "all"}
    assert calls == [{"run": Path("runs/one"), "total_steps": None, **told}]
    assert json.loads(capsys.readouterr().out) == RESULT


def test_evaluate(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "runs/one"]) == 0
    assert calls == [
        {"device": "auto"},
        {
            "run": Path("runs/one"),
            "episodes": 512,
            "mode": "greedy",
            "seed": 0,
            "checkpoint": "newest",
            "environment_overrides": {},
            "conditions": None,
            "both": True,
            "rate": None,
        },
    ]
    out = capsys.readouterr().out
    assert all(piece in out for piece in ("seed 0", "random", "2.250", "50.0 %", "coverage", "0.750"))
    assert "all" not in out  # one seed is not summed up


def test_evaluate_elsewhere(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    typed = "evaluate runs/one --episodes 9 --sample --seed 5 --checkpoint best --device cpu --json"
    assert main([*typed.split(), "--env.grid_size", "6", "--env.wind", "--env.layout", "fixed"]) == 0
    assert calls == [
        {"device": "cpu"},
        {
            "run": Path("runs/one"),
            "episodes": 9,
            "mode": "sample",
            "seed": 5,
            "checkpoint": "best",
            "environment_overrides": {"wind": True, "layout": "fixed"},
            "conditions": None,
            "both": True,
            "rate": None,
        },
    ]
    assert json.loads(capsys.readouterr().out) == RESULT


def test_evaluate_circuits_as_a_device_would(calls: Calls) -> None:
    typed = "evaluate runs/one --shots 7 --noise bit_flip:0.25 --trajectories 3"
    assert main(typed.split()) == 0
    assert calls[1]["conditions"] == Conditions(7, Noise("bit_flip", 0.25), 3)
    assert main(["evaluate", "runs/one", "--circuit_device", "default.mixed"]) == 0
    assert calls[3]["conditions"] == Conditions(device="default.mixed")


def test_noise_that_is_none_is_one_line(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "runs/one", "--noise", "bitflip:0.1"]) == 2
    err = capsys.readouterr().err
    assert "bit_flip" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "piece"),
    [
        ("evaluate runs/one --env.gridsize 3", "did you mean --env.grid_size?"),
        ("evaluate runs/one --env.grid_size 1", "grid_size is 1; it must be at least 2"),
        ("evaluate runs/one --episodes 0", "episodes is 0; it must be at least 1"),
        ("evaluate runs/one --shots -1", "shots is -1; it must not be negative"),
        ("evaluate runs/one --trajectories 0", "trajectories is 0; it must be at least 1"),
        ("evaluate runs/one runs/one", "unexpected argument 'runs/one'"),
        ("evaluate runs/on", "did you mean runs/one?"),
        ("resume runs/one --total_steps 0", "total_steps is 0; it must be at least 1"),
        ("watch runs/one --policy oracle", "goes with --env, without a run"),
        ("watch --env tiny_world --sample", "--sample is for a run's policy"),
        ("watch runs/one --env tiny_world", "unexpected argument 'runs/one'"),
        ("watch runs/one --seed -1", "seed is -1"),
        ("watch runs/one -o play.avi", "out is 'play.avi'; its name must end in .gif or .mp4 or .html"),
        ("watch runs/one --html play.gif", "html is 'play.gif'; its name must end in .html"),
        ("watch runs/one -o no/such/play.gif", "there is no no/such; name a file in a folder that exists"),
    ],
)
def test_bad_input(typed: str, piece: str, calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), calls) == ("", 1, [])
    assert piece in err


def test_damaged_settings_are_one_line(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path("runs/one/configs/hparams.json")
    file.write_text(file.read_text().replace("tiny", "tinY", 1))
    assert main(["evaluate", "runs/one"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("qflock: runs/one/configs/hparams.json is damaged or was edited")
    assert err.count("\n") == 1


def test_help_with_a_run_shows_its_environments_settings(
    calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("evaluate", "watch"):
        assert main([command, "runs/one", "--help"]) == 0
        out = capsys.readouterr().out
        assert f"usage: qflock {command} RUN" in out
        assert "Cells along each side. (default: 6)" in " ".join(out.split())
    assert calls == []


def test_watch_a_run(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "latest", "--gif", "play.gif", "--fps", "4", "--env.wind"]) == 0
    how = {
        "episodes": 1,
        "seed": 0,
        "fps": 4.0,
        "checkpoint": "newest",
        "mode": "greedy",
        "environment_overrides": {"wind": True},
    }
    assert calls[-1] == {"run": Path("runs/one"), "path": Path("play.gif"), **how}
    assert capsys.readouterr().out == "wrote play.gif\n"
    typed = "watch runs/one --episodes 2 --checkpoint best --seed 3 --sample"
    assert main(typed.split()) == 0
    how = {"episodes": 2, "seed": 3, "fps": 8.0, "checkpoint": "best", "mode": "sample"}
    assert calls[-1] == {"run": Path("runs/one"), **how, "environment_overrides": {}}


def test_watch_as_files(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    files = [Path("play.mp4"), Path("play.gif"), Path("play.html")]
    typed = f"watch runs/one -o {files[0]} --html {files[2]} --gif {files[1]} --terminal"
    assert main(typed.split()) == 0
    assert [call["path"] for call in calls if "path" in call] == files
    assert "path" not in calls[-1]  # and in the terminal
    assert capsys.readouterr().out == "".join(f"wrote {file}\n" for file in files)


@pytest.mark.parametrize(
    ("policy", "shown"), [("", "oracle"), ("--policy greedy", "greedy"), ("--policy random", "random")]
)
def test_watch_a_reference(policy: str, shown: str, calls: Calls) -> None:
    assert main(f"watch --env tiny_world --env.grid_size 4 {policy}".split()) == 0
    environment = calls[-1].pop("environment")
    assert environment.config.grid_size == 4
    assert calls[-1] == {"run": None, "episodes": 1, "seed": 0, "fps": 8.0, "policy": shown}
