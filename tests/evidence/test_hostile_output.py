"""Commands about a run of somebody else's: nothing in it steers the terminal, in output or errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from qflock.commands import main
from qflock.core.printing import STEERING
from qflock.runs import folder
from tests.evidence.conftest import MakeRun

HOSTILE = "\x1b]0;owned\x07\x1b[2Jname\x9b31m\u202egnp.exe\u2028[/bold] [red]x"
SEEDS = {seed: 8.0 + seed for seed in range(3)}


@pytest.fixture
def runs(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    references = {HOSTILE: {"discounted_mean": 9.0}, "random": {"discounted_mean": 1.0}}
    common = {"environment": {"name": HOSTILE, "map": HOSTILE}, "references": references, "mixer": HOSTILE}
    monkeypatch.setenv("COLUMNS", "100")
    return [
        str(make_run(f"one{HOSTILE[:-11]}", SEEDS, algorithm=HOSTILE, **common)),
        str(make_run("two", SEEDS, algorithm="vdn", **common)),
    ]


def seen(capsys: pytest.CaptureFixture[str]) -> str:
    shown = "".join(capsys.readouterr())
    assert STEERING.findall(shown) == []
    return shown


@pytest.mark.parametrize("split", [(), ("--split", "map"), ("--split", HOSTILE), ("--metric", HOSTILE)])
def test_a_comparison(
    runs: list[str], split: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["compare", *runs, *split, "--out", str(tmp_path / "compared")])
    shown = seen(capsys)
    assert status == (2 if HOSTILE in split else 0), shown
    assert "u202egnp.exe" in shown
    assert shown.count("\n") == 1 or not status


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_results(
    runs: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["results", *runs, "--folder", str(tmp_path / HOSTILE[:-11]), *words]) == 0
    shown = seen(capsys)
    if words:
        assert HOSTILE[:-11] in json.loads(shown)["wrote"][0]


@pytest.mark.parametrize("command", ["evaluate", "watch", "export", "resume"])
def test_errors(runs: list[str], command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, runs[0]]) == 2
    assert seen(capsys).count("\n") == 1
    assert main([command, f"runs/{HOSTILE}"]) == 2
    assert seen(capsys).count("\n") == 1


def test_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(f"raise ValueError({HOSTILE!r})\n")
    assert main(["check", "mine.py:Env", "--debug"]) == 2
    shown = seen(capsys)
    assert "Traceback" in shown
    assert "u001b]0;owned" in shown


def test_progress_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from qflock.runs.train.progress import Progress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with Progress(HOSTILE) as progress:
        progress.start(100)
        progress.message(HOSTILE)
        progress.update(50, 1.0, 10.0)
    shown = capsys.readouterr().err
    assert "\x1b]0;" not in shown
    assert "\x1b[2Jname" not in shown
    assert "\u202e" not in shown
    assert r"\u202egnp.exe" in shown


def test_a_run_is_found_for_the_right_reason(runs: list[str]) -> None:
    """So that the errors above are of what stands in it."""
    assert folder.open_run(runs[0]).read_hparams()["settings"]["algorithm"] == HOSTILE
