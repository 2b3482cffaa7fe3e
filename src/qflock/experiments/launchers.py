"""Where cells run: in this process, in parallel processes, on SLURM or on Ray.

Each launcher takes cells that are not done and tells how each ended. A cell that fails stops no other.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from qflock.core.errors import UserError, unknown
from qflock.experiments import cell as experiment_cell
from qflock.experiments.cell import Cell
from qflock.files.storage import cannot_write, make_folder, remove
from qflock.machine import children

NAMES = ("local", "processes", "slurm", "ray")
POLL = 0.1  # seconds between looks at processes and jobs
INTERRUPTED = 130


class Report(Protocol):
    """What a launcher tells while it works."""

    def started(self, cell: Cell) -> None:
        """A cell was begun, or handed to a queue."""

    def ended(self, cell: Cell, error: str | None) -> None:
        """A cell is done, or failed with one line.

        Args:
            cell: which.
            error: why it failed; None where it is done.
        """


@dataclass(frozen=True)
class Launcher:
    """Which launcher, with its options.

    Attributes:
        name: local, processes, slurm or ray.
        options: ``count`` of processes; for slurm those of submitit (``timeout_min``, ``slurm_partition``,
            ``gpus_per_node`` ...) and ``cluster``; for ray ``address`` and those of ``ray.remote``.
    """

    name: str = "local"
    options: dict[str, Any] = field(default_factory=dict)


def read(name: Any, where: str = "--launcher") -> Launcher:
    """A launcher as it is typed or stands in YAML: ``local``, ``processes:4``, ``{processes: 4}``,
    ``{slurm: {slurm_partition: gpu}}``.

    Args:
        name: a name, with or without options.
        where: what error messages start with.

    Raises:
        UserError: no such launcher, or options that it cannot have.
    """
    options: Any = None
    if isinstance(name, Mapping) and len(name) == 1:
        name, options = next(iter(name.items()))
    elif isinstance(name, str) and ":" in name:
        name, _, options = name.partition(":")
    if name not in NAMES:
        raise UserError(f"{where}: {unknown('launcher', str(name), NAMES)}")
    if name == "processes" and not isinstance(options, Mapping):
        options = {"count": os.cpu_count() or 1 if options is None else options}
    if name == "ray" and isinstance(options, str):
        options = {"address": options}
    options = {} if options is None else options
    if not isinstance(options, Mapping) or (name == "local" and options):
        raise UserError(f"{where}: {name} has no options {options!r}")
    if name == "processes":
        try:
            count = int(options.get("count", 0))
        except (TypeError, ValueError):
            count = 0
        if count < 1 or set(options) != {"count"}:
            raise UserError(f"{where}: processes takes their number, as in processes:4, got {options!r}")
        options = {"count": count}
    return Launcher(name, dict(options))


def launch(launcher: Launcher, cells: Sequence[Cell], report: Report, folder: Path) -> None:
    """Bring cells to their ends.

    Args:
        launcher: where.
        cells: those that are not done.
        report: hears of every cell.
        folder: where SLURM jobs leave their files.

    Raises:
        UserError: the launcher needs a package or a cluster that is not there.
        Interrupted: asked to stop; states are saved.
    """
    if not cells:
        return
    if launcher.name == "local":
        for cell in cells:
            report.started(cell)
            report.ended(cell, experiment_cell.attempt(cell))
    elif launcher.name == "processes":
        _Processes(launcher.options["count"], report).run(cells)
    elif launcher.name == "slurm":
        _on_slurm(dict(launcher.options), cells, report, folder)
    else:
        _on_ray(dict(launcher.options), cells, report)


class _Processes:
    """Some worker processes at a time, one a cell, that share the cores."""

    def __init__(self, count: int, report: Report) -> None:
        self.count, self.report = count, report
        self.threads = max(1, (os.cpu_count() or 1) // count)
        self.alive: dict[subprocess.Popen[bytes], Cell] = {}

    def run(self, cells: Sequence[Cell]) -> None:
        waiting = list(cells)
        try:
            while waiting or self.alive:
                while waiting and len(self.alive) < self.count:
                    self._start(waiting.pop(0))
                time.sleep(POLL)
                for process in [p for p in self.alive if p.poll() is not None]:
                    self._end(process)
        finally:
            self._stop()

    def _start(self, cell: Cell) -> None:
        make_folder(cell.output.parent)
        try:
            output = cell.output.open("wb")
        except OSError as problem:
            raise cannot_write(cell.output, problem) from problem
        with output:
            process = children.start(
                "qflock.experiments.worker",
                variables=_limited(self.threads),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        # The pipe stays open: a worker sees by its end that this process is gone, and saves and stops.
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(cell.to_mapping()).encode() + b"\n")
            process.stdin.flush()
        self.alive[process] = cell
        self.report.started(cell)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        from qflock.runs.train.work import Interrupted

        cell, code = self.alive.pop(process), process.returncode
        with contextlib.suppress(BrokenPipeError):
            process.communicate()
        if code == INTERRUPTED:
            raise Interrupted(cell.folder)
        if code == 0:
            remove(cell.output)
            self.report.ended(cell, None)
        elif code < 0:
            self.report.ended(cell, f"its process was ended by signal {-code}")
        else:
            lines = cell.output.read_text(errors="replace").strip().splitlines()
            self.report.ended(cell, lines[-1] if lines else f"its process ended with status {code}")

    def _stop(self) -> None:
        """Let what still runs save and stop."""
        for process in self.alive:
            process.send_signal(signal.SIGTERM)
        for process in self.alive:
            process.wait()


def _limited(threads: int) -> dict[str, str]:
    """Variables with a number of threads for XLA and for NumPy's libraries."""
    names = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # XLA's pool has NPROC threads
    flags = os.environ.get("XLA_FLAGS", "")
    if threads == 1 and "xla_cpu_multi_thread_eigen" not in flags:
        flags = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    return {**dict.fromkeys(names, str(threads)), "XLA_FLAGS": flags}


def _on_slurm(options: dict[str, Any], cells: Sequence[Cell], report: Report, folder: Path) -> None:
    submitit = _imported("submitit", "slurm")
    where = folder / "slurm"
    try:
        # submitit writes "PYTHON -u -m ...", which would look for modules in the working folder first
        python = f"{shlex.quote(sys.executable)} -P"
        how = {"cluster": options.pop("cluster", "slurm"), "slurm_python": python, "local_python": python}
        executor = submitit.AutoExecutor(folder=where, **how)
        executor.update_parameters(**options)
        with children.kept_safe():
            jobs = executor.map_array(experiment_cell.attempt_mapping, [cell.to_mapping() for cell in cells])
    except (RuntimeError, NameError, ValueError, TypeError) as problem:
        raise UserError(f"cannot use SLURM: {' '.join(str(problem).split())}") from problem
    for cell in cells:
        report.started(cell)
    waiting = list(zip(cells, jobs, strict=True))
    while waiting:
        ended = [(cell, job) for cell, job in waiting if job.done()]
        waiting = [pair for pair in waiting if pair not in ended]
        for cell, job in ended:
            try:
                error = job.result()
            except Exception as problem:  # the job itself failed: out of memory, out of time ...
                error = f"{_last_line(problem)} (see {where})"
            report.ended(cell, error)
        time.sleep(POLL)


def _on_ray(options: dict[str, Any], cells: Sequence[Cell], report: Report) -> None:
    ray = _imported("ray", "ray")
    ours = not ray.is_initialized()
    if ours:
        try:
            with children.kept_safe():
                ray.init(address=options.pop("address", None), log_to_driver=False)
        except Exception as problem:  # a node that does not start is a bare one
            raise UserError(f"cannot use Ray: {' '.join(str(problem).split())}") from problem
    try:
        # A job that dies is begun once more by the next start of the experiment, not by Ray.
        task = ray.remote(**{"num_cpus": 1, "max_retries": 0, **options})(_outside(os.getcwd()))
        waiting = {task.remote(cell.to_mapping()): cell for cell in cells}
        for cell in cells:
            report.started(cell)
        while waiting:
            ready, _ = ray.wait(list(waiting))
            for job in ready:
                try:
                    error = ray.get(job)
                except Exception as problem:  # the worker died
                    error = _last_line(problem)
                report.ended(waiting.pop(job), error)
    finally:
        if ours:
            ray.shutdown()


def _outside(folder: str) -> Callable[[Mapping[str, Any]], str | None]:
    """`attempt_mapping` for Ray, whose workers look for modules in the driver's working folder first.

    A function in a function is pickled with its code: importing our own module would look there already.
    """
    last = [folder] if folder in sys.path else []  # where a module in it was found here

    def attempt(cell: Mapping[str, Any]) -> str | None:
        import sys

        sys.path[:] = [place for place in sys.path if place not in ("", folder)] + last
        from qflock.experiments.cell import attempt_mapping

        return attempt_mapping(cell)

    return attempt


def _imported(package: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as problem:
        raise UserError(f'the launcher {extra} needs {package}: pip install "qflock[{extra}]"') from problem


def _last_line(problem: Exception) -> str:
    lines = [line for line in str(problem).splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else type(problem).__name__
