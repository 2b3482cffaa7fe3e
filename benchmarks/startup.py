"""Seconds from the command to the first update and to the first row of the training log, and peak memory.

The row appears with the first chunk of updates, 50,000 steps at the shipped settings; a run with a row for
each update tells when the first update is over. Every measurement is a process of its own: `qflock train
qmix --env gridworld25`, and a cache of compiled programs in a folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qflock.machine import children

UPDATE_BY_UPDATE = ("--total_steps", "2000", "--log_interval", "1", "--final_episodes", "1")
TASK = ("qmix", "--env", "gridworld25")


def start(
    run_dir: Path,
    cache: Path,
    settings: Sequence[str] = ("--total_steps", "100000"),
    task: Sequence[str] = TASK,
) -> dict[str, float]:
    """Train for two chunks, or with other settings or on another task, in a new process.

    Returns:
        Seconds to the log's first row and to the end (final evaluation and pictures included), and the
        process's peak memory in MiB.

    Raises:
        RuntimeError: the command failed.
    """
    command = ["train", *task, "--run_dir", str(run_dir), "--quiet", *settings]
    variables = {"QFLOCK_CACHE": str(cache), "JAX_COMPILATION_CACHE_DIR": ""}
    began = time.perf_counter()
    process = children.start("qflock", *command, variables=variables, stdout=subprocess.DEVNULL)
    first = None
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if first is None and _rows(run_dir / "training_log.csv"):
            first = time.perf_counter() - began
        if pid:
            break
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or first is None:
        raise RuntimeError(f"qflock train ended with status {process.returncode}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return {
        "first_row_seconds": round(first, 2),
        "whole_command_seconds": round(time.perf_counter() - began, 2),
        "peak_memory_mib": round(kilobytes / 1024),
    }


def _rows(log: Path) -> int:
    try:
        return max(0, log.read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


def help_seconds() -> float:
    """Seconds that `qflock --help` takes."""
    began = time.perf_counter()
    children.run("qflock", "--help", stdout=subprocess.DEVNULL, check=True)
    return round(time.perf_counter() - began, 2)


def benchmark(quick: bool = False) -> dict[str, Any]:
    """Cold once, warm several times, of which the median by the first row counts; and warm to an update."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        cold = start(place / "cold", place / "cache")
        warm = [start(place / f"warm{i}", place / "cache") for i in range(1 if quick else 3)]
        start(place / "update", place / "cache", UPDATE_BY_UPDATE)
        again = [
            start(place / f"update{i}", place / "cache", UPDATE_BY_UPDATE) for i in range(1 if quick else 3)
        ]
    update = sorted(one["first_row_seconds"] for one in again)[len(again) // 2]
    warm.sort(key=lambda one: one["first_row_seconds"])
    return {
        "help_seconds": help_seconds(),
        "cold": cold,
        "warm": {"first_update_seconds": update, **warm[len(warm) // 2]},
    }
