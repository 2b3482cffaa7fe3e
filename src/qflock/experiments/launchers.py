"""Where cells run: in this process, in parallel processes, on SLURM or on Ray.

Each launcher takes cells that are not done and tells how each ended. A cell that fails stops no other;
where its failure may pass (a signal, no memory, a lost machine) it is tried again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qflock.core.errors import UserError, unknown
from qflock.experiments import cell as experiment_cell
from qflock.experiments.cell import Cell
from qflock.experiments.clusters import on_ray, on_slurm
from qflock.experiments.tries import TRIES, Report, Tries
from qflock.experiments.worker_processes import WorkerProcesses
from qflock.machine import provenance, signals

NAMES = ("local", "processes", "slurm", "ray")


@dataclass(frozen=True)
class Launcher:
    """Which launcher, with its options.

    Attributes:
        name: local, processes, slurm or ray.
        options: ``count`` of processes; for slurm those of submitit (``timeout_min``, ``slurm_partition``,
            ``gpus_per_node`` ...) and ``cluster``; for ray ``address`` and those of ``ray.remote``.
        tries: how often a cell is tried in all, where its failure may pass.
    """

    name: str = "local"
    options: dict[str, Any] = field(default_factory=dict)
    tries: int = TRIES


def read(name: Any, where: str = "--launcher", tries: int = TRIES) -> Launcher:
    """A launcher as it is typed or stands in YAML: ``local``, ``processes:4``, ``{processes: 4}``,
    ``{slurm: {slurm_partition: gpu}}``.

    Args:
        name: a name, with or without options.
        where: what error messages start with.
        tries: as in `Launcher`.

    Raises:
        UserError: no such launcher, or options that it cannot have.
    """
    if tries < 1:
        raise UserError(f"tries is {tries}; it must be at least 1")
    options: Any = None
    if isinstance(name, Mapping) and len(name) == 1:
        name, options = next(iter(name.items()))
    elif isinstance(name, str) and ":" in name:
        name, _, options = name.partition(":")
    if name not in NAMES:
        raise UserError(f"{where}: {unknown('launcher', str(name), NAMES)}")
    if name == "processes" and not isinstance(options, Mapping):
        options = {"count": provenance.cores() if options is None else options}
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
    return Launcher(name, dict(options), tries)


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
    tries = Tries(report, launcher.tries)
    with signals.interrupting():  # SIGTERM stops what was started, also where no command line does so
        if launcher.name == "local":
            _here(cells, tries)
        elif launcher.name == "processes":
            WorkerProcesses(launcher.options["count"], tries).run(cells)
        elif launcher.name == "slurm":
            on_slurm(dict(launcher.options), cells, tries, folder)
        else:
            on_ray(dict(launcher.options), cells, tries)


def _here(cells: Sequence[Cell], tries: Tries) -> None:
    """Run cells in this process, one after the other."""
    for cell in cells:
        tries.report.started(cell)
        while tries.again(cell, experiment_cell.attempt(cell)):
            tries.report.started(cell)
