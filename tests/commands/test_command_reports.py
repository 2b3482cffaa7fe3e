"""``list``, ``doctor`` and ``completion``."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from pathlib import Path

import pytest

from qflock import device
from qflock.commands import doctor, main

pytestmark = pytest.mark.usefixtures("entries")


def test_list_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["tiny_world", "2", "3", "4", "8", "10", "A", "world", "for", "tests:", "nothing"] in [
        w[:11] for w in lines
    ]
    assert any(words[:5] == ["tiny", "A", "learner", "for", "tests:"] for words in lines)


def test_list_one_kind_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "environments", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["environments"]
    assert {
        "name": "tiny_world",
        "summary": "A world for tests: nothing happens in it.",
        "agents": 2,
        "actions": 3,
        "observation": 4,
        "state": 8,
        "horizon": 10,
    } in found["environments"]


def test_an_entry_that_cannot_be_loaded_does_not_break_the_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from qflock import registry

    real = registry.algorithm

    def algorithm(name: str) -> object:
        if name == "tiny":
            raise ImportError("No module named 'pennylane'")
        return real(name)

    monkeypatch.setattr(registry, "algorithm", algorithm)
    assert main(["list", "algorithms", "--json"]) == 0
    entries = {e["name"]: e["summary"] for e in json.loads(capsys.readouterr().out)["algorithms"]}
    assert entries["tiny"] == "cannot be loaded: No module named 'pennylane'"


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "nvidia_gpus", list)
    monkeypatch.setattr(device, "use", lambda where, warn: None)
    monkeypatch.setenv("QFLOCK_CACHE", "off")


def test_doctor_ready(healthy: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "ready"
    assert importlib.metadata.version("jax") in out
    assert "advice" not in out


def test_doctor_as_json(healthy: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["problems"] == report["advice"] == []
    assert report["packages"]["equinox"] == importlib.metadata.version("equinox")
    assert list(report["extras"]["cuda"]) == ["jax-cuda13-plugin"]
    assert any(found.startswith("cpu") for found in report["devices"])
    assert report["cores"] >= 1
    assert report["folder_writable"] is True


def test_doctor_names_an_idle_gpu(
    healthy: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "nvidia_gpus", lambda: ["GeForce RTX 9090"])
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ['advice: GeForce RTX 9090 is idle: pip install "qflock[cuda]"', "ready"]


def test_doctor_says_what_is_wrong(
    healthy: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "optax" else real(name))
    monkeypatch.setattr(doctor, "_refused", lambda folder: "Read-only file system")
    assert main(["doctor"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "wrong: optax is missing: pip install optax"
    assert lines[-1] == f"wrong: runs cannot be written to {Path().resolve()}: Read-only file system"


def test_the_write_test_leaves_nothing_and_notices_a_bad_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert doctor._refused(tmp_path / "sub") == ""
    assert list((tmp_path / "sub").iterdir()) == []
    assert doctor._refused(tmp_path / "missing") == "No such file or directory"


@pytest.fixture
def offers(capsys: pytest.CaptureFixture[str]) -> object:
    """What bash offers after a line, by the printed script."""
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        quoted = " ".join(f"'{word}'" for word in words)
        asked = (
            f'{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _qflock; echo "${{COMPREPLY[@]}}"'
        )
        done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.split()

    return complete


def test_completion(offers) -> None:  # type: ignore[no-untyped-def]
    assert offers("qflock tr") == ["train"]
    assert offers("qflock train tin") == ["tiny"]
    assert "tiny_world" in offers("qflock train tiny --env ")
    assert offers("qflock train tiny --hid") == ["--hidden"]
    assert offers("qflock train tiny --no_d") == ["--no_double_q"]
    assert offers("qflock train tiny --total_s") == ["--total_steps"]
    assert offers("qflock train tiny --env tiny_world --env.l") == ["--env.layout"]
    assert offers("qflock evaluate runs/x --che") == ["--checkpoint"]
    assert offers("qflock resume runs/x --device ") == ["auto", "cpu", "gpu"]
    assert offers("qflock list e") == ["environments"]
    assert offers("qflock completion z") == ["zsh"]


def test_zsh_takes_the_script_through_bashcompinit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "autoload -Uz compinit bashcompinit && compinit && bashcompinit"
    assert rest[0] == "_qflock() {"
