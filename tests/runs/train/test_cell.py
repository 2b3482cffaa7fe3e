"""Progress in a notebook: one place in the output, drawn anew, and never oftener than can be seen."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from qflock.core import notebook
from qflock.runs.train import cell
from qflock.runs.train.progress import Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def shown(monkeypatch):
    """What a notebook was told to show, [(first or again, mime bundle)]."""
    pictures = []

    def display(bundle, raw, display_id):
        assert raw
        assert display_id
        pictures.append(("first", bundle))
        return SimpleNamespace(update=lambda bundle, raw: pictures.append(("again", bundle)))

    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return pictures


def test_a_cell_is_drawn_in_place_and_thinned_out(shown, capsys):
    clock = Clock()
    with Progress("vdn on <two_step>", clock=clock) as progress:
        progress.message("compiled in 3.0 s")
        progress.start(1000)
        for at in range(1, 101):
            clock.now = at / 100
            progress.update(10 * at, at / 10)
        progress.evaluation(1000, 7.5, 0.25)
    assert [which for which, _ in shown] == ["first", *["again"] * (len(shown) - 1)]
    assert len(shown) <= 5  # one second, the message, and the end
    last = shown[-1][1]
    assert last["text/plain"].startswith("vdn on <two_step>  1.00k of 1.00k steps (100 %)  discounted return")
    for part in (
        "vdn on &lt;two_step&gt;",
        'value="1.0000"',
        "<polyline",
        "7.5 (25 % solved)",
        "compiled in 3.0 s",
    ):
        assert part in last["text/html"]
    assert "<two_step>" not in last["text/html"]
    assert capsys.readouterr() == ("", "")


def test_quiet_shows_nothing(shown, capsys):
    with Progress("vdn", quiet=True) as progress:
        progress.start(10)
        progress.message("a")
        progress.update(5, 1.0)
    assert shown == []
    assert capsys.readouterr() == ("", "")


def test_a_notebook_that_cannot_show_it_stops_no_run(shown, monkeypatch):
    def broken(*what, **how):
        raise RuntimeError("the kernel's socket is gone")

    monkeypatch.setattr(sys.modules["IPython.display"], "display", broken)
    with Progress("vdn") as progress:
        progress.start(10)
        progress.update(5, 1.0)


def test_a_terminals_ipython_is_no_notebook(monkeypatch):
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert not notebook.running()
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))  # half imported
    assert not notebook.running()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not notebook.running()


def test_old_messages_make_room_and_a_flat_curve_is_a_line():
    messages = [f"message {number}" for number in range(40)]
    html = cell.as_html("vdn", 0.5, ["half"], np.array([(0, 2.0), (10, 2.0)]), "steps", messages)
    assert html.count("<small>") == cell.MOST_MESSAGES
    assert "message 39" in html
    assert 'points="6.0,6.0 414.0,6.0"' in html
    assert "<svg" not in cell.as_html("vdn", 0.5, ["half"], np.array([(0, 2.0)]), "steps", [])
