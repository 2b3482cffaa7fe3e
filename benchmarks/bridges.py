"""Environment steps per second of QMIX's training on the same game of two other libraries.

JaxMARL's lives in the compiled program, PettingZoo's in worker processes. Compile time is apart.
"""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

import jax
import numpy as np

from benchmarks.training import measure
from qflock.runs.train import programs
from qflock.settings import config

COMPILED = "jaxmarl:MPE_simple_spread_v3"
HOSTED = "pettingzoo:mpe2.simple_spread_v3"


def on_host(name: str, chunks: int) -> dict[str, Any]:
    """Best and median steps per second with worker processes, learning included."""
    settings = config.resolve(
        "qmix", overrides={"env": name, "log_interval": 2_000, "min_buffer_size": 1_024}
    )
    made = programs.build(settings)
    assert not made.one_program
    try:
        began = time.perf_counter()
        state = made.init(np.arange(1, dtype=np.uint32))
        for _ in range(2):  # compiles, starts the workers, fills the replay
            state, chunk = made.chunk(state)
        compile_seconds = time.perf_counter() - began
        speeds = []
        for _ in range(chunks):
            began = time.perf_counter()
            state, chunk = made.chunk(state)
            jax.block_until_ready(state.learner)
            speeds.append(int(chunk.tally.env_steps.sum()) / (time.perf_counter() - began))
    finally:
        made.close()
    assert all(np.isfinite(x).all() for x in chunk.metrics.values()), "learning had not begun"
    return {
        "compile_and_start_seconds": round(compile_seconds, 2),
        "best_steps_per_second": round(max(speeds)),
        "median_steps_per_second": round(statistics.median(speeds)),
        "workers": os.cpu_count(),
    }


def benchmark(quick: bool = False) -> dict[str, Any]:
    """Both bridges."""
    compiled = config.resolve("qmix", overrides={"env": COMPILED, "log_interval": 20_000})
    return {
        "jaxmarl": measure(compiled, 3 if quick else 15),
        "pettingzoo": on_host(HOSTED, 3 if quick else 10),
    }
