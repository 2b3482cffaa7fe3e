"""Where cells run, and an experiment that is killed: with real training, on a tiny environment."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.evidence import records
from qflock.experiments import file as experiment_file
from qflock.experiments import launchers
from qflock.experiments import run as experiment
from qflock.experiments.cell import Cell
from qflock.experiments.launchers import Launcher
from qflock.files import csv_log
from tests.experiments.conftest import LEARNER, RUN, Trained, Write

SEEDS = [0, 1, 2]
NAMES = [f"iql-echo-seed{seed}" for seed in SEEDS]
WAIT = 120  # seconds


def identity(name: str) -> tuple[str, int]:
    """Which run lies in a cell's folder, and when its score was written."""
    path = Path("runs/tiny/cells") / name
    facts = json.loads((path / "configs/hparams.json").read_text())
    return facts["id"], (path / "summary.json").stat().st_mtime_ns


@pytest.mark.slow
@pytest.mark.ci_slow
def test_killed_half_way_and_started_again(write: Write) -> None:
    run = RUN | {"total_steps": 12_000}
    file = write(seeds=SEEDS, cells="seed", run=run, methods=[{"algorithm": "iql", **LEARNER}])
    with subprocess.Popen([sys.executable, "-m", "qflock", "experiment", str(file), "--quiet"]) as process:
        second = Path("runs/tiny/cells") / NAMES[1] / "training_log.csv"
        deadline = time.monotonic() + WAIT
        while not second.is_file() or len(second.read_bytes().splitlines()) < 3:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()  # SIGKILL: no goodbye
    stated = experiment_file.read(file)
    assert [cell["state"] for cell in experiment.plan(stated)["cells"]] == ["done", "started", "waiting"]
    first = identity(NAMES[0])
    begun = json.loads((second.parent / "configs/hparams.json").read_text())["id"]

    assert main(["experiment", str(file), "--quiet", "--launcher", "processes:2"]) == 0
    assert identity(NAMES[0]) == first  # not again
    assert identity(NAMES[1])[0] == begun  # the same run, gone on with
    assert [path.name for path in records.find(["runs/tiny"])] == NAMES
    assert {path.name for path in Path("runs/tiny/cells").iterdir()} - {"logs"} == set(NAMES)
    for name, seed in zip(NAMES, SEEDS, strict=True):
        rows = csv_log.read(Path("runs/tiny/cells") / name / "training_log.csv")
        assert set(rows["seed"]) == {seed}
        assert (np.diff(rows["env_step"]) > 0).all()
        assert rows["env_step"][-1] >= run["total_steps"]


def test_a_killed_worker_is_a_failed_cell(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    doomed = "import os, sys; sys.stdin.readline(); os.kill(os.getpid(), 9)"
    real = subprocess.Popen
    started = []

    def popen(command: list[str], **how: Any) -> Any:
        if command[-1] != "qflock.experiments.worker":
            return real(command, **how)
        started.append(command)
        return real([sys.executable, "-c", doomed], **how)

    file = write()
    monkeypatch.setattr(launchers.subprocess, "Popen", popen)
    result = experiment.run(experiment_file.read(file), Launcher("processes", {"count": 2}))
    assert len(started) == 2
    assert result["failures"] == dict.fromkeys(("iql-echo", "vdn-echo"), "its process was ended by signal 9")


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_worker_stops_when_its_parent_is_gone(write: Write) -> None:
    file = write()
    cell = experiment_file.read(file).pairs[0]
    folder = Path("runs/alone")
    long = replace(cell.settings, run=replace(cell.settings.run, total_steps=10**9, run_dir=folder))
    mapping = Cell("alone", folder, "iql", long, pictures=False).to_mapping()
    command = [sys.executable, "-m", "qflock.experiments.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(mapping).encode() + b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + WAIT
        rows = folder / "training_log.csv"
        while not rows.is_file() or rows.read_text().count("\n") < 2:  # before: nothing to save
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.stdin.close()  # as the system does it when a parent dies
        assert process.wait(WAIT) == 130
    assert list((folder / "state").glob("state-*"))


def test_threads_of_parallel_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert launchers._Processes(3, None).threads == 2  # type: ignore
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    limited = launchers._limited(1)
    assert limited["NPROC"] == limited["OMP_NUM_THREADS"] == "1"
    assert limited["XLA_FLAGS"] == "--xla_dump_to=x --xla_cpu_multi_thread_eigen=false"


@pytest.mark.parametrize("package", ["submitit", "ray"])
def test_a_missing_package_is_said_in_one_line(
    write: Write, trained: Trained, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # importing it fails
    extra = {"submitit": "slurm"}.get(package, package)
    with pytest.raises(UserError) as refused:
        experiment.run(experiment_file.read(write()), Launcher(extra))
    assert str(refused.value) == f'the launcher {extra} needs {package}: pip install "qflock[{extra}]"'


def test_slurm_jobs_through_submitit(write: Write, trained: Trained) -> None:
    trained.failing = {"vdn-echo"}
    file = write(launcher={"slurm": {"cluster": "debug", "timeout_min": 1}})
    stated = experiment_file.read(file)
    before = signal.getsignal(signal.SIGUSR1)
    result = experiment.run(stated, launchers.read(stated.launcher))
    signal.signal(signal.SIGUSR1, before or signal.SIG_DFL)
    assert result["failures"] == {"vdn-echo": "MemoryError: too much of it"}
    assert [cell["state"] for cell in result["cells"]] == ["done", "failed"]


def test_no_cluster_is_said_in_one_line(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="cannot use SLURM: "):
        experiment.run(experiment_file.read(write()), Launcher("slurm"))


if importlib.util.find_spec("ray"):  # an extra: where it is not installed there is no such launcher to test

    def test_ray_on_one_machine(write: Write) -> None:
        file = write(seeds=[0, 1], cells="seed", methods=[{"algorithm": "iql", **LEARNER}])
        result = experiment.run(experiment_file.read(file), Launcher("ray", {"num_cpus": 1}))
        assert result["failures"] == {}
        assert [cell["state"] for cell in result["cells"]] == ["done", "done"]
