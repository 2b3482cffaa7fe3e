"""Every command and snippet of README and docs runs, page by page, each page in a folder of its own.

What is run: blocks of ``sh``, ``bash`` and ``python``. A block of ``python`` or ``yaml`` that begins with a
comment that names a file (``# my_env.py``) is written to that file instead. HTML comments above a block say:

- ``<!-- not run: REASON -->``: it is not run;
- ``<!-- needs: torch, onnxruntime -->``: it is run where these packages are.

The slow tests run everything (in CI, the pages that are read first), with budgets cut: trainings end after a
few thousand steps, most draw no pictures, evaluations play few episodes, and experiments of ``experiments/``
list their cells. In the others trainings and experiments are dry runs, commands on runs must know their
options, and Python must compile.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import CodeType
from typing import NamedTuple

import numpy as np
import pytest

from qflock.commands import main
from qflock.evidence.dash import server
from qflock.evidence.dash.board import Board
from qflock.evidence.figures import illustrate
from qflock.runs import evaluation
from qflock.runs.train import runner

ROOT = Path(__file__).parents[2]
FILES = Path(__file__).parent / "files"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"((?:^<!--[^\n]*-->\n)*)^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = ("sh", "bash", "python", "yaml")
NAMED = re.compile(r"# ([\w./-]+\.(?:py|yaml|yml|json))\n")
STEPS, EPISODES = 2048, 8
FIRST_READ = (
    "README.md",
    "first_ten_minutes.md",
    "own_environment.md",
    "taking_home.md",
)
"""The pages that CI runs in full."""


class Block(NamedTuple):
    line: int
    language: str
    text: str
    said: dict[str, str]

    @property
    def file(self) -> str | None:
        """The file that it is written to, rather than run."""
        found = NAMED.match(self.text) if self.language in ("python", "yaml") else None
        return found[1] if found else None


def blocks(page: Path) -> list[Block]:
    text, found = page.read_text(encoding="utf-8"), []
    for match in BLOCK.finditer(text):
        comments = re.findall(r"<!-- *([\w ]+?)(?:: *(.*?))? *-->", match[1])
        line = text[: match.start(2)].count("\n") + 1
        if match[2] in LANGUAGES:
            found.append(Block(line, match[2], match[3], dict(comments)))
    return found


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def here(tmp_path, monkeypatch, request):
    """A folder with what the pages take for granted, and small budgets."""
    for name in ("experiments", "configs", "scripts", "results", "docs", "README.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "path", [*sys.path])
    train, resume, score = runner.train, runner.resume, evaluation.evaluate_run

    def short(settings, quiet=False, *others, **more):
        steps = min(settings.run.total_steps, STEPS)
        few = min(settings.run.final_episodes, EPISODES)
        cut = {"total_steps": steps, "log_interval": min(settings.run.log_interval, STEPS)}
        cut |= {"eval_interval": STEPS, "eval_episodes": few, "final_episodes": few}
        return train(replace(settings, run=replace(settings.run, **cut)), True, *others, **more)

    def longer(run, total_steps=None, quiet=False, *others, **more):
        return resume(run, total_steps and 2 * STEPS, True, *others, **more)

    def fewer(run, episodes=512, *others, **more):
        return score(run, min(episodes, EPISODES), *others, **more)

    def looked(folder, host, port, ready):  # the live page is served until it is interrupted
        assert Board(folder).runs()
        ready(f"http://{host}:{port}/")

    monkeypatch.setattr(server, "serve", looked)
    if "first_ten_minutes" not in request.node.name:  # which draws its pictures, for all
        monkeypatch.setattr(illustrate, "illustrate", lambda run: None)
    monkeypatch.setattr(runner, "train", short)
    monkeypatch.setattr(runner, "resume", longer)
    monkeypatch.setattr(evaluation, "evaluate_run", fewer)
    return tmp_path


def commands(text: str) -> list[str]:
    """The commands of a block, continued lines joined."""
    joined = text.replace("\\\n", " ")
    lines = (line.strip().removeprefix("$ ") for line in joined.splitlines())
    parts = (
        part.strip() for line in lines for part in (line.split("; ") if line[:7] == "qflock " else [line])
    )
    return [part for part in parts if part and not part.startswith("#")]


def run_line(line: str) -> None:
    """Run a command as a shell would: those of qflock in this process, others by bash."""
    words = shlex.split(line, comments=True)
    if words[0] == "qflock":
        if words[1] == "experiment" and words[2].startswith("experiments/"):
            words.append("--dry_run")
        assert main(words[1:]) == 0, line
    elif not line.startswith("python3 -m venv"):  # installs from the network: CI begins with such a line
        assert words[0] in ("ls", "cat"), f"{line!r}: say why it is not run, or make it run"
        subprocess.run(["bash", "-ec", line], check=True, capture_output=True)


def check_line(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What can be known of a command without a run."""
    words = shlex.split(line, comments=True)
    if words[0] != "qflock":
        return
    is_new = words[1] == "new" and not Path(words[3]).exists()  # what stands below may need the file
    if words[1] in ("doctor", "list") or is_new or "--help" in words:
        assert main(words[1:]) == 0, line
    elif words[1] in ("train", "experiment"):
        assert main([*words[1:], "--dry_run"]) == 0, line
    elif words[1] != "sweep":  # whose options are those of train, and more
        capsys.readouterr()
        assert main([words[1], "--help"]) == 0, line
        known = capsys.readouterr().out
        for word in words[2:]:
            if word.startswith("--") and not word.startswith("--env."):
                assert word.partition("=")[0] in known, line


def steps_of(page: Path) -> Iterator[Block]:
    """The blocks that are run, in their order; files are written on the way."""
    for block in blocks(page):
        if "not run" in block.said:
            assert len(block.said["not run"]) > 10, f"{page}:{block.line}: say why it is not run"
        elif block.file:
            Path(block.file).write_text(block.text)
        elif not any(map(missing, filter(None, re.split(r"[, ]+", block.said.get("needs", ""))))):
            yield block


def missing(package: str) -> bool:
    return importlib.util.find_spec(package) is None


def compiled(page: Path, block: Block) -> CodeType:
    return compile("\n" * block.line + block.text, str(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_page_reads(page, here, capsys):
    for block in steps_of(page):
        if block.language == "python":
            compiled(page, block)
        elif block.language in ("sh", "bash"):
            for line in commands(block.text):
                check_line(line, capsys)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.ci_slow] if page.name in FIRST_READ else []) for page in PAGES],
    ids=page_id,
)
def test_page_runs(page, here):
    names = {"__name__": "page", "observations": np.zeros((4, 18))}
    for block in steps_of(page):
        if block.language == "python":
            exec(compiled(page, block), names)
        elif block.language in ("sh", "bash"):
            for line in commands(block.text):
                run_line(line)


def test_blocks_are_found():
    """A change of the pages' form must not empty the test."""
    found = [block for page in PAGES for block in blocks(page)]
    assert sum(b.language in ("sh", "bash") for b in found) >= 20
    assert sum(b.language == "python" for b in found) >= 8
    fences = sum(page.read_text().count(f"\n```{name}\n") for page in PAGES for name in LANGUAGES)
    assert len(found) == fences
    not_run = [b for b in found if "not run" in b.said]
    assert len(not_run) < len(found) / 4
