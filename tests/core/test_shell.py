"""Commands in messages can be copied into a shell as they are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from qflock.commands import COMMANDS
from qflock.core.errors import one_line
from qflock.core.shell import command

SOURCE = Path(__file__).parents[2] / "src" / "qflock"
PATHS = ["runs/a", "läufe/erster lauf", "it's here", "a  b", "$(rm x)", "a;b", "~/x", "*", "-"]


@pytest.mark.parametrize("path", PATHS)
def test_a_shell_reads_back_the_words(path: str) -> None:
    typed = command("resume", Path(path), "--total_steps", 20)
    assert shlex.split(typed) == ["qflock", "resume", path, "--total_steps", "20"]


def test_a_message_of_several_lines_keeps_the_spaces_of_a_path() -> None:
    assert one_line(f"stopped;\n   go on with: {command('resume', 'a  b')}\n") == (
        "stopped; go on with: qflock resume 'a  b'"
    )


def test_no_file_puts_a_value_into_a_command_by_itself() -> None:
    """All go through `command`: a value in ``f"qflock resume {path}"`` is not quoted."""
    by_itself = re.compile(rf"qflock (?:{'|'.join(COMMANDS)}) (?:[\w-]+ )*\{{")
    assert by_itself.search('f"go on with: qflock resume {path}"')
    files = sorted(SOURCE.rglob("*.py"))
    assert [str(file) for file in files if by_itself.search(file.read_text())] == []
