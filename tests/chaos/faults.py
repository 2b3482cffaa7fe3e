"""The faults, each with the exit codes that are promised for it and the commands that it makes sense for."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.commands import Command
from tests.chaos.stage import STDERR, STDIN, STDOUT, Play, Stage

FINE, FAILED_CELLS, INPUT, STOPPED, NO_READER = 0, 1, 2, 130, 141
KILLED = -signal.SIGKILL
RUN, CELLS, READS, SAYS = "run", "cells", "reads", "says"
ANY = (RUN, CELLS, READS, SAYS)
HOUR = 3600.0
Disturb = Callable[[Stage, Command, Play], list[str]]


def nothing(stage: Stage, command: Command, play: Play) -> list[str]:
    """Let it run."""
    return []


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: in reports, and with ``--faults``.
        codes: exit codes that are promised, besides 0 for a command that got to its end.
        kinds: commands that it makes sense for.
        before: changes what the process will find.
        during: disturbs the process; returns what it found wrong itself.
        after: takes back what stands in the way of going on.
        children: makes sense for commands with children alone.
        heard: whether somebody hears what the command says.
        tidy: whether the command has the time to tidy up.
        harmless: whether the command must get to its end as if nothing had happened.
        silent_death: whether the libraries may end the process without a word of ours.
        harms: whether a file that the command reads is damaged.
    """

    name: str
    codes: Collection[int] = ()
    kinds: Collection[str] = ANY
    before: Callable[[Stage, Command], None] = lambda stage, command: None
    during: Disturb = nothing
    after: Callable[[Stage], None] = lambda stage: None
    children: bool = False
    heard: bool = True
    tidy: bool = True
    harmless: bool = False
    silent_death: bool = False
    harms: bool = False

    def fits(self, command: Command) -> bool:
        """Whether it makes sense for a command."""
        damaged = not self.harms or bool(command.takes)
        return command.kind in self.kinds and damaged and (command.children or not self.children)


def sent(*numbers: int) -> Disturb:
    """Signals, the first at a random moment and each other one soon after."""

    def disturb(stage: Stage, command: Command, play: Play) -> list[str]:
        moment = stage.moment()
        for number in numbers:
            if play.at(moment):
                play.send(number)
            moment += stage.draw.uniform(0.1, 1.0)
        return []

    return disturb


def disk(number: int, most: int) -> Callable[[Stage, Command], None]:
    """A disk that fails from one of the first operations on."""

    def before(stage: Stage, command: Command) -> None:
        stage.shim |= {"errno": number, "after": int(most ** stage.draw.random()) - 1}

    return before


def small_files(stage: Stage, command: Command) -> None:
    """No file may grow beyond some size, of a byte to 100 kB."""
    stage.limits[resource.RLIMIT_FSIZE] = int(100_000 ** stage.draw.random())


def little_memory(stage: Stage, command: Command) -> None:
    """Addresses for less than what the libraries want; from what they start with to nearly enough."""
    stage.limits[resource.RLIMIT_AS] = int(stage.draw.uniform(0.3, 1.8) * 2**30)


def damaged(change: Callable[[Stage, Path], None]) -> Callable[[Stage, Command], None]:
    """One file of a run that the command reads."""

    def before(stage: Stage, command: Command) -> None:
        run = stage.work / stage.draw.choice(command.takes).split()[-1]
        change(stage, stage.draw.choice(sorted(p for p in run.rglob("*") if p.is_file())))

    return before


def cut(stage: Stage, path: Path) -> None:
    """A file's end is lost."""
    os.truncate(path, stage.draw.randrange(max(1, path.stat().st_size)))


def emptied(stage: Stage, path: Path) -> None:
    """A file's contents are lost."""
    os.truncate(path, 0)


def swapped(stage: Stage, path: Path) -> None:
    """The file of that name of another run, or another file of the same run stands there."""
    run = next(p for p in path.parents if p.parent == stage.work)
    other = stage.folder / "other" / path.relative_to(run)
    others = [p for p in path.parent.iterdir() if p.is_file() and p != path]
    source = other if other.is_file() else stage.draw.choice(others or [path])
    shutil.copyfile(source, path)


def clock(stage: Stage, command: Command) -> None:
    """The clock steps, an hour or ten years, back or forward."""
    step = stage.draw.choice((-1, 1)) * stage.draw.choice((HOUR, 24 * 3652 * HOUR))
    stage.shim |= {"step": step, "after": stage.draw.randrange(200)}


def slow_disk(stage: Stage, command: Command) -> None:
    """Every operation on a file takes a while."""
    stage.shim["slow"] = stage.draw.choice((0.005, 0.05))


def dead_child(stage: Stage, command: Command, play: Play) -> list[str]:
    """A process that works for the command is killed, once there is one."""
    runs = play.at(stage.moment())
    while runs and not (children := play.children()):
        time.sleep(0.02)
        runs = play.at(0.0)
    if runs:
        with contextlib.suppress(ProcessLookupError):
            os.kill(stage.draw.choice(children), signal.SIGKILL)
    return []


def in_terminal(stage: Stage, command: Command) -> None:
    """The process has a terminal."""
    stage.handles["ours"], stage.terminal = os.openpty()


def closed_terminal(stage: Stage, command: Command, play: Play) -> list[str]:
    """The terminal is closed at a random moment; until then somebody reads."""
    ours = stage.handles["ours"]
    os.set_blocking(ours, False)
    until = time.monotonic() + stage.moment()
    while time.monotonic() < until and play.at(0.0):
        with contextlib.suppress(OSError):
            os.read(ours, 65536)
        time.sleep(0.02)
    os.close(ours)
    return []


def shut(number: int) -> Callable[[Stage, Command], None]:
    """A standard stream is closed from the start."""
    return lambda stage, command: stage.shut.add(number)


def full(number: int) -> Callable[[Stage, Command], None]:
    """A standard stream leads to a device that is full."""

    def before(stage: Stage, command: Command) -> None:
        stage.streams[number] = os.open("/dev/full", os.O_WRONLY)

    return before


def pipe(stage: Stage, command: Command) -> None:
    """Standard output is a pipe."""
    stage.handles["reader"], stage.streams[STDOUT] = os.pipe()


def reader_leaves(stage: Stage, command: Command, play: Play) -> list[str]:
    """Who reads standard output has gone before anything comes."""
    os.close(stage.handles["reader"])
    return []


def no_home(stage: Stage, command: Command) -> None:
    """The home folder is nowhere, or cannot be written whoever asks."""
    stage.variables["MPLCONFIGDIR"] = None
    stage.variables["HOME"] = stage.draw.choice((str(stage.folder / "nowhere"), "/proc/self/nohome", None))


def no_temporary(stage: Stage, command: Command) -> None:
    """The folder for temporary files is not there."""
    stage.variables["TMPDIR"] = str(stage.folder / "nowhere")


def second_writer(stage: Stage, command: Command, play: Play) -> list[str]:
    """Another process wants to go on with the same run, and is refused while the first one writes."""
    alive = play.at(stage.moment())
    started = (stage.work / "run" / "configs" / "hparams.json").exists()
    outcome = Stage(stage.folder, stage.draw, stage.cache).run("resume run --quiet")
    both = alive and started and play.at(0.0)
    refused = outcome.code == INPUT and len(outcome.error.strip().splitlines()) == 1
    if refused or (outcome.code == FINE and not both):
        return []
    return [f"a second writer ended with {outcome.code}: {outcome.error.strip()[-300:]}"]


def renamed(stage: Stage, command: Command, play: Play) -> list[str]:
    """The run's folder gets another name while it is written."""
    play.at(stage.moment())
    with contextlib.suppress(FileNotFoundError):
        os.rename(stage.work / "run", stage.work / "moved")
    return []


def renamed_back(stage: Stage) -> None:
    """The folder's name is as it was, so that what comes next finds it."""
    moved = stage.work / "moved"
    if moved.exists():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(stage.work / "run")
        os.rename(moved, stage.work / "run")


WRITE = (RUN, CELLS, READS)
FAULTS = (
    Fault("SIGINT", (STOPPED,), during=sent(signal.SIGINT)),
    Fault("SIGINT twice", (STOPPED,), during=sent(signal.SIGINT, signal.SIGINT)),
    Fault("SIGTERM", (STOPPED,), during=sent(signal.SIGTERM)),
    Fault("SIGKILL", (KILLED,), during=sent(signal.SIGKILL), tidy=False, silent_death=True),
    Fault("SIGHUP", (STOPPED,), during=sent(signal.SIGHUP)),
    Fault("SIGSTOP, SIGCONT", during=sent(signal.SIGSTOP, signal.SIGCONT), harmless=True),
    Fault("full disk", (INPUT, FAILED_CELLS), WRITE, before=disk(errno.ENOSPC, 400)),
    Fault("read-only disk", (INPUT, FAILED_CELLS), WRITE, before=disk(errno.EROFS, 20)),
    Fault("small files", (INPUT, FAILED_CELLS), WRITE, before=small_files),
    Fault("little memory", (INPUT, FAILED_CELLS), before=little_memory, silent_death=True, tidy=False),
    Fault("file cut", (INPUT,), before=damaged(cut), harms=True),
    Fault("file emptied", (INPUT,), before=damaged(emptied), harms=True),
    Fault("file swapped", (INPUT,), before=damaged(swapped), harms=True),
    Fault("clock steps", before=clock, harmless=True),
    Fault("slow disk", before=slow_disk, harmless=True),
    Fault("dead worker", (INPUT, FAILED_CELLS), during=dead_child, children=True),
    Fault("closed terminal", (STOPPED,), before=in_terminal, during=closed_terminal, heard=False),
    Fault("stdin closed", before=shut(STDIN), harmless=True),
    Fault("stdout closed", (INPUT,), before=shut(STDOUT), heard=False),
    Fault("stderr closed", (INPUT,), before=shut(STDERR), heard=False),
    Fault("stdout full", (INPUT,), before=full(STDOUT)),
    Fault("stderr full", before=full(STDERR), heard=False),
    Fault("reader gone", (NO_READER,), before=pipe, during=reader_leaves),
    Fault("no home", before=no_home, harmless=True),
    Fault("no temporary folder", before=no_temporary, harmless=True),
    Fault("second writer", (INPUT,), (RUN,), during=second_writer),
    Fault("run renamed", (INPUT,), (RUN,), during=renamed, after=renamed_back),
)
BY_NAME = {fault.name: fault for fault in FAULTS}
