"""Settings of a run: defaults of dataclasses, then a preset, then a YAML file, then the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class RunSettings:
    """Settings that every algorithm has."""

    env: str = "gridworld25"
    """Environment: a name from `qflock list environments`, or a file and class, my_env.py:MyEnv."""
    total_steps: int = 4_000_000
    """Environment steps to train for, summed over copies, for each seed."""
    seeds: int = 1
    """How many seeds to train side by side."""
    seed: int = 0
    """The first seed; the others count up from it."""
    run_dir: Path | None = None
    """Folder of this run; by default runs/<algorithm>-<environment>-<time>-<suffix>."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto takes a GPU if JAX sees one."""
    log_interval: int = 50_000
    """Environment steps between rows of training_log.csv (rounded to whole updates)."""
    eval_interval: int = 500_000
    """Environment steps between evaluations (rounded to whole log intervals); 0 for none but the last."""
    eval_episodes: int = 128
    """Greedy episodes of each evaluation."""
    save_interval: int = 10_000
    """Episodes between weight checkpoints; 0 for none."""
    keep_checkpoints: int = 5
    """How many weight checkpoints to keep, the newest ones; 0 for all."""
    state_interval: float = 60.0
    """Seconds between resumable training states."""
    init_from: Path | None = None
    """A finished run or weights file whose weights to start from."""


@dataclass(frozen=True)
class Settings:
    """All settings of a run, resolved.

    Attributes:
        algorithm: name in the registry, or file.
        run: settings every algorithm has.
        learner: an instance of the algorithm's ``Config``.
        environment: an instance of the environment's ``Config``.
    """

    algorithm: str
    run: RunSettings
    learner: Any
    environment: Any
