"""Workers that are killed, never come back or hold too much: one line names them, and nothing is left."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium")
pytest.importorskip("pettingzoo")

from qflock.bridges.host import watch
from qflock.bridges.host.watch import WorkerLost
from qflock.bridges.host.workers import Workers
from qflock.commands import main
from qflock.core.errors import Notice, UserError
from qflock.playing import conformance
from qflock.runs.train.work import Work
from tests.bridges.test_unruly_hosts import NAME, played, unruly
from tests.marks import IN_CI
from tests.sessions import in_session

LINUX = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the system does not show processes")
ONE = "worker process of copies 0 to 1"
STEP = "copy 0 was in step()"


def nothing_left(leader: int) -> bool:
    """Whether a session is empty, soon."""
    end = time.monotonic() + 30
    while in_session(leader):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def steps(workers: Workers) -> None:
    workers.start(np.array([1, 2]))
    for _ in range(3):
        workers.tick(np.zeros((2, 2), int))


def lost(**settings: Any) -> tuple[str, int]:
    """What is said of two copies that play, and the process in which they did."""
    with Workers(unruly(**settings), 2) as workers:
        leader = getattr(workers._workers[0], "_process", None)
        began = time.monotonic()
        with pytest.raises(WorkerLost) as caught:
            steps(workers)
        assert time.monotonic() - began < 60
    return str(caught.value), leader.pid if leader else 0


@LINUX
@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("is killed", "has ended by itself (SIGKILL, as the system does where memory runs out)"),
        pytest.param("dies", "has ended by itself (exit status 3)", marks=IN_CI),
        ("forks and dies", "has ended by itself (exit status 3)"),
    ],
)
def test_a_worker_that_dies_is_named_and_takes_what_it_started_with_it(way: str, said: str) -> None:
    line, leader = lost(way=way)
    assert line == f"{NAME}: {ONE} {said} while {STEP}"
    assert nothing_left(leader)


@LINUX
@pytest.mark.parametrize(
    ("settings", "doing"),
    [
        ({"way": "has a child that stays"}, STEP),
        pytest.param({"way": "goes round"}, STEP, marks=IN_CI),
        pytest.param({"hangs": "reset"}, "copy 0 was in reset()", marks=IN_CI),
    ],
)
def test_a_worker_process_that_never_comes_back_is_ended(settings: dict[str, str], doing: str) -> None:
    line, leader = lost(**settings, patience=0.5)
    assert line == f"{NAME}: {ONE} was ended: {doing} for more than 0.5 s (--env.patience)"
    assert nothing_left(leader)


def test_a_thread_that_never_comes_back_is_left_behind() -> None:
    line, _ = lost(way="sleeps on", patience=0.3, workers="threads")
    so = "a thread cannot be ended, a worker process can"
    assert line == f"{NAME}: thread of copies 0 to 1: {STEP} for more than 0.3 s (--env.patience); {so}"


@pytest.mark.parametrize(
    "way", ["sleeps on", *(pytest.param(way, marks=IN_CI) for way in ("goes round", "swallows"))]
)
def test_a_call_in_the_main_thread_is_interrupted(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch.Here, "_alarmed", weakref.WeakSet())  # without those that nobody closed
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    line, _ = lost(way=way, patience=0.3, workers="serial")
    assert line == f"{NAME}: {STEP} for more than 0.3 s (--env.patience)"
    assert signal.signal(signal.SIGALRM, before) == signal.SIG_DFL


@LINUX
@pytest.mark.slow
@pytest.mark.ci_slow
def test_workers_that_nobody_closed_and_nobody_holds_end() -> None:
    many = Workers(unruly(), 1)
    leader = many._workers[0]._process.pid
    assert in_session(leader) == [leader]
    del many
    gc.collect()
    assert nothing_left(leader)


def test_a_constructor_that_never_returns_is_interrupted_before_there_is_a_run() -> None:
    with pytest.raises(WorkerLost, match=r"^\S+: copy 0 was being made for more than 0\.3 s"):
        unruly(hangs="made", patience=0.3)


def test_a_copy_that_is_checked_is_watched_too() -> None:
    env = unruly(hangs="reset", patience=0.3)
    with pytest.raises(WorkerLost, match=r"copy 0 was in reset\(\) for more than 0\.3 s"):
        conformance.findings(env)


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ("threads", "thread of copies 0 to 1: copy 0 was in close() 0.5 s after it was asked to close"),
        ("serial", "close() of {NAME} fails, passed over: {NAME}: copy 0 was in close() for more than 0.5 s"),
        pytest.param("processes", f"{ONE}: copy 0 was in close() 0.5 s after it was asked", marks=IN_CI),
    ],
)
def test_a_close_that_never_returns_is_passed_over(
    workers: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("watch", "posts", "workers"):
        monkeypatch.setattr(f"qflock.bridges.host.{module}.CLOSING", 0.5)
    env = unruly(hangs="close after a step", workers=workers)
    began = time.monotonic()
    with pytest.warns(Notice, match=re.escape(said.replace("{NAME}", NAME))):
        played(env)
    assert time.monotonic() - began < 60


def test_a_slow_call_is_none_that_hangs_and_a_program_that_was_stopped_makes_no_call_late() -> None:
    note = watch.Note(bytearray(watch.NOTE_BYTES))
    post = watch.Post("slow", note, watch.Limits(patience=2.0))
    for copy in range(5):
        note.call(copy, watch.STEP)
        assert post.late(1.5) is None  # each call was seen for at most a second
        assert post.late(1.5) is None
    note.call(7, watch.STEP)
    assert post.late(0.25) is None
    assert post.late(3600.0) is None  # the whole program slept
    assert post.late(0.9) is None
    assert post.late(0.9) == "copy 7 was in step() for more than 2 s (--env.patience)"
    note.rest()
    assert post.late(1.0) is None


@LINUX
@pytest.mark.parametrize("way", ["eats", pytest.param("has a child that eats", marks=IN_CI)])
def test_a_worker_that_holds_too_much_memory_is_ended(way: str) -> None:
    line, leader = lost(way=way, memory_limit=0.5)
    said = rf"{NAME}: {ONE} was ended: it held 0\.[5-9] GiB of memory while "
    assert re.fullmatch(said + re.escape(f"{STEP} (--env.memory_limit is 0.5)"), line), line
    assert nothing_left(leader)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"patience": -1}, "patience is -1.0; it must not be negative"),
        ({"memory_limit": 1, "workers": "threads"}, "memory_limit is for worker processes, on Linux"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=f"^{NAME}: {re.escape(line)}$"):
        unruly(**settings)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_worker_may_print_what_it_likes(capfd: pytest.CaptureFixture[str]) -> None:
    played(unruly(way="prints"))
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("line 9999\n") == 2 * 2  # of two copies, to both streams


@LINUX
@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_worker_that_hangs_does_not_outlive_who_asked(tmp_path: Path) -> None:
    program = (
        "import os, signal, numpy as np\n"
        "from qflock.bridges.host import workers\n"
        "from tests.bridges.test_unruly_hosts import unruly\n"
        "many = workers.Workers(unruly(way='sleeps on'), 1)\n"
        "many.start(np.array([1]))\n"
        "many.tick(np.zeros((1, 2), int))\n"
        "many._workers[0].ask('tick', (np.zeros((1, 2), int), [-1]))\n"
        "print(many._workers[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", program]
    root = str(Path(__file__).parents[2])
    paths = {"PYTHONPATH": os.pathsep.join([root, *sys.path])}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **paths})
    assert done.returncode == -signal.SIGKILL
    assert nothing_left(int(done.stdout))


SMALL = (
    "--num_envs 2 --num_steps 4 --hidden 4 --minibatches 1 --epochs 1 --log_interval 16 --state_interval 0 "
    "--eval_interval 0 --eval_episodes 2 --final_episodes 2 --device cpu --quiet"
)


@LINUX
@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_run_whose_worker_is_killed_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, gone, after = tmp_path / "run", [], Work._save

    def kill(self: Work, state: Any) -> None:
        after(self, state)
        if not gone:
            gone.append(self.program._flow._workers._workers[0]._process.pid)  # type: ignore[attr-defined]
            os.kill(gone[0], signal.SIGKILL)

    monkeypatch.setattr(Work, "_save", kill)
    words = f"train pqn_iql --env {NAME} --env.worker_count 1 {SMALL} --total_steps 96 --run_dir {run}"
    assert main(words.split()) == 2
    line = capfd.readouterr().err.splitlines()[-1]
    assert re.search(r"worker process of copies 0 to 1 has ended by itself \(SIGKILL", line)
    assert line.endswith(f". Go on with: qflock resume {run}")
    assert nothing_left(gone[0])
    assert list((run / "state").glob("*.safetensors"))
    assert main(["resume", str(run), "--quiet"]) == 0
