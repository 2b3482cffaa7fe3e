"""Environment steps per second of QMIX's training on GridWorld25v0, compile time apart.

Three schedules: the shipped settings; the published one, a gradient step on 64 transitions after every 4
steps, as scripts/train_qmix.py has it; and the same ratio in blocks, with 50 environments side by side. An
accelerator gets a fourth, with 65,536.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.environment import MANY
from qflock.runs.train import programs
from qflock.settings import config
from qflock.settings.config import Settings
from scripts.train_qmix import Options, settings_of

PUBLISHED_SCRIPT = 570
"""Steps per second of the published per-step PyTorch loop on 2 cores: as given, not measured here."""

WIDE = {
    "env": "gridworld25",
    "copies": MANY,
    "buffer_capacity": 32 * MANY,
    "batch_size": MANY // 4,
    "train_frequency": MANY,
    "log_interval": 32 * MANY,
}
"""For accelerators: as many copies as fill one, with batches that do too."""


def schedules() -> dict[str, Settings]:
    """The settings that are measured, by name; log intervals are a fraction of a second of work."""
    shipped = config.resolve("qmix", overrides={"env": "gridworld25", "log_interval": 20_000})
    found = {
        "shipped": shipped,
        "published": settings_of(Options(), Path("unused")),
        "published_in_blocks": settings_of(Options(copies=50), Path("unused")),
    }
    if jax.default_backend() != "cpu":
        found["many_copies"] = config.resolve("qmix", overrides=WIDE)
    return found


def measure(settings: Settings, chunks: int) -> dict[str, Any]:
    """Compile, train until learning has begun, then time ``chunks`` chunks.

    Returns:
        compile_seconds, and best and median environment steps per second.
    """
    made = programs.build(settings)
    seeds = np.arange(settings.run.seeds, dtype=np.uint32)
    began = time.perf_counter()
    shapes = jax.eval_shape(made.init, seeds)
    for one in made.ahead(shapes):
        one.function.lower(*one.shapes).compile()
    compile_seconds = time.perf_counter() - began
    state, done = made.init(seeds), 0
    while done <= getattr(settings.learner, "min_buffer_size", 0):
        state, chunk = made.chunk(state)
        done += int(chunk.tally.env_steps.sum())
    speeds = []
    for _ in range(chunks):
        began = time.perf_counter()
        state, chunk = jax.block_until_ready(made.chunk(state))
        speeds.append(int(chunk.tally.env_steps.sum()) / (time.perf_counter() - began))
    assert all(np.isfinite(x).all() for x in chunk.metrics.values()), "learning had not begun"
    return {
        "compile_seconds": round(compile_seconds, 2),
        "best_steps_per_second": round(max(speeds)),
        "median_steps_per_second": round(statistics.median(speeds)),
    }


def benchmark(quick: bool = False) -> dict[str, Any]:
    """Every schedule, and how many times faster than the published script the published one is."""
    chunks = 3 if quick else 15
    found: dict[str, Any] = {name: measure(settings, chunks) for name, settings in schedules().items()}
    found["published_script_steps_per_second_as_given"] = PUBLISHED_SCRIPT
    for name, settings in schedules().items():
        learner: Any = settings.learner
        block = learner.num_envs * learner.num_steps
        found[name]["gradient_steps_per_1000_steps"] = round(1000 * learner.gradient_steps / block, 2)
        found[name]["batch_size"] = learner.batch_size
    for name in ("published", "published_in_blocks"):
        speed = found[name]["median_steps_per_second"]
        found[name]["times_the_published_script"] = round(speed / PUBLISHED_SCRIPT, 1)
    return found
