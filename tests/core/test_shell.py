"""Commands in messages can be copied into a shell as they are."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from qflock.commands import COMMANDS
from qflock.core.printing import one_line, printable
from qflock.core.shell import command

SOURCE = Path(__file__).parents[2] / "src" / "qflock"
PATHS = ["runs/a", "läufe/erster lauf", "it's here", "a  b", "$(rm x)", "a;b", "~/x", "*", "-"]


@pytest.mark.parametrize("path", PATHS)
def test_a_shell_reads_back_the_words(path: str) -> None:
    typed = command("resume", Path(path), "--total_steps", 20)
    assert shlex.split(typed) == ["qflock", "resume", path, "--total_steps", "20"]


@pytest.mark.parametrize(
    "name", ["a\x1b[2Jb", "a\u202eb c", "a\nb", "tab\there", "it's \x07 a \\", "\x85é\u2028", "\udc80"]
)
def test_names_that_nobody_can_type_are_typed_in_one_line(name: str) -> None:
    """A shell gets the very name, and the terminal nothing that steers it."""
    shell = shutil.which("bash") or pytest.skip("no bash here")
    words = command("resume", name)
    assert words == printable(words)
    assert len(words.splitlines()) == 1
    script = f"{words.replace('qflock', 'printf %s', 1).replace('resume', '', 1)}"
    assert os.fsdecode(subprocess.run([shell, "-c", script], capture_output=True, check=True).stdout) == name


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
