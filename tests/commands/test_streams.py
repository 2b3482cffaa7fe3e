"""``--json`` and ``--dry_run``: the result alone on standard output, whoever else prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from qflock.commands import _streams, main

TALKER = Path(__file__).parent / "files" / "talker.py"


@pytest.fixture
def talker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment in a file of its own, which is imported anew."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(TALKER, tmp_path)
    return "talker.py:Talker"


def test_a_check_prints_its_json_alone(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pettingzoo")
    words = ["check", "pettingzoo:tests.bridges.unruly", "--env.talks", "--env.workers", "serial"]
    assert main([*words, "--json"]) == 0
    said = capfd.readouterr()
    assert json.loads(said.out)["fine"] is True
    for line in ("unruly made", "unruly, past Python", "unruly, from a child"):
        assert line in said.err
    assert main(words) == 0
    said = capfd.readouterr()
    assert "unruly made" in said.out
    assert said.out.endswith(": fine\n")


@pytest.mark.parametrize("option", ["--dry_run", "--dry-run"])
def test_settings_are_printed_alone(talker: str, option: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "vdn", "--env", talker, option]) == 0
    said = capfd.readouterr()
    assert yaml.safe_load(said.out)["env"]["name"].endswith(talker)
    for line in ("imported", "past Python", "from C"):
        assert f"talker: {line}" in said.err


def test_help_goes_to_standard_output_whatever_stands_beside_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--help"]) == 0
    assert main(["train", "vdn", "--json", "--help"]) == 0
    assert capfd.readouterr().out.count("--quiet") == 1


def test_what_is_printed_when_the_program_ends_stays_away(talker: str) -> None:
    late = "\nimport atexit\natexit.register(lambda: print('talker: good-bye'))\n"
    Path("talker.py").write_text(Path("talker.py").read_text() + late)
    command = [sys.executable, "-m", "qflock", "train", "vdn", "--env", talker, "--dry_run"]
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["algorithm"] == "vdn"
    assert "talker: good-bye" in done.stderr
    assert "talker: from C" in done.stderr


def test_a_reader_that_has_gone_gets_no_json_and_nobody_else_does() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "qflock", "list", "algorithms", "--json"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_program_that_asks_finds_nobody_unless_there_is_a_terminal(tmp_path: Path) -> None:
    program = (
        "import sys; from qflock.commands import _streams\n"
        "with _streams.kept(sys.argv[1:], ours=True): print(repr(sys.stdin.read()))"
    )
    ask = lambda *words: (
        subprocess.run(
            [sys.executable, "-c", program, *words], input="typed", capture_output=True, text=True, check=True
        ).stdout
    )
    assert ask("train") == "''\n"
    assert ask("train", "--config", "/dev/stdin") == "'typed'\n"


def test_nothing_is_kept_where_standard_output_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with _streams.kept(["--json"], ours=False), _streams.given_back():
        print("nowhere")


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import sys; sys.exit('no licence')", "SystemExit: no licence"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise SystemExit(0)", "SystemExit: 0"),
    ],
)
def test_a_file_that_ends_the_program_when_imported_is_one_line(
    code: str, line: str, talker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("talker.py").write_text(code)
    assert main(["check", talker]) == 2
    path = Path("talker.py").resolve()
    assert capsys.readouterr().err == f"qflock: {path} fails when imported: {line} ({path}:1)\n"


def test_an_environment_that_ends_the_program_while_it_is_compiled_is_named(
    talker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path("talker.py").read_text()
    Path("talker.py").write_text(text.replace('print("talker: reset")', "raise SystemExit('enough')"))
    words = f"train vdn --env {talker} --run_dir run --device cpu --hidden 4"
    assert main(words.split()) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"qflock: {Path('talker.py').resolve()}:")
    assert last.endswith("SystemExit: enough")
    assert not Path("run").exists()
