"""Names of runs, algorithms, actions and measures are somebody else's: pages show them as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qflock.core.printing import STEERING, printable
from qflock.core.spec import Choices
from qflock.evidence import results
from qflock.evidence.replay import page as replay_page
from qflock.evidence.replay import show as showing
from qflock.evidence.replay.show import Show
from qflock.evidence.report import document
from tests.evidence.chromium import browser, opened, until
from tests.evidence.conftest import MakeRun
from tests.evidence.shows import ACTIONS, Painter, recording

NAMES = {
    "script": "</script><script>document.title='taken'</script>",
    "image": '"><img src=x onerror="document.title=\'taken\'">',
    "turned": "harmless\u202egnp.exe\u2066",
    "long": "x" * 3000,
    "empty": "",
    "lines": "two\nlines\u2028or three",
    "controls": "\x1b[2J\x07bell\x9b31m\x7f",
}
SEEDS = {seed: 8.0 + 0.1 * seed for seed in range(5)}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


def shown(name: str) -> Show:
    """Made-up episodes in which an environment and its policy call everything so."""
    painter = Painter()
    painter.spec = replace(Painter.spec, action=Choices(len(ACTIONS), (name,) * len(ACTIONS)))
    one = recording(0)
    measures = {name: one.timestep.measures["solved"]}
    return Show(painter, name, name, [one._replace(timestep=one.timestep._replace(measures=measures))])


def look(page: Any, name: str, title: str) -> str:
    """All that a page shows, once it is seen that nothing in it was obeyed."""
    assert page.title() == " ".join(printable(title).split())
    assert page.locator("script").count() == 2
    assert page.locator("img").count() == 0
    everything = page.evaluate("document.documentElement.outerHTML + document.documentElement.innerText")
    assert STEERING.findall(everything) == []
    for width in (1366, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert (
            page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        )
    text = page.evaluate("document.body.textContent")
    assert printable(name) in text
    return text


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_replay_page(name: str, tmp_path: Path, chromium: Any) -> None:
    path = replay_page.write(tmp_path / "replay.html", shown(name))
    with opened(chromium, path) as page:
        look(page, name, f"{name}: replay")
        for key in ("ArrowRight", "End", "Home"):
            page.keyboard.press(key)
        taken = page.locator(".chose").first
        until(page, lambda: taken.inner_text() != "")
        assert page.locator(".row .name").first.inner_text() != ""


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_report(
    name: str, tmp_path: Path, chromium: Any, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [("".join(name.split("/"))[:60] or "run") + str(number) for number in (1, 2)]
    runs = [
        make_run(
            folder,
            {seed: value - number for seed, value in SEEDS.items()},
            algorithm=f"{name}{number or ''}",
            environment={"name": name, "map": name},
            mixer=name,
            references={name: {"discounted_mean": 3.0}, "random": {"discounted_mean": 1.0}},
        )
        for number, folder in enumerate(folders)
    ]
    monkeypatch.setattr(showing, "episodes", lambda run, **how: shown(name))
    path = tmp_path / "report.html"
    document.write(path, runs, title=f"About {name}", command=f"qflock report {name}")
    with opened(chromium, path) as page:
        look(page, name, f"About {name}")
        assert page.locator(".player").count() == 2


def kept(name: str) -> dict[str, Any]:
    """A result in which everything is called so."""
    return {
        **dict.fromkeys(("name", "environment", "metric"), name),
        "environment_settings": {name: name},
        "score": 1.0,
        "interval": [0.5, 1.5],
        "solved": None,
        "scores": {"0": 1.0},
        "references": {name: 2.0, "random": 0.0},
        "costs": {},
        "check": None,
        "versions": {"qflock": name},
        "command": f"qflock train {name}",
    }


@pytest.mark.parametrize("name", [*NAMES.values(), "a|b", "`code` ``x", "[a](b)", "_a_ *b*"])
def test_the_page_of_results(name: str) -> None:
    """Markdown has as many lines and cells as for any name, and no mark, link or HTML of its own."""
    page, plain = (results.page([kept(one)]) for one in (name, "x"))
    assert STEERING.findall(page) == []
    assert page.count("\n") == plain.count("\n")
    bare = lambda text: re.sub(r"(`+).*?[^`]\1(?!`)|\\.", "", text)  # without code, and what is escaped
    for mark in "|<>*[`":
        assert bare(page).count(mark) == bare(plain).count(mark), mark


def test_usual_names_stand_there_as_they_are() -> None:
    assert "\n## one_word (one_word one_word)\n" in results.page([kept("one_word")])
