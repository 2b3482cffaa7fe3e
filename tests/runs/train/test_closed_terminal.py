"""A terminal that is closed while a command works: what SIGTERM does, and nothing is said to nobody."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from qflock.core.errors import Ended
from qflock.machine import signals
from qflock.settings import foreign
from tests.marks import IN_CI
from tests.sessions import in_session

SMALL = "--num_envs 8 --hidden 16 --train_frequency 64"
ENDLESS = f"--env two_step --total_steps 1000000000 --state_interval 1000 {SMALL}"
ROOT = Path(__file__).parents[3]


TAKES_IT = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # closing it sends SIGHUP to this session
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class Terminal:
    """A command on a terminal of its own.

    Attributes:
        process: the command, at the head of a session.
        shown: what stood on the terminal.
    """

    def __init__(self, words: Sequence[str], cwd: Path, ignores: bool = False) -> None:
        self._ours, theirs = pty.openpty()
        self.shown = b""

        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKES_IT, "SIG_IGN" if ignores else "SIG_DFL", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            start_new_session=True,
        )
        os.close(theirs)

    def until(self, word: bytes, also: Callable[[], bool] = lambda: True) -> None:
        """Read until a word was shown, and something else holds as well."""
        end = time.monotonic() + 240
        while not (word in self.shown and also()):
            assert time.monotonic() < end, self.shown[-2000:]
            if select.select([self._ours], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self._ours, 65536)
                except OSError:  # nobody holds the other end
                    raise AssertionError(self.shown[-2000:]) from None

    def close(self) -> None:
        os.close(self._ours)


@contextlib.contextmanager
def terminal(words: Sequence[str], cwd: Path, ignores: bool = False) -> Iterator[Terminal]:
    one = Terminal(words, cwd, ignores)
    try:
        yield one
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_run_whose_terminal_is_closed_is_saved(tmp_path: Path) -> None:
    words = f"-m qflock train vdn {ENDLESS} --run_dir run".split()
    with terminal(words, tmp_path) as one:
        one.until(b"return ")  # the live bar
        one.close()
        assert one.process.wait(120) == 130
        assert not in_session(one.process.pid)
    assert list((tmp_path / "run" / "state").glob("*.safetensors"))


@pytest.mark.slow
@pytest.mark.ci_slow
def test_under_nohup_a_run_goes_on_without_its_terminal(tmp_path: Path) -> None:
    words = f"-m qflock train vdn {ENDLESS} --run_dir run".split()
    log = tmp_path / "run" / "training_log.csv"
    with terminal(words, tmp_path, ignores=True) as one:
        one.until(b"return ")
        one.close()
        rows = log.read_text().count("\n")
        end = time.monotonic() + 240
        while log.read_text().count("\n") < rows + 3:
            assert one.process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(120) == 130


EXPERIMENT = f"""name: mine
seeds: 2
cells: seed
run: {{{", ".join(word.strip().replace(" ", ": ") for word in ENDLESS.split("--")[2:4])}}}
environments: [two_step]
methods: [{{algorithm: vdn, num_envs: 8, hidden: [16], train_frequency: 64}}]
launcher: {{processes: 2}}
"""
LONG = {
    "experiment": "-m qflock experiment mine.yaml",
    "sweep": f"-m qflock sweep vdn {ENDLESS} --ranges lr=1e-3,1e-4 --run_dir sweep",
    "benchmarks": "-m benchmarks --only environment --name never",
}
CELLS = {"experiment": "runs/mine/cells/*", "sweep": "sweep/trials/*"}


@pytest.mark.parametrize("command", [pytest.param(name, marks=IN_CI) for name in LONG])
def test_every_long_command_ends_with_its_terminal_and_leaves_no_process(
    command: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    cells = CELLS.get(command)
    trains = lambda: cells is None or any(tmp_path.glob(f"{cells}/training_log.csv"))
    with terminal(LONG[command].split(), tmp_path) as one:
        one.until(b"environment" if cells is None else b"", trains)
        one.close()
        assert one.process.wait(240) == 130
        end = time.monotonic() + 60
        while in_session(one.process.pid):
            assert time.monotonic() < end
            time.sleep(0.2)
    if cells is not None:
        assert list(tmp_path.glob(f"{cells}/state/*.safetensors"))


INTERRUPTED = """
import signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from qflock import commands
from qflock.machine import signals
def work():
    print("ready", flush=True)
    time.sleep(60)
sys.exit(commands.guarded(work))
"""


@pytest.mark.parametrize("number", signals.ENDING)
def test_whatever_a_command_does_ends_with_130(number: signal.Signals) -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "qflock: interrupted\n")


@pytest.fixture
def hangups() -> Iterator[None]:
    """SIGHUP does what it does where nobody set it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangups")
def test_the_end_of_the_process_is_no_failure_of_an_environment_and_comes_once() -> None:
    def work() -> None:
        signal.raise_signal(signal.SIGHUP)

    def imported() -> None:
        with signals.interrupting():
            try:
                foreign.need(work, "my_env.py fails when imported")
            finally:
                signal.raise_signal(signal.SIGTERM)  # what is tidied up is not interrupted

    with pytest.raises(Ended):  # and no UserError that blames the environment
        imported()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


@pytest.mark.usefixtures("hangups")
def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals.interrupting():
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        signal.raise_signal(signal.SIGHUP)
