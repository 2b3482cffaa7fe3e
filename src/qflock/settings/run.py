"""The settings that every run has, whatever it trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from qflock.settings.ranges import above, at_least, at_most, check, need
from qflock.settings.shares import of_steps

RUNS = Path("runs")
"""Where runs are, unless they are told otherwise: below the current folder."""

MOST_STEPS = 2_000_000_000
"""Counters of steps have 32 bits."""


@dataclass(frozen=True)
class RunSettings:
    """Settings that every algorithm has.

    Raises:
        UserError: a setting is out of its range.
    """

    env: str = "gridworld25"
    """Environment: a name from `qflock list environments`, or a file and class, my_env.py:MyEnv."""
    total_steps: Annotated[int, at_least(1), at_most(MOST_STEPS)] = 4_000_000
    """Environment steps of each seed, summed over copies; it stops at the first update that reaches them."""
    total_episodes: Annotated[int, at_least(0)] = 0
    """Stop at the first log interval by which each seed has finished so many episodes; 0 for no limit."""
    seeds: Annotated[int, at_least(1)] = 1
    """How many seeds to train side by side."""
    seed: int = 0
    """The first seed; the others count up from it."""
    run_dir: Path | None = None
    """Folder of this run; by default runs/<algorithm>-<environment>-<time>-<suffix>."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto takes a GPU if JAX sees one."""
    devices: Annotated[int | Literal["all"], at_least(1, besides="all")] = 1
    """Devices, or parts of a CPU, that share seeds and copies (of each process, if several), or all."""
    matmul_precision: Literal["highest", "high", "default"] = "highest"
    """Of products of matrices on a GPU: highest is float32, high and default allow TF32, which is faster and
    gives other numbers on other GPUs. A CPU computes in float32 anyway."""
    heartbeat_timeout_seconds: Annotated[int, at_least(15)] = 30
    """Seconds within which all processes of a run end when one of them is gone (where there are several)."""
    log_interval: Annotated[int, at_least(1), of_steps] = 50_000
    """Environment steps between rows of training_log.csv (rounded to whole updates)."""
    log_episodes: bool = False
    """A row of training_log.csv for each episode, instead of means over each log interval."""
    eval_interval: Annotated[int, at_least(0), of_steps] = 500_000
    """Environment steps between evaluations (rounded to whole log intervals); 0 for none but the last."""
    eval_episodes: Annotated[int, at_least(1)] = 128
    """Greedy episodes of each evaluation while training."""
    final_episodes: Annotated[int, at_least(1)] = 512
    """Greedy episodes of the evaluation at the end, beside the references."""
    save_interval: Annotated[int, at_least(0)] = 10_000
    """Episodes between weight checkpoints; 0 for none."""
    keep_checkpoints: Annotated[int, at_least(0)] = 5
    """How many weight checkpoints to keep, the newest ones; 0 for all."""
    state_interval: Annotated[float, at_least(0)] = 60.0
    """Seconds between resumable training states."""
    states_gb: Annotated[float, above(0)] = 20.0
    """A run keeps at most so many gigabytes (10^9 bytes) of states, but always the newest."""
    on_nan: Literal["stop", "skip", "rollback"] = "stop"
    """What to do about NaN or infinity in weights, losses or returns: stop (exit status 3, the last good
    state kept), skip (take the chunk of updates back), rollback (to a state saved before)."""
    init_from: Path | None = None
    """A finished run or weights file whose weights to start from."""
    loggers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    """Feed these with the logs' numbers too: tensorboard, wandb (offline unless WANDB_MODE says online),
    mlflow (in the run's folder unless MLFLOW_TRACKING_URI says where)."""

    def __post_init__(self) -> None:
        check(self)
        need(
            0 <= self.seed <= 2**31 - self.seeds,
            f"seed is {self.seed}; it must lie in [0, {2**31 - self.seeds}]",
        )
