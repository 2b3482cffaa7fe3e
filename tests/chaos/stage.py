"""Where a command is played: folders of its own, a process and all that it starts, and what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHIM = Path(__file__).parent / "shim"
STDIN, STDOUT, STDERR = 0, 1, 2
HANGS = 240.0
"""Seconds after which nobody waits any longer, on a slow machine with other work."""
LINGERS = 15.0
"""Seconds in which what a process has started must be gone, once it is."""
MARK = "CHAOS_PLAY"
"""The environment variable by which a process and all that it starts are found again."""
QUICK = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
}
"""Half the time to compile; all plays have it, so that their bits can be compared."""


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes:
        code: its exit status, negative for a signal; None where it had to be killed as it did not end.
        out, error: what it wrote to standard output and standard error.
        seconds: from when qflock began.
        left: the command lines of processes that it left behind; they are gone now.
    """

    code: int | None
    out: str
    error: str
    seconds: float
    left: list[str]


@dataclass
class Stage:
    """Folders to play in, and what is changed about the next process. Faults change these.

    Attributes:
        folder: all of it.
        draw: what is decided by chance.
        cache: where compiled programs are kept, for all plays.
        seconds: how long the command takes undisturbed.
        variables: of the environment; None takes one away.
        shim: what `shim/sitecustomize.py` does.
        limits: resource limits, by their number.
        shut: standard streams that are closed from the start.
        streams: descriptors for standard streams, which are closed here once the process has them.
        handles: descriptors that a fault keeps.
        terminal: the end of a terminal that the process is started in; its own end is closed once it has it.
    """

    folder: Path
    draw: random.Random
    cache: Path
    seconds: float = 0.0
    variables: dict[str, str | None] = field(default_factory=dict)
    shim: dict[str, Any] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)
    shut: set[int] = field(default_factory=set)
    streams: dict[int, int] = field(default_factory=dict)
    handles: dict[str, int] = field(default_factory=dict)
    terminal: int | None = None

    def __post_init__(self) -> None:
        for each in (self.work, self.home, self.temporary):
            each.mkdir(parents=True, exist_ok=True)

    @property
    def work(self) -> Path:
        """The working folder."""
        return self.folder / "work"

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """The folder for temporary files."""
        return self.folder / "tmp"

    @property
    def ready(self) -> Path:
        """A file that is there once qflock has begun."""
        return self.folder / "ready"

    def moment(self) -> float:
        """Seconds from when qflock has begun: a moment of the command's life, at random."""
        return self.draw.uniform(0.0, 1.05) * self.seconds

    def undisturbed(self) -> None:
        """What was changed is as it was."""
        self.variables, self.shim, self.limits, self.shut = {}, {}, {}, set()

    def start(self, words: str) -> Play:
        """Begin ``qflock WORDS``."""
        return Play(self, words)

    def run(self, words: str) -> Outcome:
        """Play ``qflock WORDS`` to its end."""
        return self.start(words).outcome()

    def environment(self, mark: str) -> dict[str, str]:
        """The environment of a process."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        changed = {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "QFLOCK_CACHE": str(self.cache),
            "QFLOCK_TRUST": "1",
            "MPLCONFIGDIR": str(self.cache / "matplotlib"),  # fonts are looked for once
            "PYTHONPATH": os.pathsep.join((str(SHIM), str(ROOT / "src"), str(ROOT))),
            "CHAOS": json.dumps({"folder": str(self.folder), "ready": str(self.ready), **self.shim}),
            MARK: mark,
            "COLUMNS": "120",
            **QUICK,
            **self.variables,
        }
        return {name: value for name, value in {**mine, **changed}.items() if value is not None}


class Play:
    """A process that runs.

    Attributes:
        stage: where.
        process: the process.
    """

    def __init__(self, stage: Stage, words: str) -> None:
        self.stage, self._mark = stage, secrets.token_hex(8)
        self._said = {number: Heard() for number in (STDOUT, STDERR)}
        stage.ready.unlink(missing_ok=True)
        with contextlib.ExitStack() as stack:
            own = {number: stack.enter_context(heard) for number, heard in self._said.items()}
            given = {STDIN: subprocess.DEVNULL, **own, **stage.streams}
            self.process = subprocess.Popen(
                [sys.executable, "-m", "qflock", *words.split()],
                cwd=stage.work,
                env=stage.environment(self._mark),
                stdin=given[STDIN],
                stdout=given[STDOUT],
                stderr=given[STDERR],
                preexec_fn=self._prepare(stage),
                start_new_session=stage.terminal is None,
            )
        for given_away in [*stage.streams.values(), *([] if stage.terminal is None else [stage.terminal])]:
            os.close(given_away)
        stage.streams, stage.terminal = {}, None
        self._began = time.monotonic()
        while not stage.ready.exists() and self.process.poll() is None:
            time.sleep(0.01)
        self._began = time.monotonic()

    @staticmethod
    def _prepare(stage: Stage) -> Callable[[], None] | None:
        limits, shut, terminal = dict(stage.limits), set(stage.shut), stage.terminal
        deaf = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # started with nohup: children inherit that
        if not limits and not shut and terminal is None and not deaf:
            return None

        def prepare() -> None:
            """In the process, before it becomes qflock."""
            if deaf:
                signal.signal(signal.SIGHUP, signal.SIG_DFL)
            if terminal is not None:
                os.login_tty(terminal)
            for what, most in limits.items():
                resource.setrlimit(what, (most, most))
            for number in shut:
                os.close(number)

        return prepare

    def at(self, seconds: float) -> bool:
        """Wait until so many seconds after qflock began; whether the process still runs then."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, self._began + seconds - time.monotonic()))
        return self.process.poll() is None

    def send(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def children(self) -> list[int]:
        """The processes that it has started, and those that these have, which still run."""
        return [pid for pid in marked(self._mark) if pid != self.process.pid]

    def outcome(self) -> Outcome:
        """Wait for the end."""
        try:
            code = self.process.wait(HANGS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        seconds = time.monotonic() - self._began
        until = time.monotonic() + LINGERS
        while (left := self.children()) and time.monotonic() < until:
            time.sleep(0.02)
        lines = [command_line(pid) for pid in left]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return Outcome(code, self._said[STDOUT].text(), self._said[STDERR].text(), seconds, lines)


class Heard:
    """What is written to a pipe, read by a thread. Where it is entered, its other end is open here too."""

    def __init__(self) -> None:
        self._ours, self._theirs = os.pipe()
        self._all = bytearray()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> int:
        return self._theirs

    def __exit__(self, *_: object) -> None:
        os.close(self._theirs)

    def _listen(self) -> None:
        with open(self._ours, "rb", buffering=0) as pipe:
            while piece := pipe.read(65536):
                self._all += piece

    def text(self) -> str:
        """All of it, once everybody who could write is gone."""
        self._thread.join(LINGERS)
        return self._all.decode(errors="replace")


def marked(mark: str) -> list[int]:
    """The processes, by number, whose environment has a mark; those that are dead already have none."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            if f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return found


def command_line(pid: int) -> str:
    """How a process was started."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "a process that has just ended"
    return b" ".join(words).decode(errors="replace").strip()
