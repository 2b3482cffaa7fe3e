"""Seconds from the command to the first row of the training log, cold and warm, and peak memory.

The row appears with the first chunk of updates, so the first update is over by then. Every measurement is
a process of its own: `qflock train qmix --env gridworld25` with the shipped settings, and a cache of
compiled programs in a folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STEPS = 100_000


def start(run_dir: Path, cache: Path) -> dict[str, float]:
    """Train for two chunks in a new process.

    Returns:
        Seconds to the log's first row and to the end (final evaluation and pictures included), and the
        process's peak memory in MiB.

    Raises:
        RuntimeError: the command failed.
    """
    settings = ["--env", "gridworld25", "--total_steps", str(STEPS), "--run_dir", str(run_dir), "--quiet"]
    environment = {**os.environ, "QFLOCK_CACHE": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "qflock", "train", "qmix", *settings],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
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
    subprocess.run([sys.executable, "-m", "qflock", "--help"], stdout=subprocess.DEVNULL, check=True)
    return round(time.perf_counter() - began, 2)


def benchmark(quick: bool = False) -> dict[str, Any]:
    """Cold once, warm several times, of which the median by the first row counts."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        cold = start(place / "cold", place / "cache")
        warm = [start(place / f"warm{i}", place / "cache") for i in range(1 if quick else 3)]
    warm.sort(key=lambda one: one["first_row_seconds"])
    return {"help_seconds": help_seconds(), "cold": cold, "warm": warm[len(warm) // 2]}
