"""Folders that cannot be made: one line, whichever command wants them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qflock.commands import main
from qflock.evidence import results
from qflock.experiments import file as experiment_file
from qflock.experiments import run as experiment
from qflock.experiments.launchers import Launcher
from qflock.files.storage import CannotWrite
from tests.experiments.conftest import ECHO, LEARNER, Trained, Write


@pytest.fixture
def in_the_way(tmp_path: Path) -> Path:
    """A file where a folder should be."""
    path = tmp_path / "file"
    path.write_text("mine")
    return path


def test_a_sweep_whose_folder_cannot_be_made(
    trained: Trained, write: Write, in_the_way: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write()
    words = [
        "sweep",
        "iql",
        "--env",
        ECHO,
        "--ranges",
        "lr=1e-3,1e-4",
        "--run_dir",
        str(in_the_way / "sweep"),
    ]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"qflock: cannot write {in_the_way / 'sweep'}: Not a directory")
    assert len(said.splitlines()) == 1
    assert trained.begun == []


def test_results_whose_folder_cannot_be_made(in_the_way: Path) -> None:
    with pytest.raises(CannotWrite, match=r"cannot write .*file/results"):
        results.write([], in_the_way / "results")


@pytest.mark.parametrize("launcher", ["local", "processes"])
def test_a_cell_whose_folder_cannot_be_made(launcher: str, write: Write, in_the_way: Path) -> None:
    made = experiment_file.read(write(methods=[{"algorithm": "iql", **LEARNER}]))
    made.folder.mkdir(parents=True)
    (made.folder / "cells").write_text("in the way")
    options = {"count": 2} if launcher == "processes" else {}
    with pytest.raises(CannotWrite, match=r"cannot write .*cells"):
        experiment.run(made, Launcher(launcher, options))


def test_what_a_worker_says_cannot_be_kept(write: Write) -> None:
    made = experiment_file.read(write(methods=[{"algorithm": "iql", **LEARNER}]))
    (cell,) = experiment.experiment_cells.cells(made, {})
    cell.output.mkdir(parents=True)
    with pytest.raises(CannotWrite, match="Is a directory"):
        experiment.run(made, Launcher("processes", {"count": 1}))
