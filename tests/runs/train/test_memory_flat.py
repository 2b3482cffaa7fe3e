"""A small job that runs for long needs no more memory than at its start."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from qflock.files import csv_log
from qflock.runs.train import runner
from qflock.runs.train.ledger import Ledger
from qflock.settings import config
from tests.runs.test_any_moment import LEARNERS, RUN

MIB = 1 << 20


def resident() -> int:
    """Bytes that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "updates"), [("qmix", 1_000_000), pytest.param("ippo", 20_000, marks=pytest.mark.ci_slow)]
)
def test_memory_stays_flat(
    learner: str, updates: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million updates of a value learner in chunks of 100: each with rows in the log, some with an
    evaluation, weights and a state. CI runs fewer, of another learner, in chunks of 20."""
    seen: list[int] = []
    count = Ledger.chunk

    def weighed(self: Ledger, *arguments: object) -> float:
        seen.append(0 if len(seen) % 25 else resident())
        return count(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "chunk", weighed)
    size = LEARNERS[learner]["num_envs"] * LEARNERS[learner]["num_steps"]
    steps = updates * size
    long = {
        "total_steps": steps * 7 // 10,  # ticks that restart an episode are no steps of it
        "log_interval": max(20, updates // 10_000) * size,
        "eval_interval": steps // 100,
        "save_interval": steps // 400,
        "seeds": 1,
        "run_dir": tmp_path / "run",
    }
    made = config.resolve(learner, overrides={**RUN, **LEARNERS[learner], **long})
    runner.train(made, quiet=True)
    rows = csv_log.read(tmp_path / "run" / "training_log.csv")
    assert len(rows["seed"]) > 500
    weights = [x for x in seen if x]
    warm = max(weights[: len(weights) // 4])
    assert max(weights[len(weights) // 4 :]) - warm < 8 * MIB, [x // MIB for x in weights]
