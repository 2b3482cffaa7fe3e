"""One cell of an experiment: a run in its own folder that is done once, gone on with, or left alone."""

from __future__ import annotations

import fcntl
import json
import os
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from qflock.core import texts
from qflock.core.errors import UserError, in_short
from qflock.evidence import records
from qflock.files.storage import make_folder, remove, write_text
from qflock.machine import device, versions
from qflock.machine.peers import LOST
from qflock.runs import summaries
from qflock.runs.folder import RunFolder, open_run
from qflock.settings import config
from qflock.settings.config import Settings

State = Literal["waiting", "started", "queued", "running", "done", "failed"]
NOT_COUNTED = ("device", "devices", "save_interval", "keep_checkpoints", "state_interval")
NOT_COUNTED += ("heartbeat_timeout_seconds",)
"""Settings that may change between two starts of an experiment, as no score depends on them."""
TAIL = 4096  # bytes at the end of a log, in which the last row stands


class Failure(NamedTuple):
    """Why a cell is not done.

    Attributes:
        line: the reason.
        passing: whether it may be another time: memory, a signal, a machine that went away. What a cell does
            wrong by itself it would do again.
    """

    line: str
    passing: bool = False


@dataclass(frozen=True)
class Cell:
    """One method on one environment, with all its seeds or one of them; or one trial of a sweep.

    Attributes:
        name: unique in its experiment, and the name of its folder.
        folder: the run's folder.
        label: of the method.
        settings: of the run; ``run_dir`` is ``folder``.
        tuning: what was spent on finding the settings, see `sweep.budget`; empty where nothing was.
        pictures: whether the finished run gets its plots and its animation.
    """

    name: str
    folder: Path
    label: str
    settings: Settings
    tuning: dict[str, Any] = field(default_factory=dict)
    pictures: bool = True

    @property
    def seeds(self) -> list[int]:
        """The seeds that the cell trains."""
        run = self.settings.run
        return list(range(run.seed, run.seed + run.seeds))

    @property
    def log(self) -> Path:
        """Where a failure leaves its traceback."""
        return self.folder.parent / "logs" / f"{self.name}.txt"

    @property
    def output(self) -> Path:
        """What a process of its own says, kept where it failed."""
        return self.log.with_suffix(".output.txt")

    def to_mapping(self) -> dict[str, Any]:
        """The cell as JSON can hold it, for another process."""
        return {
            "name": self.name,
            "folder": str(self.folder.resolve()),
            "label": self.label,
            "settings": config.to_mapping(self.settings),
            "tuning": self.tuning,
            "pictures": self.pictures,
        }

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Cell:
        """What `to_mapping` wrote."""
        folder = Path(mapping["folder"])
        settings = config.from_mapping(mapping["settings"], mapping["name"])
        settings = replace(settings, run=replace(settings.run, run_dir=folder))
        rest = {name: mapping[name] for name in ("name", "label", "tuning", "pictures")}
        return cls(folder=folder, settings=settings, **rest)


def state(cell: Cell) -> State:
    """How far a cell is, as its folder tells: waiting, started, running or done."""
    run = RunFolder(cell.folder)
    if not run.hparams.is_file():
        return "waiting"
    if _is_held(cell.folder):
        return "running"
    return "done" if _is_sealed(cell) else "started"


def refuse_changed(cell: Cell) -> None:
    """See that what a cell's folder holds was trained with the settings that the cell has now.

    Raises:
        UserError: another run is there; the message names the cell and the first setting that differs.
    """
    if not RunFolder(cell.folder).hparams.is_file():
        return
    try:  # through the dataclasses, so that a setting that came later counts with its default
        before = open_run(cell.folder).settings()
    except UserError as problem:
        raise UserError(f"cell {cell.name}: {problem}") from problem
    then, now = (_counted(settings) for settings in (before, cell.settings))
    for name in {**now, **then}:
        if then.get(name) != now.get(name):
            verb = "is finished" if (cell.folder / "summary.json").is_file() else "was begun"
            raise UserError(
                f"cell {cell.name} {verb} with {name} {then.get(name)}, not {now.get(name)}; "
                f"name another folder for the experiment, or remove {cell.folder}"
            )


def summary(cell: Cell) -> dict[str, Any]:
    """What ``summary.json`` of a finished cell holds.

    Raises:
        UserError: it cannot be read.
    """
    return summaries.read(RunFolder(cell.folder))


def progress(cell: Cell) -> float:
    """Share of the environment steps that the cell's log has, 0 to 1: of the slowest seed logged last."""
    path = RunFolder(cell.folder).training_log
    try:
        with path.open("rb") as file:
            columns = file.readline().decode().strip().split(",")
            file.seek(max(file.tell(), path.stat().st_size - TAIL))
            rows = texts.from_csv(file.read().decode(errors="replace"))
        return min(float(rows[-1][columns.index("env_step")]) / cell.settings.run.total_steps, 1.0)
    except (OSError, ValueError, IndexError):
        return 0.0


def work(cell: Cell) -> None:
    """Bring a cell to its end, from wherever it is: train, go on, or nothing.

    A folder that another process is writing (a job of an earlier start that is still alive) is waited for.

    Raises:
        UserError: as `runner.train` and `runner.resume`.
        Interrupted: asked to stop; the state is saved.
    """
    from qflock.evidence.figures.illustrate import illustrate
    from qflock.runs.train import runner

    while _is_held(cell.folder):
        time.sleep(0.5)
    refuse_changed(cell)
    if _is_sealed(cell):
        return
    run = RunFolder(cell.folder)
    device.use(cell.settings.run.device, devices=cell.settings.run.devices)
    if not run.hparams.is_file():
        make_folder(cell.folder.parent)
        runner.train(cell.settings, quiet=True)
    elif not (cell.folder / "summary.json").is_file():
        runner.resume(cell.folder, quiet=True)
    if cell.pictures:
        illustrate(cell.folder)
    _seal(cell)


def attempt(cell: Cell) -> Failure | None:
    """`work`, with a failure as one line; its traceback goes to the cell's log, which goes once it is done.

    Raises:
        Interrupted: asked to stop; the state is saved.
    """
    from qflock.runs.train.work import Interrupted

    try:
        work(cell)
    except Interrupted:
        raise
    except (Exception, SystemExit) as problem:  # code of others may call sys.exit()
        message = " ".join(str(problem).split()) or "no message"
        line = message
        if not isinstance(problem, UserError):
            old = versions.blamed(problem)
            line = f"{type(problem).__name__}: {in_short(message)}" + (f"; {old}" if old else "")
        make_folder(cell.log.parent)
        write_text(cell.log, f"{traceback.format_exc()}\n{line}\n")
        return Failure(line, _is_passing(problem))
    for path in (cell.log, cell.output):
        remove(path)
    return None


def attempt_mapping(mapping: Mapping[str, Any]) -> Failure | None:
    """`attempt` for a cell as `Cell.to_mapping` gives it, on a machine of a cluster, which may stop it."""
    from qflock.runs.train.work import Interrupted

    try:
        return attempt(Cell.from_mapping(mapping))
    except (Interrupted, KeyboardInterrupt):
        return Failure("it was told to stop by its machine; its state is saved", passing=True)


def _is_passing(problem: BaseException) -> bool:
    """Whether it may go well another time: there was no memory, or another process of the run went away."""
    if isinstance(problem, UserError):
        return problem.code == LOST
    timed_out = type(problem).__name__ == "UncompletedJobError"  # submitit's, at a job's limit of time
    return isinstance(problem, MemoryError) or timed_out or "RESOURCE_EXHAUSTED" in str(problem)


def _seal(cell: Cell) -> None:
    """Write into the summary which method this is and what its tuning cost: the last step of a cell."""
    content = summary(cell)
    content["experiment"] = {"cell": cell.name, "label": cell.label}
    if cell.tuning:
        content |= {"tuning_budget": cell.tuning["env_steps"], "tuning": cell.tuning}
    summaries.write(RunFolder(cell.folder), content)


def _is_sealed(cell: Cell) -> bool:
    return (cell.folder / "summary.json").is_file() and "experiment" in summary(cell)


def _counted(settings: Settings) -> dict[str, Any]:
    flat = records.flat(texts.from_json(json.dumps(config.to_mapping(settings))))
    return {name: value for name, value in flat.items() if name not in NOT_COUNTED}


def _is_held(folder: Path) -> bool:
    """Whether a living process writes the folder."""
    try:
        handle = os.open(folder / ".lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
