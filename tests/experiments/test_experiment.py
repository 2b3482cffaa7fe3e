"""Experiments: every cell once, none missing, none with other settings; on a runner that trains nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qflock.commands import _cells_output, main
from qflock.commands import experiment as command
from qflock.core.errors import UserError
from qflock.evidence import records
from qflock.evidence.comparison.compare import compare
from qflock.experiments import file as experiment_file
from qflock.experiments import run
from qflock.experiments.launchers import Launcher
from tests.experiments.conftest import LEARNER, RUN, Trained, Write

CELLS = ["iql-echo", "vdn-echo"]


def go(file: Path) -> dict[str, Any]:
    return run.run(experiment_file.read(file), Launcher())


def results(folder: str = "runs/tiny") -> dict[str, Any]:
    return json.loads((Path(folder) / "results.json").read_text())


def test_every_cell_once_and_compare_reads_the_folder(write: Write, trained: Trained) -> None:
    file = write()
    assert go(file)["failures"] == {}
    assert trained.begun == CELLS
    go(file)
    assert trained.begun == CELLS
    assert sorted(path.name for path in Path("runs/tiny").iterdir()) == [".lock", "cells", "results.json"]
    assert trained.resumed == []
    written = results()
    assert [cell["state"] for cell in written["cells"]] == ["done", "done"]
    assert [row["seed"] for row in written["cells"][0]["per_seed"]] == [3, 4]
    for given in ("runs/tiny", "runs/tiny/results.json", "runs/t*"):
        assert [path.name for path in records.find([given])] == CELLS
    table = compare(["runs/tiny"], resamples=100).tables[0]
    assert [row.method for row in table.rows] == ["iql", "vdn"]
    assert table.rows[0].seeds == (3, 4)


def test_a_cell_for_each_seed(write: Write, trained: Trained) -> None:
    go(write(cells="seed", seeds=[3, 7]))
    assert trained.begun == [f"{name}-seed{seed}" for name in CELLS for seed in (3, 7)]
    assert compare(["runs/tiny"], resamples=100).tables[0].rows[1].seeds == (3, 7)


def test_a_stopped_cell_goes_on_and_a_whole_one_is_left_alone(write: Write, trained: Trained) -> None:
    file = write()
    go(file)
    (Path("runs/tiny/cells/vdn-echo") / "summary.json").unlink()
    assert [cell["state"] for cell in run.plan(experiment_file.read(file))["cells"]] == [
        "done",
        "started",
    ]
    go(file)
    assert trained.begun == CELLS
    assert trained.resumed == ["vdn-echo"]


def test_a_kill_between_the_score_and_the_seal_trains_nothing_again(write: Write, trained: Trained) -> None:
    file = write()
    go(file)
    path = Path("runs/tiny/cells/iql-echo/summary.json")
    content = json.loads(path.read_text())
    assert content.pop("experiment") == {"cell": "iql-echo", "label": "iql"}
    del content["sha256"]
    path.write_text(json.dumps(content))
    go(file)
    assert trained.begun == CELLS
    assert "experiment" in json.loads(path.read_text())


def test_changed_settings_of_a_cell_are_refused(write: Write, trained: Trained) -> None:
    go(write())
    methods = [{"algorithm": "iql", **LEARNER}, {"algorithm": "vdn", **LEARNER, "lr": 0.25}]
    with pytest.raises(UserError, match=r"^cell vdn-echo is finished with lr 0.0005, not 0.25; name another"):
        go(write(methods=methods))
    with pytest.raises(UserError, match="cell iql-echo is finished with total_steps 600, not 900"):
        run.plan(experiment_file.read(write(run=RUN | {"total_steps": 900})))
    go(write(run=RUN | {"state_interval": 5.0}))  # no score depends on it
    assert trained.begun == CELLS


def test_a_failing_cell_stops_no_other_and_is_said(
    write: Write, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.failing = {"iql-echo"}
    file = write()
    assert command.run([str(file), "--json"]) == 1
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert [cell["state"] for cell in content["cells"]] == ["failed", "done"]
    lines = [line for line in shown.err.splitlines() if line.startswith("qflock: iql-echo failed")]
    assert lines == ["qflock: iql-echo failed: ArithmeticError: too much of it"]
    assert "Traceback" in Path("runs/tiny/cells/logs/iql-echo.txt").read_text()
    with pytest.raises(UserError, match="1 of 2 cells that are not done, such as iql-echo"):
        records.find(["runs/tiny"])
    trained.failing = set()
    assert command.run([str(file), "--quiet"]) == 0
    assert trained.begun == CELLS
    assert trained.resumed == ["iql-echo"]
    assert not Path("runs/tiny/cells/logs/iql-echo.txt").exists()
    assert "qflock compare runs/tiny" in capsys.readouterr().out


def test_a_cell_that_was_short_of_memory_is_tried_again(
    write: Write, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.short_of_memory = 1
    file = write()
    assert command.run([str(file)]) == 0
    assert (
        "queued  iql-echo: tried again, for MemoryError: none left (0 of 2 done)" in capsys.readouterr().err
    )
    assert trained.resumed == ["iql-echo"]
    assert not Path("runs/tiny/cells/logs/iql-echo.txt").exists()


def test_tries_are_counted(write: Write, trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    trained.short_of_memory = 3
    file = write()
    assert command.run([str(file), "--quiet", "--tries", "3"]) == 1
    assert "qflock: iql-echo failed: MemoryError: none left" in capsys.readouterr().err
    assert [cell["state"] for cell in results()["cells"]] == ["failed", "done"]
    assert main(["experiment", str(file), "--tries", "0"]) == 2
    assert capsys.readouterr().err == "qflock: tries is 0; it must be at least 1\n"


def test_what_is_written_of_a_stopped_experiment_says_of_nothing_that_it_runs(
    write: Write, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file says is said for longer than its writer lives."""

    def finish(where: Any, settings: Any) -> dict[str, Any]:
        assert {cell["state"] for cell in results()["cells"]} <= {"done", "started", "waiting"}
        if where.name == "vdn-echo":
            raise KeyboardInterrupt
        return Trained.finish(trained, where, settings)

    monkeypatch.setattr(trained, "finish", finish)
    with pytest.raises(KeyboardInterrupt):
        go(write())
    assert [cell["state"] for cell in results()["cells"]] == ["done", "started"]


def test_output_of_a_failed_try_goes_when_its_cell_is_done(write: Write, trained: Trained) -> None:
    """Wherever it was tried: a worker's output too."""
    file = write()
    stale = Path("runs/tiny/cells/logs/iql-echo.output.txt")
    stale.parent.mkdir(parents=True)
    stale.write_text("Killed\n")
    go(file)
    assert not stale.exists()


def test_only_folders_that_are_there_are_named(
    write: Write, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    _cells_output.say_failures({"iql-echo": "its job 7 was killed"}, Path("runs/tiny"))
    assert capsys.readouterr().err == "qflock: iql-echo failed: its job 7 was killed\n"
    trained.failing = {"iql-echo"}
    command.run([str(write()), "--quiet"])
    assert capsys.readouterr().err.splitlines()[-1] == "qflock: what they left is in runs/tiny/cells/logs"


def test_a_dry_run_lists_and_writes_nothing(
    write: Write, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write()
    assert command.run([str(file), "--dry_run"]) == 0
    shown = capsys.readouterr().out
    assert "iql-echo" in shown
    assert "2 cells, 0 done" in shown
    assert not Path("runs").exists()


def test_one_environment_with_several_settings_is_split(write: Write, trained: Trained) -> None:
    from tests.experiments.conftest import ECHO

    environments = [
        {"name": ECHO, "horizon": 4},
        {"name": ECHO, "horizon": 5, "settings": {"total_steps": 900}},
    ]
    found = go(write(environments=environments))
    assert trained.begun == [f"{name}-Echo-horizon={n}" for name in ("iql", "vdn") for n in (4, 5)]
    assert found["compare"] == "qflock compare runs/tiny --split horizon"
    assert [cell["total_steps"] for cell in found["cells"]] == [600, 900, 600, 900]
    assert len(compare(["runs/tiny"], split=["horizon"], resamples=100).tables) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sedes": 3}, "unknown key 'sedes'; did you mean 'seeds'"),
        ({"methods": None}, "methods: expected a list of at least one, got None"),
        ({"methods": ["qmx"]}, "unknown algorithm 'qmx'; did you mean 'qmix'"),
        ({"methods": ["iql", "iql"]}, "iql on echo stands twice; its settings are those of iql-echo"),
        ({"methods": ["iql", {"algorithm": "iql", "lr": 0.1}]}, "iql on echo stands twice; give one a label"),
        (
            {"methods": [{"algorithm": "iql", "lrr": 0.1}]},
            "iql on echo: unknown setting 'lrr'; did you mean 'lr'",
        ),
        ({"methods": [{"algorithm": "iql", "seed": 1}]}, "method iql: seed is not set here"),
        ({"environments": ["gridworld26"]}, "unknown environment 'gridworld26'; did you mean 'gridworld25'"),
        ({"environments": [{"grid_size": 4}]}, "environments: expected a name"),
        ({"run": {"lr": 0.1}}, "run: unknown key 'lr'"),
        ({"seeds": [1, 1]}, "seeds: expected a number, or a list of different seeds"),
        ({"seeds": [1, 5]}, "do not count up by one; add 'cells: seed'"),
        ({"launcher": "slrm"}, "unknown launcher 'slrm'; did you mean 'slurm'"),
        ({"launcher": {"processes": 0}}, "processes takes their number"),
        ({"launcher": {"local": {"a": 1}}}, "local has no options"),
    ],
)
def test_bad_files_are_one_line(
    write: Write, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    assert main(["experiment", str(write(**changes))]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not Path("runs").exists()
