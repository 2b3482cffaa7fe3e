"""The chunk is compiled while the first state is made, and not a second time when it is called."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax
import pytest

from qflock.runs.train import programs, runner
from qflock.settings import config

SMALL: dict[str, Any] = {
    "env.grid_size": 5,
    "total_steps": 400,
    "log_interval": 200,
    "copies": 4,
    "steps": 8,
    "hidden": [8],
    "batch_size": 8,
    "train_frequency": 32,
    "final_episodes": 2,
    "eval_interval": 0,
}

COMPILED = "/jax/core/compile/backend_compile_duration"


def compilations(run_dir: Path) -> Counter[str]:
    """How often each function is compiled in a short run that remembers no program."""
    seen: Counter[str] = Counter()

    def listen(event: str, seconds: float, **told: Any) -> None:
        if event == COMPILED:
            seen[str(told.get("fun_name"))] += 1

    jax.clear_caches()
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        settings = config.resolve("vdn", overrides={"env": "gridworld25", "run_dir": str(run_dir), **SMALL})
        runner.train(settings, quiet=True)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return seen


@pytest.mark.slow
@pytest.mark.ci_slow
def test_no_function_is_compiled_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = compilations(tmp_path / "ahead")
    monkeypatch.setattr(programs, "compiling", lambda *what: nullcontext())
    assert ahead == compilations(tmp_path / "in_turn")
    assert sum(ahead.values()) > 3
