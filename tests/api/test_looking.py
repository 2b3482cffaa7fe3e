"""Replays, reports, listings and environments from Python, in the words of the command line."""

from __future__ import annotations

import html
import inspect
import subprocess
import sys

import pytest
from PIL import Image

import qflock
from qflock.api import making
from qflock.core.errors import UserError
from tests.evidence import chromium


@pytest.fixture(scope="module")
def replay():
    return qflock.watch(env="two_step", policy="random", episodes=2, fps=10)


def test_a_replay_is_a_page_in_a_frame_that_can_reach_nothing(replay):
    shown = replay._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert 'sandbox="allow-scripts"' in shown
    assert "<script" not in shown
    assert "2 episodes" in repr(replay)
    assert "random on two_step" in repr(replay)


def test_a_replay_is_saved_as_what_its_name_says(replay, tmp_path):
    page = replay.save(tmp_path / "play.html").read_text()
    assert html.escape(page, quote=True) in replay._repr_html_()
    assert Image.open(replay.save(tmp_path / "play.gif")).n_frames > 1
    with pytest.raises(UserError, match=r"must end in \.gif or \.mp4 or \.html"):
        replay.save(tmp_path / "play.avi")


def test_a_replay_plays_inside_a_notebooks_page(replay, tmp_path):
    page = tmp_path / "notebook.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><h1>cell</h1>{replay._repr_html_()}")
    with chromium.browser() as running, chromium.opened(running, page) as window:
        frame = window.frame_locator("iframe")
        chromium.until(window, lambda: frame.locator(".picture").count() > 0)
        assert frame.locator("h1").inner_text() == "random on two_step"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "name a run, or an environment"),
        ({"run": "latest", "env": "two_step"}, "name a run, or an environment"),
        ({"env": "two_stp"}, "did you mean 'two_step'"),
        ({"env": "two_step", "policy": "oracel"}, "did you mean 'oracle'"),
        ({"env": "two_step", "episodes": 0}, "at least 1"),
        ({"env": "two_step", "fps": 0}, "must lie in"),
        ({"env": "two_step", "sample": True}, "sample is for a run's policy"),
        ({"run": "nowhere", "policy": "random"}, "goes with env"),
        ({"run": "nowhere"}, "no run at nowhere"),
    ],
)
def test_mistakes_in_watching_are_told_in_one_line(how, message):
    with pytest.raises(UserError, match=message):
        qflock.watch(**how)


def test_a_report_needs_a_page_to_write(tmp_path):
    with pytest.raises(UserError, match=r"must end in \.html"):
        qflock.report("runs", out=tmp_path / "report.pdf")
    with pytest.raises(UserError, match="there is no folder"):
        qflock.report("runs", out=tmp_path / "none" / "report.html")
    with pytest.raises(UserError, match="no runs to compare"):
        qflock.report(out=tmp_path / "report.html")


def test_settings_of_an_environment_may_be_a_mapping():
    named = {"name": "gridworld25", "grid_size": 7}
    assert making.named(named, {"max_steps": 9}) == ("gridworld25", {"grid_size": 7, "max_steps": 9})
    assert named == {"name": "gridworld25", "grid_size": 7}
    assert (
        qflock.make(named, max_steps=9).config == qflock.make("gridworld25", grid_size=7, max_steps=9).config
    )
    for wrong, message in (
        ({"grid_size": 7}, "names no environment"),
        (7, "env is 7; give a mapping"),
        ({"name": "gridworld25", 3: 7}, "3 is no name of a setting"),
        ({"name": "gridworld25", "size": 7}, "did you mean 'grid_size'"),
        (None, "env is None"),
    ):
        with pytest.raises(UserError, match=message):
            qflock.make(wrong)


def test_training_takes_both_forms_as_one(tmp_path):
    from qflock.settings import config

    resolved = config.resolve("vdn", overrides={"env": {"name": "gridworld25", "grid_size": 7}})
    assert resolved == config.resolve("vdn", overrides={"env": "gridworld25", "env.grid_size": 7})
    for how in ({"env_settings": {"size": 7}}, {"env": {"name": "gridworld25", "size": 7}}):
        with pytest.raises(UserError, match=r"did you mean 'env\.grid_size'"):
            qflock.train("vdn", **how)
    with pytest.raises(UserError, match="resolved already"):
        qflock.train(resolved, "two_step")


def test_what_there_is_can_be_listed():
    environments, algorithms = qflock.environments(), qflock.algorithms()
    assert "gridworld25" in environments.names
    assert "qmix" in algorithms.names
    assert next(e for e in environments if e["name"] == "gridworld25")["agents"] == 4
    assert repr(environments).splitlines()[0].startswith("box_push ")
    assert environments._repr_html_().count("<tr>") == len(environments) + 1
    with pytest.raises(UserError, match="at least 0"):
        qflock.environments(measure=-1)


def test_rooms_whose_names_are_functions_too_stay_packages():
    import qflock.algorithms.vdn
    import qflock.environments.two_step

    assert qflock.environments.two_step.__name__ == "qflock.environments.two_step"
    assert list(inspect.signature(qflock.environments).parameters) == ["measure"]


def test_completion_offers_the_public_names_alone_and_loads_nothing():
    code = (
        "import sys, qflock; names = dir(qflock); import qflock.core.errors, qflock.settings.config\n"
        "assert names == dir(qflock), set(dir(qflock)) - set(names)\n"
        "assert set(qflock.__all__) == {n for n in names if not n.startswith('_')}\n"
        "assert not {'jax', 'pandas', 'matplotlib', 'IPython'} & set(sys.modules)\n"
        "qflock.Run, qflock.train\n"
        "assert not {'jax', 'pandas', 'matplotlib', 'IPython'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
