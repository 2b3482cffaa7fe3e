"""training_plots.png: every sort of log makes a picture, and the picture shows what was logged."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from qflock.evidence.figures import plots, series, style
from qflock.files.csv_log import CsvLog
from qflock.files.storage import CannotWrite, DamagedFile

FIRST = ("seed", "env_step", "episode", "episode_return", "episode_return_undiscounted", "episode_length")
VALUE = (*FIRST, "epsilon", "loss", "td_error", "q_value")
ODD = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e308, -1e308, 1e-300])


def write(folder: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with CsvLog(folder / "training_log.csv", columns) as log:
        log.append(*(dict(zip(columns, row, strict=True)) for row in rows))


def write_evaluation(folder: Path, rows: Sequence[tuple[int, int, float]]) -> None:
    with CsvLog(folder / "evaluation.csv", ("seed", "env_step", "discounted_mean")) as log:
        log.append(*({"seed": s, "env_step": t, "discounted_mean": y} for s, t, y in rows))


def value_rows(seeds: int, rows: int) -> list[list[float]]:
    return [
        [s, 1000 * (i + 1), i, i + s, i, 9, 1 / (i + 1), 10.0 ** (-i / 8), 0.5, 2.0 + s]
        for i in range(rows)
        for s in range(seeds)
    ]


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Draws a run's plots and gives the panels, to look at what is in them."""
    kept: list[Figure] = []
    save = style.save

    def keep(made: Figure, path: Path) -> Path:
        kept.append(made)
        return save(made, path)

    monkeypatch.setattr(style, "save", keep)

    def draw(**how: Any) -> list[Axes]:
        path = plots.training_plots(tmp_path, **how)
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert picture.size == (1800, 1140)
        return [axes for axes in kept[-1].axes if axes.axison]

    return draw


def titles(panels: Sequence[Axes]) -> list[str]:
    return [axes.get_title(loc="left") for axes in panels if axes.get_title(loc="left")]


def thick(axes: Axes) -> np.ndarray:
    """x and y of the line that stands for all seeds."""
    line = next(line for line in axes.lines if line.get_linewidth() == 1.8)
    return np.array(line.get_xydata())


def test_a_value_learner_has_its_four_panels(tmp_path: Path, drawn: Any) -> None:
    write(tmp_path, VALUE, value_rows(3, 40))
    write_evaluation(tmp_path, [(s, t, 30.0 + s) for s in range(3) for t in (0, 20_000, 40_000)])
    panels = drawn(references={"oracle": 50.0, "random": math.nan, "greedy": 20.0})
    assert titles(panels) == ["Return", "Loss", "Q-values", "Exploration and TD error"]
    returns, loss, _, exploration, twin = panels
    np.testing.assert_allclose(thick(returns), [[1000 * (i + 1), i + 1] for i in range(40)], atol=0.51)
    assert {text.get_text() for text in returns.texts} == {"oracle  50", "greedy  20"}
    assert returns.get_ylim()[1] > 50
    assert [text.get_text() for text in returns.get_legend().get_texts()] == ["training", "greedy evaluation"]
    assert loss.get_yscale() == "log"
    np.testing.assert_allclose(thick(exploration)[:, 1], 1 / np.arange(1, 41))  # a schedule is not averaged
    assert twin.get_ylabel() == "TD error"
    assert returns.get_xlabel() == "thousand environment steps"


def test_other_families_have_panels_of_their_own(tmp_path: Path, drawn: Any) -> None:
    columns = ("seed", "env_step", "episode_return", "kl", "policy_loss", "entropy")
    write(tmp_path, columns, [[0, i, i, 0.1, -0.2, 1.0] for i in range(5)])
    assert titles(drawn()) == ["Return", "Policy loss", "Entropy", "Kl"]


def test_missing_panels_leave_room(tmp_path: Path, drawn: Any) -> None:
    write(tmp_path, ("seed", "step", "episode_return_undiscounted", "td_error"), [[0, 1, 2, 3], [0, 2, 2, 3]])
    panels = drawn(title="mean $\\alpha_{")
    assert titles(panels) == ["Return", "Exploration and TD error"]
    assert panels[0].get_ylabel() == "return of an episode"
    assert panels[1].get_ylabel() == "TD error"


def test_seeds_need_not_have_rows_at_the_same_times(tmp_path: Path, drawn: Any) -> None:
    rows = [[0, t, t] for t in range(0, 100, 10)] + [[1, t, t + 10] for t in range(5, 105, 10)]
    write(tmp_path, ("seed", "env_step", "episode_return"), rows)
    x, y = thick(drawn()[0]).T
    assert x[0] == 5
    assert x[-1] == 90
    np.testing.assert_allclose(y, x + 5)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_rows(tmp_path: Path, drawn: Any, rows: int) -> None:
    write(tmp_path, VALUE, value_rows(1, rows))
    assert len(titles(drawn(references={"oracle": 1.0}))) == (4 if rows else 1)


@pytest.mark.parametrize("files", ["", "empty", "evaluation"])
def test_missing_and_empty_logs(tmp_path: Path, drawn: Any, files: str) -> None:
    if files == "empty":
        (tmp_path / "training_log.csv").touch()
    if files == "evaluation":
        write_evaluation(tmp_path, [(0, 10, 0.5)])
    (panel,) = drawn()
    assert panel.has_data() == (files == "evaluation")


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(rows=st.lists(st.tuples(st.integers(0, 2), ODD, *[ODD] * 8), max_size=6))
def test_odd_numbers(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("run")
    write(folder, ("seed", "env_step", *VALUE[3:], "more"), rows)
    write_evaluation(folder, [(row[0], row[1], row[2]) for row in rows])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plots.training_plots(folder, {"oracle": math.inf, "random": 0.0}).is_file()


def test_text_and_names_that_look_like_formulas(tmp_path: Path, drawn: Any) -> None:
    write(tmp_path, ("seed", "env_step", "$x^{", "note"), [[0, 1, 2.0, "a"], [0, 2, 3.0, "b"]])
    assert titles(drawn()) == ["Return", "$x^{"]


def test_many_rows_are_thinned(tmp_path: Path, drawn: Any) -> None:
    write(tmp_path, ("seed", "env_step", "episode_return"), [[0, i, i] for i in range(9000)])
    assert len(thick(drawn()[0])) <= series.MOST_POINTS


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "training_log.csv").write_text("a,b\n1\n")
    with pytest.raises(DamagedFile, match=r"training_log.csv is damaged"):
        plots.training_plots(tmp_path)


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="cannot write"):
        plots.training_plots(tmp_path / "gone")


def test_nothing_global_is_touched_and_jax_is_not_needed(tmp_path: Path) -> None:
    write(tmp_path, VALUE, value_rows(2, 10))
    program = (
        "import sys, pathlib, matplotlib\n"
        "settings = lambda: {k: dict.__getitem__(matplotlib.rcParams, k) for k in matplotlib.rcParams}\n"
        "before = settings()\n"
        "from qflock.evidence.figures import animation, plots\n"
        "plots.training_plots(pathlib.Path(sys.argv[1]))\n"
        "assert settings() == before\n"
        "print({'jax', 'jaxlib', 'matplotlib.pyplot'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


@given(st.lists(st.floats(-2, 2), max_size=9).map(sorted), st.floats(0.01, 1))
def test_labels_are_spread_and_stay_in_order(places: list[float], gap: float) -> None:
    moved = style.spread(places, gap)
    assert len(moved) == len(places)
    assert all(after - before >= gap - 1e-9 for before, after in pairwise(moved))
    if all(after - before >= gap for before, after in pairwise(places)):
        np.testing.assert_allclose(moved, places)
    if places:  # none is pushed further than all of them together need
        assert max(abs(a - b) for a, b in zip(moved, places, strict=True)) <= gap * len(places)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=90))
def test_moving_average(values: list[float]) -> None:
    reach = round(plots.SHARE_AVERAGED * len(values) / 2)
    expected = [np.mean(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))]
    np.testing.assert_allclose(series.moving_average(np.array(values)), expected, atol=1e-6)
