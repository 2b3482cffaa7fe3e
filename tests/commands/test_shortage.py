"""What is short on the machine is said in one line, and is nobody's bug."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest

from qflock import commands
from qflock.commands import _shortage, main


def lost(number: int, name: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), name)


def wrapped(cause: BaseException) -> RuntimeError:
    problem = RuntimeError("while it was compiled")
    problem.__cause__ = cause
    return problem


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (MemoryError(), _shortage.MEMORY),
        (lost(errno.ENOMEM), _shortage.MEMORY),
        (RuntimeError("can't start new thread"), _shortage.MEMORY),
        (
            RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes."),
            _shortage.MEMORY,
        ),
        (ImportError("libx.so: failed to map segment from shared object"), _shortage.MEMORY),
        (wrapped(MemoryError()), _shortage.MEMORY),
        (lost(errno.EMFILE, "log.csv"), _shortage.FILES),
        (
            lost(errno.ENOSPC, "a.html"),
            "cannot write a.html: No space left on device; free some space, then go on with qflock resume",
        ),
        (
            lost(errno.EROFS),
            "cannot write a file: Read-only file system; choose a folder that can be written, with --run-dir",
        ),
    ],
)
def test_a_shortage_is_one_line_and_no_internal_error(
    problem: BaseException,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(argv: list[str]) -> int:
        raise problem

    monkeypatch.setattr(commands, "module", lambda name: SimpleNamespace(run=run))
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == f"qflock: {line}\n"


@pytest.mark.parametrize(
    "problem", [KeyError("seeds"), lost(errno.ENOENT, "x"), RuntimeError("shapes differ")]
)
def test_other_failures_are_no_shortage(problem: BaseException) -> None:
    assert _shortage.line(problem) is None
