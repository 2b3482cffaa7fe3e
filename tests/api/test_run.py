"""A run as a Python object: arrays, frames, figures, and what a notebook shows of it."""

from __future__ import annotations

import copy
import html
import json
import os
import re
import sys
from collections.abc import Mapping

import numpy as np
import pytest

import qflock
from qflock.core.errors import UserError
from qflock.evidence.report import card
from qflock.files import csv_log

TINY = {
    "total_steps": 600,
    "log_interval": 200,
    "eval_interval": 300,
    "eval_episodes": 4,
    "final_episodes": 8,
}
TINY |= {"seeds": 2, "hidden": (4,), "num_envs": 4, "num_steps": 8}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api") / "run"
    return qflock.train("a2c", "matrix_game", run_dir=folder, quiet=True, **TINY)


@pytest.fixture
def unfinished(run, tmp_path):
    """A run without a summary, as one that was stopped."""
    import shutil

    shutil.copytree(run.path, tmp_path / "stopped")
    (tmp_path / "stopped" / "summary.json").unlink()
    return qflock.Run(tmp_path / "stopped")


def test_a_run_is_the_mapping_that_training_gave_before(run):
    assert isinstance(run, Mapping)
    assert run["run"] == str(run.path)
    assert run["over_seeds"]["episodes"] == 16
    assert json.loads(json.dumps({**run})) == dict(qflock.Run(run.path))
    assert run.get("nothing") is None
    with pytest.raises(KeyError, match="nothing"):
        run["nothing"]


def test_logs_and_scores_are_arrays_of_what_the_files_hold(run):
    written = csv_log.read(run.path / "training_log.csv")
    assert list(run.log) == list(written)
    for name, column in written.items():
        np.testing.assert_array_equal(run.log[name], column)
    assert run.log["seed"].dtype == run.log["env_step"].dtype == np.int64
    assert set(run.log["seed"]) == {0, 1}
    assert list(run.scores["seed"]) == [0, 1]
    each = [row["return_mean"] for row in run["per_seed"]]
    np.testing.assert_array_equal(run.scores["return_mean"], each)
    np.testing.assert_allclose(run.evaluations["return_mean"][-2:], each)


def test_a_frame_holds_the_same_table_and_pandas_is_asked_for_only_there(run, monkeypatch):
    pandas = pytest.importorskip("pandas")
    for what in ("log", "evaluations", "scores"):
        pandas.testing.assert_frame_equal(run.frame(what), pandas.DataFrame(getattr(run, what)))
    with pytest.raises(UserError, match="did you mean 'scores'"):
        run.frame("score")
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert len(run.log["seed"])
    with pytest.raises(UserError, match="needs pandas, which is not installed: pip install pandas"):
        run.frame()


def test_every_function_that_takes_a_folder_takes_a_run(run, tmp_path):
    assert os.fspath(run) == str(run.path)
    scores = qflock.evaluate(run, episodes=8)
    assert scores["per_seed"] == run["per_seed"]
    assert run.policy(seed=1).parameters
    assert qflock.load(run).env.spec.name == "matrix_game"
    assert qflock.export(run, "numpy", tmp_path / "policy.npz")["files"]
    compared = qflock.compare(run)
    assert compared.runs == [run.path]
    assert "discounted return" in repr(compared)
    assert "<table" in compared._repr_html_()


def test_a_run_says_what_it_is_and_what_it_has(run):
    said = repr(run)
    assert "\n" not in said
    for word in ("a2c on matrix_game", "finished", "2 seeds", "oracle", "random", f"{run.score:.3f}"):
        assert word in said
    assert run.state == "finished"
    assert run.seeds == 2
    assert {"log", "scores", "plot", "watch", "score", "references"} <= set(dir(run))
    with pytest.raises(AttributeError, match=r"no attribute 'scoers'; did you mean score"):
        run.scoers  # noqa: B018
    again = copy.copy(run)
    assert again.path == run.path
    assert [one.path for one in qflock.find_runs(run.path)] == [run.path]


def test_its_plots_are_a_figure_that_a_notebook_shows(run):
    from matplotlib.figure import Figure

    figure = run.plot()
    assert isinstance(figure, Figure)
    assert len(figure.axes) >= 4
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_notebook_shows_scores_beside_oracle_and_random_the_curve_and_the_film(run):
    shown = run._repr_html_()
    assert re.findall(r'<th scope="row">(.*?)</th>', shown)[:3] == [
        "all 2 seeds",
        "seed 0",
        "seed 1",
    ]
    for name in ("oracle", "random"):
        assert f'<th scope="row">{name}</th>' in shown
    assert f"{run['over_seeds']['return_mean']:.3f}" in shown
    assert shown.count("data:image/png;base64,") == 1
    assert shown.count("data:image/gif;base64,") == (run.path / "animation.gif").is_file()


def test_a_large_film_is_linked_to(run, monkeypatch):
    (run.path / "animation.gif").write_bytes(b"GIF89a" + b"0" * 100)
    monkeypatch.setattr(card, "LARGEST_ANIMATION", 50)
    shown = run._repr_html_()
    assert (run.path / "animation.gif").as_uri() in shown
    assert "image/gif" not in shown


def test_a_run_that_is_not_finished_shows_what_there_is(unfinished):
    assert unfinished.state == "stopped"
    assert dict(unfinished) == {"run": str(unfinished.path)}
    with pytest.raises(KeyError, match="not finished"):
        unfinished["over_seeds"]
    with pytest.raises(UserError, match="not finished"):
        unfinished.scores  # noqa: B018
    assert len(unfinished.log["seed"])
    assert "stopped" in repr(unfinished)
    assert "data:image/png" in unfinished._repr_html_()
    assert unfinished.plot().axes


def test_a_damaged_run_can_be_listed_and_shown(run, tmp_path):
    (tmp_path / "bad" / "configs").mkdir(parents=True)
    (tmp_path / "bad" / "configs" / "hparams.json").write_text("<script>alert(1)</script>")
    (found,) = qflock.find_runs(tmp_path)
    assert found.state == "damaged"
    assert "damaged" in repr(found)
    assert "damaged" in found._repr_html_()
    with pytest.raises(UserError, match="damaged"):
        qflock.Run(tmp_path / "bad")
    with pytest.raises(UserError, match="no run at"):
        qflock.Run(tmp_path / "nowhere")


def test_names_of_others_are_shown_and_never_interpreted(run, tmp_path):
    import shutil

    folder = tmp_path / "<img src=x onerror=alert(1)>"
    shutil.copytree(run.path, folder)
    shown = qflock.Run(folder)._repr_html_()
    assert "<img src=x" not in shown
    assert html.escape("<img src=x onerror=alert(1)>", quote=False) in shown
