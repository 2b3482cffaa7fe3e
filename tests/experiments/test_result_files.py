"""Finished cells as reference results: files, ranges and the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.evidence import results
from qflock.experiments import file
from qflock.experiments import run as experiment
from qflock.experiments.launchers import Launcher
from tests.experiments.conftest import Trained, Write

FIRST = 3 - np.log10(2)  # what seed 0 scores with the standard lr


@pytest.fixture(autouse=True)
def _done(write: Write, trained: Trained) -> None:
    """An experiment of two methods and ten seeds is done in runs/tiny."""
    experiment.run(file.read(write(seeds=10)), Launcher())


def test_an_experiment_becomes_files_and_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "runs/tiny", "--check", "3", "--json"]) == 0
    wrote = json.loads(capsys.readouterr().out)["wrote"]
    assert wrote == ["results/iql-echo.json", "results/vdn-echo.json", "results/README.md"]
    kept = results.read(Path("results"))[0]
    assert kept["score"] == pytest.approx(FIRST + 0.045)
    assert kept["interval"][0] < kept["score"] < kept["interval"][1]
    low, high = kept["check"]["range"]
    # the ends: three of the worst or best seeds, and 0.05 of the way from 1 to 4
    assert low == pytest.approx(FIRST - 0.15, abs=0.011)
    assert high == pytest.approx(FIRST + 0.09 + 0.15, abs=0.011)
    page = Path("results/README.md").read_text()
    assert f"[iql-echo](iql-echo.json) * | **{FIRST + 0.045:.3f}** |" in page
    assert "| *oracle* | 4.000 |" in page
    assert page.index("*oracle*") < page.index("*random*")
    assert main(["results"]) == 0  # only the page, from the files
    assert Path("results/README.md").read_text() == page


def test_what_is_no_result_is_refused() -> None:
    run = "runs/tiny/cells/iql-echo"
    with pytest.raises(UserError, match="has 10 seeds; --check 11 wants more"):
        results.of_run(run, check=11)
    with pytest.raises(UserError, match="has no finite 'sloved'"):
        results.of_run(run, metric="sloved")
    bad = Path("bad")
    bad.mkdir()
    (bad / "x.json").write_text("{}")
    with pytest.raises(UserError, match=r"x\.json is no result"):
        results.read(bad)
    assert main(["results", "--folder", "nowhere"]) == 2
