"""Reference results: the files are whole, the page is theirs, and the stated part can be had again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qflock.evidence import results
from qflock.evidence.comparison import statistics
from qflock.runs.train import runner
from qflock.settings import config

FOLDER = Path(__file__).parents[1] / "results"
KEPT = results.read(FOLDER)
CHECKED = [result for result in KEPT if result["check"]]


def test_the_page_is_made_from_the_files() -> None:
    assert (FOLDER / "README.md").read_text() == results.page(KEPT)


def test_some_results_are_checked_and_each_states_its_origin() -> None:
    assert {"qmix-two_step", "qmix-matrix_game-qtran"} <= {result["name"] for result in CHECKED}
    for result in KEPT:
        assert result["command"].startswith("qflock ")
        assert {"qflock", "jax", "numpy", "python"} <= set(result["versions"])
        assert result["interval"][0] <= result["score"] <= result["interval"][1]
        assert config.from_mapping(result["settings"]).run.seeds == len(result["scores"])


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("result", CHECKED, ids=lambda result: result["name"])
def test_a_checked_result_can_be_had_again(result: dict[str, Any], tmp_path: Path) -> None:
    settings = config.from_mapping(result["settings"])
    quick = replace(
        settings.run, seeds=result["check"]["seeds"], run_dir=tmp_path / "again", state_interval=1e9
    )
    rows = runner.train(replace(settings, run=quick), quiet=True)["per_seed"]
    score = statistics.interquartile_mean(np.array([[row[result["metric"]]] for row in rows]))
    low, high = result["check"]["range"]
    assert low <= score <= high
