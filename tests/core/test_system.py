"""On Windows one line says what to do, before anything that Windows lacks is imported."""

import subprocess
import sys

import pytest

from qflock.core import system

AS_WINDOWS = """
import pathlib, subprocess, importlib.machinery, importlib.metadata  # as their own system has them
import sys
for name in ("fcntl", "termios", "pwd", "resource"):
    sys.modules[name] = None
sys.platform = "win32"
"""


def on_windows(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{AS_WINDOWS}\n{program}"], capture_output=True, text=True, timeout=300
    )


def test_the_command_says_so_in_one_line() -> None:
    done = on_windows("from qflock.__main__ import main; sys.exit(main())")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"qflock: {system.ADVICE}\n")


def test_the_library_is_imported_and_says_so_where_it_is_used() -> None:
    done = on_windows("import qflock; print(qflock.__version__); qflock.train")
    assert done.returncode == 1
    assert done.stdout.strip()
    assert done.stderr.splitlines()[-1] == f"ImportError: qflock: {system.ADVICE}"


def test_this_system_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert system.missing() == ""
    monkeypatch.setattr(sys, "platform", "win32")
    assert "WSL 2" in system.missing()
