"""Some of the drawn environments in worker processes, and under commands: no traceback, no hang."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium")
pytest.importorskip("pettingzoo")

import qflock
from qflock.bridges.host.workers import Workers
from qflock.core.errors import UserError
from tests.bridges.host.fuzz import draws, playing, stories
from tests.marks import IN_CI

pytestmark = [*IN_CI]

STORIES = range(5000, 5400)
TINY = {
    "num_envs": 2,
    "num_steps": 4,
    "row_length": 4,
    "hidden": 8,
    "buffer_capacity": 64,
    "min_buffer_size": 8,
    "batch_size": 4,
    "train_frequency": 8,
    "eval_episodes": 2,
    "final_episodes": 2,
    "log_interval": 8,
    "total_steps": 24,
}


def some(count: int, *faults: str) -> list[int]:
    """The first seeds whose stories have one of these faults; without faults, those that have none."""
    drawn = (draws.draw(seed, "parallel") for seed in STORIES)
    fits = [s.seed for s in drawn if (s.fault.what in faults if s.fault else not faults)]
    assert len(fits) >= count
    return fits[:count]


def rows(story: stories.Story, workers: str) -> list[Any]:
    """Time steps under the first actions, up to the one line that ends them."""
    shown: list[Any] = []
    try:
        env = qflock.make(
            playing.TARGETS["parallel"], workers=workers, worker_count=1, **playing.settings(story)
        )
        with Workers(env, 2) as many:
            shown.append(many.start(np.array([3, 4])))
            for _ in range(2 * story.limit):
                shown.append(many.tick(shown[-1].legal.argmax(-1)))
    except UserError as problem:
        shown.append(str(problem))
    return shown


def test_worker_processes_show_what_serial_ones_do() -> None:
    for seed in [*some(4), *some(2, "exits"), *some(2, "raises lines"), *some(1, "four values")]:
        story = draws.draw(seed, "parallel")
        here, there = rows(story, "serial"), rows(story, "processes")
        assert len(here) == len(there), f"seed {seed}: {here[-1]} and {there[-1]}"
        for a, b in zip(here, there, strict=True):
            if isinstance(a, str):
                assert a == b, f"seed {seed}"
                continue
            for x, y in zip(a[:-1], b[:-1], strict=True):
                np.testing.assert_array_equal(x, y, f"seed {seed}")


@pytest.mark.parametrize("command", ["check", "train"])
def test_commands_end_in_words(command: str, tmp_path: Path) -> None:
    for seed in [*some(2), *some(1, "exits"), *some(1, "view short")]:
        story = draws.draw(seed, "parallel")
        words = [
            f"--env.{name}={value}"
            for name, value in playing.settings(story).items()
            if name != "shared_reward"
        ]
        words += ["--env.shared_reward" if story.shared else "--env.no_shared_reward"]
        first = ["check", playing.TARGETS["parallel"]]
        if command == "train":
            first = [
                "train",
                "vdn",
                "--env",
                playing.TARGETS["parallel"],
                "--run_dir",
                str(tmp_path / str(seed)),
            ]
            words += [f"--{name}={value}" for name, value in TINY.items()]
        done = subprocess.run(
            [sys.executable, "-m", "qflock", *first, *words],
            capture_output=True,
            text=True,
            timeout=200,
            stdin=subprocess.DEVNULL,
        )
        said = f"seed {seed}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode in (0, 1, 2), said
        assert "Traceback" not in said, said
        assert "internal error" not in said, said
        assert (done.returncode == 0) == (story.fault is None), said
