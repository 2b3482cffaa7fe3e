"""Standard streams that are closed, full or gone: one line where it can be read, and the stated exit code."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qflock.core.errors import UserError
from qflock.machine import streams
from tests.marks import IN_CI

FULL = "qflock: standard output cannot be written: No space left on device\n"
CLOSED = "qflock: standard output is closed, so nothing can be told; send it to a file or /dev/null\n"
COMMANDS = [
    "--version",
    "--help",
    "list algorithms --json",
    *(
        pytest.param(command, marks=IN_CI)
        for command in (
            "train vdn --env two_step --dry_run",
            "list environments",
            "train --help",
            "list --help",
            "completion bash",
            "doctor",
        )
    ),
]


def typed(command: str, redirected: str, cwd: Path) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command that a shell starts."""
    program = f'exec "{sys.executable}" -m qflock {command} {redirected}'
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_cannot_be_written_is_one_line(command: str, tmp_path: Path) -> None:
    assert typed(command, ">/dev/full", tmp_path) == (2, "", FULL)


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_standard_output_nothing_is_done(command: str, tmp_path: Path) -> None:
    assert typed(command, ">&-", tmp_path) == (2, "", CLOSED)


@pytest.mark.parametrize("redirected", [">&- 2>&-", pytest.param("<&- >&- 2>&-", marks=IN_CI)])
def test_where_nobody_can_be_told_the_exit_code_still_says_it(redirected: str, tmp_path: Path) -> None:
    assert typed("list algorithms", redirected, tmp_path) == (2, "", "")


@pytest.mark.parametrize("redirected", ["2>&-", "<&-", pytest.param("2>/dev/full", marks=IN_CI)])
def test_a_result_needs_neither_standard_error_nor_input(redirected: str, tmp_path: Path) -> None:
    status, out, err = typed("list algorithms --json", redirected, tmp_path)
    assert (status, err) == (0, "")
    assert '"vdn"' in out
    assert typed("list nonsense", redirected, tmp_path)[0] == 2


def test_a_file_never_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """Else what is printed would stand in it, for instance in the weights."""
    program = (
        "import os, subprocess, sys\n"
        "from qflock.machine import streams\n"
        "streams.own()\n"
        "with open('file', 'w') as file:\n"
        "    print(file.fileno() > 2)\n"
        "    print('said', file=sys.stderr)\n"
        "    subprocess.run(['sh', '-c', 'echo said >&2; read answer; echo $answer'], check=False)\n"
        "    assert sys.stdin.read() == ''\n"
    )
    command = f"exec '{sys.executable}' -c \"$0\" <&- 2>&-"
    done = subprocess.run(["sh", "-c", command, program], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n\n", "")
    assert (tmp_path / "file").read_text() == ""


def test_a_reader_that_has_gone_is_no_error_of_a_table() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "qflock", "list", "algorithms"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_standard_error_that_cannot_be_written_is_let_go_and_output_fails_once() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        lenient = streams._Descriptor(full.fileno(), tells=False)
        assert lenient.write(b"lost") == 4
        strict = streams._Descriptor(full.fileno(), tells=True)
        with pytest.raises(UserError, match="No space left on device"):
            strict.write(b"lost")
        assert strict.write(b"lost too") == 8


def test_a_pipe_that_another_program_made_non_blocking_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    reader = subprocess.Popen(["sh", "-c", "sleep 0.3; wc -c"], stdin=reading, stdout=subprocess.PIPE)
    os.close(reading)
    with io.BufferedWriter(streams._Descriptor(writing, tells=True)) as stream:  # type: ignore[arg-type]
        stream.write(b"x" * 300_000)
    os.close(writing)
    assert int(reader.communicate(timeout=60)[0]) == 300_000


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_run_whose_result_cannot_be_told_is_whole(tmp_path: Path) -> None:
    small = "--num_envs 8 --hidden 16 --train_frequency 64 --eval_episodes 8 --final_episodes 8"
    words = f"train vdn --env two_step --total_steps 640 {small} --run_dir run --json"
    status, _, err = typed(words, ">/dev/full", tmp_path)
    assert status == 2
    assert err.splitlines()[-1] == f"{FULL.strip()}; the run is whole, in run"
    assert (tmp_path / "run" / "summary.json").is_file()
