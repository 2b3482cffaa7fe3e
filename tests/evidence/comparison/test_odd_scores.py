"""Whatever the scores are, compare and report say it in words and numbers: no library warns."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.evidence import records
from qflock.evidence.comparison import survival
from qflock.evidence.comparison.compare import compare
from tests.evidence.conftest import REFERENCES, MakeRun

SCORES = {
    "equal": (dict.fromkeys(range(5), 5.0), dict.fromkeys(range(5), 5.0)),
    "zero": (dict.fromkeys(range(5), 0.0), dict.fromkeys(range(5), 0.0)),
    "one seed": ({0: 5.0}, {0: 6.0}),
    "two seeds": ({0: 5.0, 1: 5.0}, {0: 6.0, 1: 6.0}),
    "other seeds": ({0: 5.0, 1: 5.1}, {2: 6.0, 3: 6.0}),
    "tiny spread": ({s: 1 + s * 1e-16 for s in range(5)}, dict.fromkeys(range(5), 1.0)),
    "huge": (dict.fromkeys(range(5), 1e308), dict.fromkeys(range(5), -1e308)),
    "tiny": (dict.fromkeys(range(5), 5e-324), {s: 1e-300 * s for s in range(5)}),
    "apart": ({s: 1e300 * s for s in range(5)}, dict.fromkeys(range(5), 1e-300)),
    "at once": (dict.fromkeys(range(5), 100.0), {s: 100.0 + s for s in range(5)}),
    "never": (dict.fromkeys(range(5), -1.0), dict.fromkeys(range(5), -2.0)),
}
FLAT = {name: dict.fromkeys(scores, 5.0) for name, scores in REFERENCES.items()}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("references", [REFERENCES, FLAT, {}], ids=["known", "flat", "none"])
@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES)
def test_no_library_warns(scores: tuple, references: dict, make_run: MakeRun) -> None:
    """Or the scores are refused in one line."""
    made = zip(("qmix", "vdn"), scores, strict=True)
    runs = [make_run(name, some, algorithm=name, references=references) for name, some in made]
    if max(abs(score) for some in scores for score in some.values()) > records.LARGEST:
        with pytest.raises(UserError, match="no finite 'discounted_mean'"):
            compare(runs, resamples=50)
        return
    found = compare(runs, resamples=50)
    assert all(np.isfinite(row.score.value) for table in found.tables for row in table.rows)


@pytest.mark.parametrize("name", ["equal", "at once", "tiny"])
def test_nothing_of_a_library_is_printed(
    name: str, make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = SCORES[name]
    runs = [str(make_run("qmix", one)), str(make_run("vdn", two, algorithm="vdn"))]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["report", *runs, "--out", str(tmp_path / "page.html"), "--replays", "0"]) == 0
        if name == "at once":
            assert main(["compare", *runs, "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err == ""


NOBODY, ALL = np.ones(3, bool), np.zeros(3, bool)


@pytest.mark.filterwarnings("error")
def test_a_log_rank_without_anything_to_compare() -> None:
    at = lambda *steps: np.array(steps, float)
    assert survival.log_rank((at(5, 5, 5), ALL), (at(5, 5, 5), ALL)) == 1.0  # all at once: no difference
    assert math.isnan(survival.log_rank((at(5, 5, 5), NOBODY), (at(5, 5, 5), NOBODY)))
    assert math.isnan(survival.log_rank((at(5, 5, 5), ALL), (at(3, 3, 3), NOBODY)))  # gone before the first
    assert survival.log_rank((at(1, 2, 3), ALL), (at(7, 8, 9), ALL)) < 0.05
