"""The page of results: the best stands first, whichever way is better."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qflock.evidence import results

MakeRun = Callable[..., Path]


@pytest.mark.parametrize(("oracle", "order"), [(10.0, ["strong", "weak"]), (0.0, ["weak", "strong"])])
def test_the_best_stands_first(oracle: float, order: list[str], make_run: MakeRun) -> None:
    references = {"oracle": {"discounted_mean": oracle}, "random": {"discounted_mean": 5.0}}
    kept = []
    for name, score in (("weak", 6.0), ("strong", 8.0)):
        run = make_run(name, dict.fromkeys(range(4), score), references=references)
        kept.append(results.of_run(run))
    methods = [
        line.split("](")[0].strip("| [*")
        for line in results.page(kept).splitlines()
        if line.startswith("| [")
    ]
    assert methods == order
