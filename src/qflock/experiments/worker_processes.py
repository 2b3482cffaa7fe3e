"""Cells in worker processes of this machine: some at a time, one a cell, that share the cores."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence

from qflock.experiments.cell import Cell, Failure
from qflock.experiments.tries import Tries
from qflock.files.storage import cannot_write, make_folder, remove
from qflock.machine import children, provenance, signals
from qflock.machine.peers import LOST

POLL = 0.1  # seconds between looks at processes


class WorkerProcesses:
    """Brings cells to their ends; a worker that dies costs its cell alone."""

    def __init__(self, count: int, tries: Tries) -> None:
        """Nothing is started yet.

        Args:
            count: of workers at a time.
            tries: hears of every cell.
        """
        self.count, self.tries = count, tries
        self.threads = max(1, provenance.cores() // count)
        self.alive: dict[subprocess.Popen[bytes], Cell] = {}

    def run(self, cells: Sequence[Cell]) -> None:
        """Run them all.

        Args:
            cells: those that are not done.
        """
        waiting = list(cells)
        try:
            while waiting or self.alive:
                while waiting and len(self.alive) < self.count:
                    self._start(waiting.pop(0))
                time.sleep(POLL)
                for process in [p for p in self.alive if p.poll() is not None]:
                    cell = self.alive.pop(process)
                    if self.tries.again(cell, _outcome(process, cell)):
                        waiting.append(cell)
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
                variables=limited(self.threads),
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
        self.tries.report.started(cell)

    def _stop(self) -> None:
        """Let what still runs save and stop."""
        for process in self.alive:
            process.send_signal(signal.SIGTERM)
        for process in self.alive:
            process.wait()


def _outcome(process: subprocess.Popen[bytes], cell: Cell) -> Failure | None:
    """How a worker that has ended left its cell."""
    with contextlib.suppress(BrokenPipeError):
        process.communicate()
    code = process.returncode
    if code == 0:
        remove(cell.output)
        return None
    if code == signals.EXIT:
        return Failure("its process was told to stop; its state is saved", passing=True)
    if code < 0:
        return Failure(f"its process was ended by signal {-code}", passing=True)
    lines = cell.output.read_text(errors="replace").strip().splitlines() if cell.output.is_file() else []
    return Failure(lines[-1] if lines else f"its process ended with status {code}", passing=code == LOST)


def limited(threads: int) -> dict[str, str]:
    """Variables with a number of threads for XLA and for NumPy's libraries.

    Args:
        threads: the number.
    """
    names = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # XLA's pool has NPROC threads
    flags = os.environ.get("XLA_FLAGS", "")
    if threads == 1 and "xla_cpu_multi_thread_eigen" not in flags:
        flags = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    return {**dict.fromkeys(names, str(threads)), "XLA_FLAGS": flags}
