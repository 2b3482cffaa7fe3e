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


FOLDERS = [FOLDER, *sorted(page.parent for page in FOLDER.glob("*/README.md"))]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_page_is_made_from_the_files(folder: Path) -> None:
    """And so it marks each rule that the results break."""
    page = results.page(results.read(folder), results.below(folder))
    assert (folder / "README.md").read_text() == page


def test_shipped_results_of_unequal_budgets_are_marked() -> None:
    """The first page that people read has none."""
    marked = [f.name for f in FOLDERS if results.BROKEN in (f / "README.md").read_text()]
    assert {"chsh", "switch_riddle"} <= set(marked)
    assert FOLDER.name not in marked


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
