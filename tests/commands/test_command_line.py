"""The command line itself: help, versions, exit codes, and what it never imports."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import qflock
from qflock import commands
from qflock.commands import COMMANDS, main
from qflock.core.errors import UserError


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_command_and_exit_code(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert all(f"  {name} " in out for name in COMMANDS)
    assert all(code in out for code in ("0 fine", "2 bad input", "130 interrupted", "70 internal error"))
    assert max(map(len, out.splitlines())) <= 80


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"qflock {qflock.__version__}\n"


def test_every_module_is_a_command_and_every_command_has_one() -> None:
    files = {p.stem for p in Path(commands.__file__).parent.glob("*.py") if p.stem[0] != "_"}
    assert {commands.module(name).__name__.rpartition(".")[2] for name in COMMANDS} == files


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, qflock.commands; qflock.commands.main(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "qflock.commands" in loaded
    assert not loaded & {"jax", "numpy", "matplotlib", "tyro", "rich", "yaml"}
    assert not loaded & {"dataclasses", "json", "ctypes", "importlib.abc"}, "a third of its time"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "completion"])
def test_commands_import_no_jax_before_they_work(name: str) -> None:
    """Bad arguments are refused, and help is shown, before the wait for JAX."""
    script = (
        f"import sys, qflock.commands as c; c.main(['{name}', '--help']); c.main(['{name}', '--nonsense'])\n"
        "print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert f"usage: qflock {name}" in done.stdout


def fails_with(monkeypatch: pytest.MonkeyPatch, problem: BaseException) -> None:
    def run(argv: list[str]) -> int:
        raise problem

    monkeypatch.setattr(commands, "module", lambda name: SimpleNamespace(run=run))


@pytest.mark.parametrize(
    ("problem", "status", "line"),
    [
        (UserError("the cup is empty; fill it"), 2, "qflock: the cup is empty; fill it\n"),
        (UserError("stopped;\n  go on with x", code=130), 130, "qflock: stopped; go on with x\n"),
        (KeyboardInterrupt(), 130, "qflock: interrupted\n"),
        (
            ZeroDivisionError("division\nby zero"),
            70,
            "qflock: internal error: ZeroDivisionError: division by zero; "
            "please report it with what --debug shows\n",
        ),
        (SystemExit(0), 0, ""),
        (SystemExit("text"), 2, "qflock: code that was called ends the program: SystemExit: text\n"),
    ],
)
def test_failures_become_one_line_and_an_exit_code(
    problem: BaseException,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("QFLOCK_DEBUG", raising=False)
    fails_with(monkeypatch, problem)
    assert main(["doctor"]) == status
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    ("argv", "variable"), [(["doctor", "--debug"], ""), (["--debug", "doctor"], ""), (["doctor"], "1")]
)
def test_debug_shows_the_traceback(
    argv: list[str], variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QFLOCK_DEBUG", variable)
    fails_with(monkeypatch, ZeroDivisionError("oh"))
    assert main(argv) == 70
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("qflock: internal error")


def test_what_fails_in_a_file_of_the_users_is_named_by_its_line_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "environment", "mine.py"]) == 0
    code = Path("mine.py").read_text(encoding="utf8")
    code = code.replace("        del key\n", "        actions.nothing()\n", 1)
    Path("mine.py").write_text(code, encoding="utf8")
    line = code[: code.index("actions.nothing()")].count("\n") + 1
    capsys.readouterr()
    assert main(["train", "vdn", "--env", "mine.py:Mine", "--run_dir", "run"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"qflock: {tmp_path / 'mine.py'}:{line}: AttributeError: "), err
    assert err.count("\n") == 1
    assert not Path("run").exists()


def test_a_reader_that_goes_away_is_no_error() -> None:
    program = "import sys, qflock.commands as c; sys.exit(c.main(['list', '--help']))"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("plain", [True, False])
def test_colours_only_where_they_are_wanted(plain: bool) -> None:
    """On a terminal help has colours unless NO_COLOR is set; errors never carry any."""
    environ = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PYTHON_TYRO_ANSI_CODES")}
    environ |= {"TERM": "xterm", **({"NO_COLOR": "1"} if plain else {})}
    program = "import sys, qflock.commands as c; c.main(['list', '--help']); c.main(['doctor', '--json=1'])"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, env=environ, check=True)
    os.close(theirs)
    assert (b"\x1b[" in os.read(ours, 65536)) is not plain
    os.close(ours)
    assert done.stderr.startswith("qflock: ")
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr
