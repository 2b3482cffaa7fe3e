"""Where cells run, and an experiment that is killed: with real training, on a tiny environment."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from submitit.core.utils import UncompletedJobError

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.evidence import records
from qflock.experiments import clusters, launchers
from qflock.experiments import file as experiment_file
from qflock.experiments import run as experiment
from qflock.experiments.cell import Cell, Failure
from qflock.experiments.launchers import Launcher
from qflock.experiments.tries import Tries
from qflock.experiments.worker_processes import WorkerProcesses, limited
from qflock.files import csv_log, lock
from qflock.machine import provenance
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


class Doomed:
    """Stands in for `subprocess.Popen`: each worker ends as the next of some programs does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
        self.programs, self.started, self.real = programs, 0, subprocess.Popen
        monkeypatch.setattr(subprocess, "Popen", self)

    def __call__(self, command: list[str], **how: Any) -> Any:
        if command[-1] != "qflock.experiments.worker":
            return self.real(command, **how)
        program = self.programs[self.started % len(self.programs)]
        self.started += 1
        return self.real([sys.executable, "-c", f"import os, sys; sys.stdin.readline(); {program}"], **how)


class Heard:
    """A report that is kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def queued(self, cell: Cell, why: str | None = None) -> None:
        self.lines.append(f"queued: {why}")

    def started(self, cell: Cell) -> None:
        self.lines.append("started")

    def ended(self, cell: Cell, error: str | None) -> None:
        self.lines.append(f"ended: {error}")


def alone(file: Path) -> Cell:
    """A cell of the first method."""
    pair = experiment_file.read(file).pairs[0]
    return Cell("alone", Path("runs/cells/alone"), "iql", pair.settings, pictures=False)


def test_a_killed_worker_is_a_failed_cell(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file, workers = write(), Doomed(monkeypatch, "os.kill(os.getpid(), 9)")
    result = experiment.run(experiment_file.read(file), Launcher("processes", {"count": 2}, tries=1))
    assert workers.started == 2
    assert result["failures"] == dict.fromkeys(("iql-echo", "vdn-echo"), "its process was ended by signal 9")
    assert [cell["state"] for cell in result["cells"]] == ["failed", "failed"]


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("os.kill(os.getpid(), 9)", "its process was ended by signal 9"),
        ("sys.exit(130)", "its process was told to stop; its state is saved"),
        ("print('MemoryError: 8 GB'); sys.exit(75)", "MemoryError: 8 GB"),
    ],
)
def test_a_cell_that_a_signal_or_want_of_memory_ended_is_tried_again(
    write: Write, monkeypatch: pytest.MonkeyPatch, program: str, why: str
) -> None:
    """Also one worker that is told to stop: it alone, not the experiment."""
    cell, heard = alone(write()), Heard()
    Doomed(monkeypatch, program, "sys.exit(0)")
    launchers.launch(Launcher("processes", {"count": 2}), [cell], heard, Path("runs"))
    assert heard.lines == ["started", f"queued: {why}", "started", "ended: None"]
    assert not cell.output.exists()


def test_a_cell_that_fails_by_itself_is_not_tried_again(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, workers = Heard(), Doomed(monkeypatch, "print('ValueError: no'); sys.exit(1)")
    launchers.launch(Launcher("processes", {"count": 2}, tries=5), [alone(write())], heard, Path("runs"))
    assert heard.lines == ["started", "ended: ValueError: no"]
    assert workers.started == 1


@pytest.mark.parametrize(
    ("problem", "passing"),
    [
        (MemoryError(), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes"), True),
        (UncompletedJobError("Job not requeued because: timed-out and not checkpointable."), True),
        (UserError("process 1 of 2 is gone", code=75), True),
        (UserError("lr is -1.0; it must be above 0"), False),
        (ValueError("operands could not be broadcast"), False),
    ],
)
def test_what_passes_is_memory_time_and_lost_machines(
    write: Write, monkeypatch: pytest.MonkeyPatch, problem: Exception, passing: bool
) -> None:
    def work(cell: Cell) -> None:
        raise problem

    monkeypatch.setattr(clusters.experiment_cell, "work", work)
    failure = clusters.experiment_cell.attempt(alone(write()))
    assert failure is not None
    assert failure.passing == passing


def test_sigterm_stops_the_experiment_and_its_workers(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker is told to stop, and waited for."""
    slow = "import signal; signal.signal(15, lambda *_: sys.exit(130)); open('up', 'w'); signal.pause()"
    Doomed(monkeypatch, slow)
    before = signal.getsignal(signal.SIGTERM)

    def stop() -> None:
        while not Path("up").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    file = write()
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        experiment.run(experiment_file.read(file), Launcher("processes", {"count": 1}))
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
    assert [cell["state"] for cell in experiment_results()] == ["waiting", "waiting"]
    with pytest.raises(ChildProcessError):  # no child is left
        os.waitpid(-1, os.WNOHANG)


def experiment_results() -> list[dict[str, Any]]:
    return json.loads(Path("runs/tiny/results.json").read_text())["cells"]


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_worker_that_is_told_to_stop_costs_no_other_cell(write: Write) -> None:
    """Its cell goes on from its saved state; nothing of the first try stays beside it."""
    file = write(
        seeds=[0, 1],
        cells="seed",
        run=RUN | {"total_steps": 12_000},
        methods=[{"algorithm": "iql", **LEARNER}],
    )
    command = [sys.executable, "-m", "qflock", "experiment", str(file), "--launcher", "processes:2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        rows = Path("runs/tiny/cells") / NAMES[0] / "training_log.csv"
        deadline = time.monotonic() + WAIT
        while not rows.is_file() or rows.read_text().count("\n") < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        lock = rows.parent / ".lock"
        os.kill(int(lock.read_text()), signal.SIGTERM)
        _, said = process.communicate(timeout=WAIT * 5)
    assert process.returncode == 0, said
    assert f"queued  {NAMES[0]}: tried again, for its process was told to stop; its state is saved" in said
    assert [cell["state"] for cell in experiment_results()] == ["done", "done"]
    assert not list(Path("runs/tiny").rglob("*.txt"))


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
    monkeypatch.setattr(provenance, "cores", lambda: 8)
    assert WorkerProcesses(3, None).threads == 2  # type: ignore
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    variables = limited(1)
    assert variables["NPROC"] == variables["OMP_NUM_THREADS"] == "1"
    assert variables["XLA_FLAGS"] == "--xla_dump_to=x --xla_cpu_multi_thread_eigen=false"


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
    assert result["failures"] == {"vdn-echo": "ArithmeticError: too much of it"}
    assert [cell["state"] for cell in result["cells"]] == ["done", "failed"]


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_killed_job_says_so_and_where_its_output_is(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """By submitit's executor for one machine, which kills as SLURM does."""

    def killed(mapping: Any) -> None:  # of this function: submitit pickles it by its code
        os.kill(os.getpid(), 9)

    monkeypatch.setattr(clusters.experiment_cell, "attempt_mapping", killed)
    cell, heard = alone(write()), Heard()
    launchers.launch(Launcher("slurm", {"cluster": "local"}), [cell], heard, Path("runs"))
    first, *_, again, last = [line for line in heard.lines if line != "started"]
    pattern = r"its job (\d+) ended without a result \(SLURM says [A-Z]+\) \(see (.+)\)"
    assert first == "queued: None"
    assert re.fullmatch(f"queued: {pattern}", again)
    told = re.fullmatch(f"ended: {pattern}", last)
    assert told is not None
    assert Path(told[2]).is_file()


def test_a_job_is_queued_until_it_has_begun(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LOOK", 0.0)
    cell, heard = alone(write()), Heard()
    queue = clusters._Queue([cell], Tries(heard, 2))
    queue.look([(cell, False)])
    assert heard.lines == ["queued: None"]
    queue.look([(cell, True)])
    queue.look([(cell, True)])
    assert heard.lines == ["queued: None", "started"]
    assert queue.again(cell, Failure("its node is lost", passing=True))
    cell.folder.mkdir(parents=True)
    with lock.held(cell.folder):  # as the run does that trains the cell
        (cell.folder / "configs").mkdir()
        (cell.folder / "configs" / "hparams.json").touch()
        queue.look([(cell, False)])
    assert heard.lines[2:] == ["queued: its node is lost", "started"]


def test_what_ray_says_of_a_lost_node_is_not_cut_in_a_sentence() -> None:
    said = (
        "The task failed as its node is dead.\n\nNode IP: 10.0.0.7. "
        + "This can happen for many reasons, " * 20
    )

    class Errors:
        RayTaskError = TypeError  # another one

    class Ray:
        exceptions = Errors

        def get(self, job: Any) -> None:
            raise RuntimeError(said)

    failure = clusters._outcome_on_ray(Ray(), None)  # type: ignore
    assert failure == Failure("The task failed as its node is dead. Node IP: 10.0.0.7.", passing=True)


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
