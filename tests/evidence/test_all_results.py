"""One page of all results: it says what the files say, filters find rows, and text stays text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.evidence import results, results_page
from tests.evidence.chromium import browser, opened, until
from tests.evidence.test_results_page import result

ROOT = Path(__file__).parents[2]
HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


class Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") or ""
        if tag == "a" and not target.startswith("#"):
            self.found.append(target)


def full(name: str, **changed: Any) -> dict[str, Any]:
    """A result with all that the page shows."""
    return {
        **result(name, 1000),
        "algorithm": "qmix",
        "evaluation": {"mode": "greedy", "episodes": 8},
        **changed,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of results, and one inside it."""
    results.write([full("first")], tmp_path / "inner")
    others = [full("second", environment="two_step", algorithm="vdn"), full(HOSTILE.replace("/", ""))]
    results.write(others, tmp_path)
    return tmp_path


def test_every_kept_result_and_every_measured_file_has_its_link() -> None:
    page = results_page.page(ROOT / "results" / "a.html", ROOT / "results", ROOT / "benchmarks" / "results")
    links = Links(page).found
    found = {(ROOT / "results" / unquote(link)).resolve() for link in links}
    files = {*(ROOT / "results").rglob("*.json"), *(ROOT / "benchmarks" / "results").glob("*.json")}
    assert found == files
    assert len(links) == len(files)


def test_measured_speeds_say_their_command() -> None:
    for file in (ROOT / "benchmarks" / "results").glob("*.json"):
        assert json.loads(file.read_text())["command"].startswith("python -m benchmarks"), file


def test_the_command_writes_the_page_and_names_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main(["results", "--folder", ".", "--html", "all.html"]) == 0
    assert "all.html" in capsys.readouterr().out
    page = Path("all.html").read_text()
    assert "first" in page
    assert "50.0 %" in page  # of the way from 0, random, to 2, the oracle
    assert "0.500 to 1.500" in page
    assert "inner/first.json" in page
    assert "[inner](inner/README.md) | 1 |" in Path("README.md").read_text()


def test_speeds_without_a_page_or_that_are_none_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["results", "--folder", str(folder), "--speed", "."]) == 2
    assert "give --html FILE too" in capsys.readouterr().err
    (folder / "speed").mkdir()
    (folder / "speed" / "odd.json").write_text('{"results": 3}')
    with pytest.raises(UserError, match=r"odd\.json is not what"):
        results_page.page(folder / "a.html", folder, folder / "speed")
    (folder / "README.md").unlink()
    nowhere = ["--html", str(folder / "a.html"), "--speed", str(folder / "nowhere")]
    assert main(["results", "--folder", str(folder), *nowhere]) == 2
    assert "no folder" in capsys.readouterr().err
    assert not (folder / "README.md").exists()


def test_filters_hide_what_does_not_fit_and_text_stays_text_in_chromium(folder: Path, chromium: Any) -> None:
    page = results_page.write(folder / "all.html", folder)
    with opened(chromium, page) as shown:
        rows = lambda: [row.inner_text().split("\n")[0] for row in shown.locator("tr.result:visible").all()]
        until(shown, lambda: len(rows()) == 3)
        shown.get_by_label("environment", exact=True).select_option("two_step")
        assert len(rows()) == 1
        assert "second" in rows()[0]
        shown.reload()
        until(shown, lambda: len(rows()) == 1)
        shown.get_by_role("button", name="all", exact=True).click()
        shown.get_by_label("words").fill("inner")
        assert len(rows()) == 1
        assert "first" in rows()[0]
        shown.get_by_role("button", name="first").click()
        assert "qflock train" in shown.locator("tr.more:visible").inner_text()
        assert shown.title() == "Results"
        assert shown.evaluate_handle("document.images").get_property("length").json_value() == 0
