"""The first line of a run comes before JAX is imported, and says what is trained, where, with what."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qflock import api
from qflock.api import training
from qflock.core.errors import UserError
from qflock.runs.train import opening, programs, runner

LINE = "vdn on two_step: no preset, device cpu, run folder {}; compiling"
STOPPED = """
import sys
from qflock.commands import main
from qflock.settings import config

def resolve(*what, **how):
    print("jax" in sys.modules)
    raise SystemExit(7)

config.resolve = resolve
main({argv!r})
"""


def on_a_terminal(program: str, here: Path) -> str:
    """What a terminal of 200 columns is sent while a Python program runs."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=theirs, stdout=theirs, stderr=theirs, cwd=here, env=environment
    ):
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux's word for the end of a terminal
                piece = b""
            if not piece:
                break
            seen += piece
    os.close(ours)
    return seen.decode()


def test_a_terminal_shows_it_before_jax_is_imported(tmp_path: Path) -> None:
    argv = ["train", "vdn", "--env", "two_step", "--device", "cpu"]
    seen = on_a_terminal(STOPPED.format(argv=argv), tmp_path)
    before, jax_is_there = re.split(r"(True|False)", seen)[:2]
    assert re.search(LINE.format(r"runs/vdn-two_step-[\w-]+"), before)
    assert jax_is_there == "False"


def test_bad_settings_leave_their_error_alone_on_a_terminal(tmp_path: Path) -> None:
    argv = ["train", "vdn", "--env", "two_step", "--lrr", "1", "--run-dir", "here"]
    program = f"from qflock.commands import main; main({argv!r})"
    seen = on_a_terminal(program, tmp_path)
    shown, error = seen.rsplit("\x1b[2K", 1)  # the line is cleared
    assert "device auto, run folder here; compiling" in shown
    assert "compiling" not in error
    assert "unknown option --lrr; did you mean --lr?" in error
    assert not (tmp_path / "here").exists()


def test_python_has_the_line_for_its_run_unless_it_is_quiet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    told = []
    train = lambda settings, quiet, line, callbacks: told.append((settings.run.run_dir, line)) or {"run": "x"}
    monkeypatch.setattr(runner, "train", train)
    monkeypatch.setattr(training, "_illustrated", lambda summary: summary)
    api.train("vdn", "two_step", device="cpu")
    api.train("vdn", "two_step", device="cpu", quiet=True)
    (where, line), (_, none) = told
    assert line == LINE.format(where)
    assert re.fullmatch(r"runs/vdn-two_step-[\w-]+", str(where))
    assert none == ""


def test_pipes_are_told_it_once_it_is_clear_that_there_will_be_a_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with opening.first("the line"):
        assert capsys.readouterr().err == ""
    assert capsys.readouterr().err == "the line\n"
    with pytest.raises(UserError), opening.first("the line"):
        raise UserError("bad settings")
    assert capsys.readouterr().err == ""


def test_a_preset_and_a_users_file_are_named_in_short(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    line = opening.of_training("qmix", "box_push", "auto", Path("x"))
    assert line == "qmix on box_push: preset qmix-box_push, device auto, run folder x; compiling"
    mine = opening.of_training("qmix", f"{tmp_path / 'my_env.py'}:World", "auto", Path("x"))
    assert mine.startswith("qmix on my_env.py:World: no preset")
    others = opening.of_training("qmix", "/elsewhere/my_env.py:World", "auto", Path("x"))
    assert others.startswith("qmix on /elsewhere/my_env.py:World: ")


def test_a_run_that_goes_on_names_itself_whatever_version_recorded_it() -> None:
    line = opening.of_resuming(
        {"algorithm": "vdn", "env": {"name": "chsh"}, "device": "cpu"}, None, Path("r")
    )
    assert line == "vdn on chsh: going on in r, device cpu; compiling"
    assert opening.of_resuming({"algorithm": "vdn", "env": "chsh"}, "gpu", Path("r")) == line.replace(
        "cpu", "gpu"
    )


def test_how_long_compiling_took_is_said_once_it_is_done() -> None:
    class Nothing:
        function = None
        shapes = ()

        def lower(self) -> Nothing:
            return self

        compile = lower

    one = Nothing()
    one.function = one  # type: ignore[assignment]

    class Program:
        def ahead(self, shapes: object) -> list[Nothing]:
            return [one]

    said: list[str] = []
    with programs.compiling(Program(), None, said.append):  # type: ignore[arg-type]
        assert said == []
    assert re.fullmatch(r"compiled in \d+\.\d s", said[0])
