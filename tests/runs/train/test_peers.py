"""Several processes train one run: what the others do when one starts late, is killed, or is told to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from qflock.files import csv_log
from qflock.machine import coordinator, processes
from qflock.machine.peers import LOST

TINY = str(Path(__file__).parents[2] / "tiny.py") + ":Echo"
WAIT = 600  # seconds, on a slow machine
WORDS = [
    "--num_envs",
    "8",
    "--num_steps",
    "8",
    "--row_length",
    "4",
    "--hidden",
    "8",
    "--buffer_capacity",
    "2048",
]
WORDS += ["--min_buffer_size", "64", "--batch_size", "16", "--train_frequency", "64", "--log_interval", "64"]
WORDS += ["--eval_interval", "0", "--save_interval", "0", "--final_episodes", "8", "--quiet"]

SLOW = """
import sys, time
from jax._src import compiler

real = compiler.compile_or_get_cached

def slow(backend, computation, *more, **named):
    if "chunk" in str(computation.operation.attributes["sym_name"]):
        print("now", file=sys.stderr, flush=True)
        time.sleep({seconds})
    return real(backend, computation, *more, **named)

compiler.compile_or_get_cached = slow
from qflock.commands import main
sys.exit(main())
"""
"""The command, with so many seconds more to compile the program of the updates."""


class Group:
    """Two processes that train one run, each with a temporary folder of its own."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.home, self.run = home, home / "run"
        self.members: list[subprocess.Popen[bytes]] = []
        for index in (0, 1):
            self.scratch(index).mkdir()

    def start(self, index: int, *words: str, program: Sequence[str] = ("-m", "qflock")) -> None:
        place = {processes.COORDINATOR: f"127.0.0.1:{self.port}", processes.COUNT: "2"}
        flags = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "TMPDIR": str(self.scratch(index))}
        self.members.append(
            subprocess.Popen(
                [sys.executable, *program, *words],
                env={**os.environ, **flags, **place, processes.INDEX: str(index)},
                stdout=subprocess.DEVNULL,
                stderr=self.errors(index).open("wb"),
            )
        )

    def words(self, total_steps: int) -> list[str]:
        words = ["train", "iql", "--env", TINY, "--run_dir", str(self.run), *WORDS]
        return [*words, "--total_steps", str(total_steps), "--state_interval", "0"]

    def train(self) -> None:
        for index in (0, 1):
            self.start(index, *self.words(total_steps=10**8))

    def scratch(self, index: int) -> Path:
        return self.home / f"tmp{index}"

    def errors(self, index: int) -> Path:
        return self.home / f"errors{index}"

    def until(self, ready) -> None:
        end = time.monotonic() + WAIT
        while not ready():
            assert time.monotonic() < end, [self.errors(i).read_text() for i in (0, 1)]
            assert all(one.poll() is None for one in self.members)
            time.sleep(0.05)

    def until_it_trains(self) -> None:
        self.until(lambda: list((self.run / "state").glob("state-*")))

    def lines(self, index: int) -> list[str]:
        """What a process said on standard error, without what Gloo and JAX tell of their connections."""
        said = self.errors(index).read_text().splitlines()
        return [line for line in said if line.strip() and not line.startswith("[Gloo]")]

    def listening(self) -> list[str]:
        """The addresses at which somebody listens on the coordinator's port, as Linux writes them."""
        tables = [Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
        rows = [line.split() for table in tables for line in table]
        return [
            row[1].split(":")[0] for row in rows if row[1].endswith(f":{self.port:04X}") and row[3] == "0A"
        ]

    def coordinators(self) -> list[int]:
        """The numbers of the processes that serve this group."""
        found = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = place.read_bytes().decode(errors="replace")
                if coordinator.__name__ in words and f":{self.port}\0" in words:
                    found.append(int(place.parent.name))
        return found

    def assert_nothing_is_left(self) -> None:
        end = time.monotonic() + WAIT
        while any(list(self.scratch(i).iterdir()) for i in (0, 1)) or self.listening():
            assert time.monotonic() < end, (self.listening(), list(self.home.glob("tmp*/*")))
            time.sleep(0.1)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    made = Group(tmp_path)
    yield made
    for member in made.members:
        member.kill()
        member.wait()


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_others_within_the_heartbeats_time(group: Group, victim: int) -> None:
    """Also the first one, which others call; what was saved goes on, and nothing is left behind."""
    group.train()
    group.until_it_trains()
    assert [place[-8:] for place in group.listening()] == ["0100007F"]  # 127.0.0.1, which was asked, alone
    group.members[victim].kill()
    died, other = time.monotonic(), 1 - victim
    group.members[victim].wait()
    assert group.members[other].wait(WAIT) == LOST
    print(f"process {victim} killed: the other left after {time.monotonic() - died:.1f} s")
    (line,) = group.lines(other)
    assert line == (
        f"qflock: process {victim} of 2 is gone; what is saved is whole. Go on with, in each process: "
        f"qflock resume {group.run}"
    )
    group.assert_nothing_is_left()
    if victim == 1:
        return  # how they go on is the same, and takes as long
    steps = int(csv_log.read(group.run / "training_log.csv")["env_step"][-1]) + 64
    group.members.clear()
    for index in (0, 1):
        group.start(index, "resume", str(group.run), "--total_steps", str(steps), "--quiet")
    assert [member.wait(WAIT) for member in group.members] == [0, 0], [group.lines(i) for i in (0, 1)]
    group.assert_nothing_is_left()


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("whole_machine", [True, pytest.param(False, marks=pytest.mark.left_out)])
def test_where_the_coordinator_is_gone_too_the_others_end_in_good_order(
    group: Group, whole_machine: bool
) -> None:
    """As when the first process's machine is lost; JAX would abort them."""
    group.train()
    group.until_it_trains()
    for number in group.coordinators():
        os.kill(number, signal.SIGKILL)
    if whole_machine:
        group.members[0].kill()
        group.members[0].wait()
    died = time.monotonic()
    for index in (1,) if whole_machine else (0, 1):
        assert group.members[index].wait(WAIT) == LOST
        (line,) = group.lines(index)
        assert line == (
            "qflock: the coordinator, beside process 0, does not answer; what is saved is whole. "
            f"Go on with, in each process: qflock resume {group.run}"
        )
    print(f"coordinator killed: the others left after {time.monotonic() - died:.1f} s")
    if not whole_machine:
        group.assert_nothing_is_left()


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.left_out
def test_processes_wait_for_one_that_starts_late_and_compiles_slowly(group: Group) -> None:
    """Longer than Gloo waits for a connection, which is 30 s; then both train to the end."""
    group.start(0, *group.words(total_steps=64))
    time.sleep(1)
    group.start(1, *group.words(total_steps=64), program=["-c", SLOW.format(seconds=45)])
    assert [member.wait(WAIT) for member in group.members] == [0, 0], [group.lines(i) for i in (0, 1)]
    group.assert_nothing_is_left()


@pytest.mark.slow
@pytest.mark.ci_slow
def test_one_that_is_killed_while_others_wait_for_it_ends_them_too(group: Group) -> None:
    """Also where nobody would find out from a broken connection: before there is any."""
    group.start(0, *group.words(total_steps=64))
    group.start(1, *group.words(total_steps=64), program=["-c", SLOW.format(seconds=10_000)])
    group.until(lambda: bool(group.lines(1)))  # it compiles
    group.members[1].kill()
    died = time.monotonic()
    assert group.members[0].wait(WAIT) == LOST
    print(f"killed while it compiles: the other left after {time.monotonic() - died:.1f} s")
    (line,) = group.lines(0)
    assert line.startswith("qflock: process 1 of 2 is gone")
    assert line.endswith(f"qflock resume {group.run}")
    group.assert_nothing_is_left()


@pytest.mark.slow
@pytest.mark.ci_slow
def test_one_that_waits_alone_can_be_stopped(group: Group) -> None:
    group.start(0, *group.words(total_steps=64))
    group.until(lambda: bool(group.listening()))
    time.sleep(2)
    group.members[0].send_signal(signal.SIGINT)
    assert group.members[0].wait(WAIT) == 130
    assert group.lines(0) == ["qflock: interrupted"]
    group.assert_nothing_is_left()


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, pytest.param(1, marks=pytest.mark.ci_slow)])
def test_a_process_that_is_told_to_stop_stops_all_with_their_state_saved(group: Group, victim: int) -> None:
    group.train()
    group.until_it_trains()
    group.members[victim].send_signal(signal.SIGTERM)
    assert [member.wait(WAIT) for member in group.members] == [130, 130]
    for index in (0, 1):
        (line,) = group.lines(index)
        assert line == f"qflock: stopped; the state is saved. Go on with: qflock resume {group.run}"
    group.assert_nothing_is_left()
