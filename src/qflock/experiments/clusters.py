"""Cells as jobs of a cluster: SLURM's, through submitit, and Ray's."""

from __future__ import annotations

import contextlib
import importlib
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from qflock.core.errors import UserError, in_short
from qflock.experiments import cell as experiment_cell
from qflock.experiments.cell import Cell, Failure
from qflock.experiments.tries import Tries
from qflock.machine import children

POLL = 0.1  # seconds between looks at jobs
LOOK = 1.0  # seconds between looks at whether jobs have begun


def on_slurm(options: dict[str, Any], cells: Sequence[Cell], tries: Tries, folder: Path) -> None:
    """Run cells as jobs of SLURM.

    Args:
        options: those of submitit, and ``cluster``.
        cells: those that are not done.
        tries: hears of every cell.
        folder: where the jobs leave their files, in a folder of their own.

    Raises:
        UserError: submitit or the cluster is not there, or does not take the options.
    """
    submitit = _imported("submitit", "slurm")
    where = folder / "slurm"
    with _usable_slurm():
        # submitit writes "PYTHON -u -m ...", which would look for modules in the working folder first
        python = f"{shlex.quote(sys.executable)} -P"
        how = {"cluster": options.pop("cluster", "slurm"), "slurm_python": python, "local_python": python}
        executor = submitit.AutoExecutor(folder=where, **how)
        executor.update_parameters(**options)
        jobs = executor.map_array(experiment_cell.attempt_mapping, [cell.to_mapping() for cell in cells])
    waiting, queue = list(zip(cells, jobs, strict=True)), _Queue(cells, tries)
    while waiting:
        ended = [(cell, job) for cell, job in waiting if job.done()]
        waiting = [pair for pair in waiting if pair not in ended]
        for cell, job in ended:
            failure = _outcome_on_slurm(job)
            again = queue.again(cell, failure)
            if again or failure is None:
                _forget(job)
            if again:
                with _usable_slurm():
                    job = executor.submit(experiment_cell.attempt_mapping, cell.to_mapping())
                waiting.append((cell, job))
        queue.look((cell, job.state == "RUNNING") for cell, job in waiting)
        time.sleep(POLL)


@contextlib.contextmanager
def _usable_slurm() -> Iterator[None]:
    """What submitit raises where a job cannot be handed in, as one line."""
    try:
        with children.kept_safe():
            yield
    except (RuntimeError, NameError, ValueError, TypeError) as problem:
        raise UserError(f"cannot use SLURM: {' '.join(str(problem).split())}") from problem


def _outcome_on_slurm(job: Any) -> Failure | None:
    """How a job that has ended left its cell."""
    from submitit.core.utils import UncompletedJobError

    try:
        return job.result()
    except UncompletedJobError:  # killed, out of memory, its node lost: it left no result
        what = f"its job {job.job_id} ended without a result (SLURM says {job.state})"
        return Failure(what + _see(job), passing=True)
    except Exception as problem:  # of the job, outside of the cell's work: stopped at its limit of time ...
        lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
        raised = [line for line in lines if "Error: " in line and not line.startswith("File ")]
        reason = (raised or lines or [type(problem).__name__])[-1]
        passing = "UncompletedJobError" in reason
        return Failure(
            f"its job {job.job_id} failed: {in_short(reason.rpartition('utils.')[2])}" + _see(job), passing
        )


def _see(job: Any) -> str:
    path = Path(job.paths.stderr)
    return f" (see {path})" if path.is_file() else ""


def _forget(job: Any) -> None:
    """Remove the files of a job that is not the one by which its cell ended, or ended well."""
    for path in Path(job.paths.folder).glob(f"{job.job_id}_*"):
        path.unlink(missing_ok=True)


def on_ray(options: dict[str, Any], cells: Sequence[Cell], tries: Tries) -> None:
    """Run cells as tasks of Ray.

    Args:
        options: ``address``, and those of ``ray.remote``.
        cells: those that are not done.
        tries: hears of every cell.

    Raises:
        UserError: Ray or its cluster is not there.
    """
    ray = _imported("ray", "ray")
    ours = not ray.is_initialized()
    if ours:
        try:
            with children.kept_safe():
                ray.init(address=options.pop("address", None), log_to_driver=False)
        except Exception as problem:  # a node that does not start is a bare one
            raise UserError(f"cannot use Ray: {' '.join(str(problem).split())}") from problem
    try:
        # A task that dies is tried again by us, not by Ray, which would not say so.
        task = ray.remote(**{"num_cpus": 1, "max_retries": 0, **options})(_outside(os.getcwd()))
        waiting, queue = {task.remote(cell.to_mapping()): cell for cell in cells}, _Queue(cells, tries)
        while waiting:
            ready, _ = ray.wait(list(waiting), timeout=LOOK)
            for job in ready:
                cell = waiting.pop(job)
                if queue.again(cell, _outcome_on_ray(ray, job)):
                    waiting[task.remote(cell.to_mapping())] = cell
            queue.look((cell, False) for cell in waiting.values())
    finally:
        if ours:
            ray.shutdown()


def _outside(folder: str) -> Callable[[Mapping[str, Any]], Failure | None]:
    """`attempt_mapping` for Ray, whose workers look for modules in the driver's working folder first.

    A function in a function is pickled with its code: importing our own module would look there already.
    """
    last = [folder] if folder in sys.path else []  # where a module in it was found here

    def attempt(cell: Mapping[str, Any]) -> Any:
        import sys

        sys.path[:] = [place for place in sys.path if place not in ("", folder)] + last
        from qflock.experiments.cell import attempt_mapping

        return attempt_mapping(cell)

    return attempt


def _outcome_on_ray(ray: ModuleType, job: Any) -> Failure | None:
    """How a task that has ended left its cell."""
    try:
        return ray.get(job)
    except ray.exceptions.RayTaskError as problem:  # it could not be begun: a library is missing there ...
        cause = getattr(problem, "cause", problem)
        return Failure(f"{type(cause).__name__}: {in_short(str(cause))}")
    except Exception as problem:  # the worker, its node or its memory
        return Failure(in_short(str(problem) or type(problem).__name__), passing=True)


class _Queue:
    """Which cells wait in the cluster's queue, and which have begun (their folders are locked)."""

    def __init__(self, cells: Sequence[Cell], tries: Tries) -> None:
        self._tries, self._queued, self._looked = tries, {cell.name for cell in cells}, time.monotonic()
        for cell in cells:
            tries.report.queued(cell)

    def again(self, cell: Cell, failure: Failure | None) -> bool:
        """As `Tries.again`."""
        again = self._tries.again(cell, failure)
        (self._queued.add if again else self._queued.discard)(cell.name)
        return again

    def look(self, cells: Iterable[tuple[Cell, bool]]) -> None:
        """See which cells have begun since the last look.

        Args:
            cells: those that have not ended, and whether the cluster says that they run; it may not know.
        """
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        for cell, running in cells:
            if cell.name in self._queued and (running or experiment_cell.state(cell) == "running"):
                self._queued.discard(cell.name)
                self._tries.report.started(cell)


def _imported(package: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as problem:
        raise UserError(f'the launcher {extra} needs {package}: pip install "qflock[{extra}]"') from problem
