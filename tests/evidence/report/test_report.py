"""Reports: the page says what the comparison says, judges by the house rules, and shows text as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qflock.commands import main
from qflock.evidence import records
from qflock.evidence.comparison import fairness
from qflock.evidence.comparison.tasks import sort
from qflock.evidence.replay import show as showing
from qflock.evidence.report import document, elements
from qflock.evidence.report import rules as report_rules
from tests.evidence.chromium import browser, opened, until
from tests.evidence.conftest import MakeRun
from tests.evidence.shows import show

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
SCRIPT = "</script><script>document.title='taken'</script>"
SEEDS = {seed: 8.0 + 0.1 * seed for seed in range(5)}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture
def pair(make_run: MakeRun) -> list[Path]:
    """Two methods with five seeds each."""
    return [
        make_run("qmix", SEEDS, summary={"tuning_budget": 10}),
        make_run("vdn", {s: v - 2 for s, v in SEEDS.items()}, algorithm="vdn", summary={"tuning_budget": 10}),
    ]


def judged(runs: list[Path]) -> dict[str, bool | None]:
    """Every rule's first words, and whether it is met."""
    found = [records.read(run) for run in runs]
    tasks = sort(found)
    rules = report_rules.rules(fairness.judge(tasks, "discounted_mean"))
    return {" ".join(rule.name.split()[:3]): rule.met for rule in rules}


def written(path: Path, runs: list[Path], **options: Any) -> str:
    document.write(path, runs, **{"replays": 0, **options})
    return path.read_text()


def test_a_fair_comparison_keeps_the_rules(pair: list[Path]) -> None:
    assert judged(pair) == {
        "At least 5": True,
        "The same seeds": True,
        "Equal budgets of": True,
        "Equal budgets for": True,
        "Matched numbers of": True,
        "Oracle and random": True,
        "One way of": True,
        "One version, from": None,  # these runs do not know their commit
    }


@pytest.mark.parametrize(
    ("rule", "met", "other"),
    [
        ("At least 5", False, {"scores": {0: 5.0, 1: 6.0}}),
        ("The same seeds", False, {"scores": {seed + 1: 5.0 for seed in range(5)}}),
        ("Equal budgets of", False, {"steps": 2000}),
        ("Equal budgets of", True, {"steps": 1009}),  # whole updates
        ("Equal budgets for", None, {"summary": {}}),
        ("Equal budgets for", False, {"summary": {"tuning_budget": 40}}),
        ("Matched numbers of", False, {"summary": {"parameters": 2000}}),
        ("Matched numbers of", True, {"summary": {"parameters": 1300}}),
        ("Matched numbers of", None, {"summary": {"parameters": None}}),
        ("Oracle and random", False, {"references": {"random": {"discounted_mean": 1.0}}}),
    ],
)
def test_a_broken_rule_is_named(
    rule: str, met: bool | None, other: dict[str, Any], make_run: MakeRun
) -> None:
    references = {"references": other.pop("references")} if "references" in other else {}
    one = make_run("qmix", SEEDS, summary={"tuning_budget": 10}, **references)
    scores = other.pop("scores", SEEDS)
    given = {"summary": {"tuning_budget": 10}, **references, **other}
    two = make_run("vdn", scores, algorithm="vdn", **given)
    assert judged([one, two])[rule] is met


def test_one_method_has_no_rules_on_pairs(make_run: MakeRun) -> None:
    assert "Matched numbers of" not in judged([make_run("qmix", SEEDS)])


def test_the_page_says_what_the_comparison_says(pair: list[Path], tmp_path: Path) -> None:
    text = written(tmp_path / "report.html", pair, title="Mine", command="qflock report 'a b' -o report.html")
    assert "<h1>Mine</h1>" in text
    assert "8.20" in text  # the interquartile mean of qmix
    assert "\N{MINUS SIGN}2.00" in text  # vdn's difference to it
    assert "qflock train --config" in text
    assert "qflock report 'a b' -o report.html" in text
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    charts = json.loads(found[1])["charts"]
    rows = charts[0]["rows"]
    assert [(row["name"], row["value"]) for row in rows] == [("qmix", 8.2), ("vdn", 6.2)]
    assert [len(row["seeds"]) for row in rows] == [5, 5]
    curve = next(chart for chart in charts if chart["kind"] == "lines")
    assert curve["series"][0]["x"] == [0, 250, 500, 750, 1000]
    assert curve["series"][0]["y"][-1] == 8.2
    assert len(curve["series"][0]["seeds"]) == 5
    assert {line["name"] for line in curve["lines"]} == {"oracle", "random"}


def test_the_page_has_what_circuits_take_where_there_are_any(make_run: MakeRun, tmp_path: Path) -> None:
    taken = {"qubits": 4, "circuit_depth": 62, "two_qubit_gates": 20, "device_evaluations": 900}
    runs = [make_run("qmix", SEEDS, summary=taken), make_run("vdn", SEEDS, algorithm="vdn")]
    text = written(tmp_path / "one.html", runs)
    for words in ("2-qubit gates", ">62<", ">20<", ">900<"):
        assert words in text
    assert "2-qubit gates" not in written(tmp_path / "other.html", runs[1:])


def test_tasks_and_the_table_over_all_of_them(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [
        make_run(f"{algorithm}-{size}", SEEDS, algorithm=algorithm, environment={"grid_size": size})
        for algorithm in ("qmix", "vdn")
        for size in (5, 6)
    ]
    text = written(tmp_path / "report.html", runs, split=["grid_size"])
    for name in ("gridworld25 grid_size=5", "gridworld25 grid_size=6", "all tasks"):
        assert f"<h3>{name}</h3>" in text


def test_runs_without_curves_or_references_still_get_a_page(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("bare", {0: 1.0}, references={})
    (run / "evaluation.csv").unlink()
    text = written(tmp_path / "report.html", [run], replays=1)
    assert 'id="curves"' not in text
    assert "No replay of qmix" in text


def test_text_is_escaped() -> None:
    element = elements.element
    made = element("p", SCRIPT, element("b", HOSTILE), " & more", title=HOSTILE)
    text = elements.to_html([made])
    assert "<script" not in text
    assert "<img" not in text.replace('title="<img', "")
    assert "&lt;/script&gt;" in text
    assert text.endswith(" &amp; more</p>")


def test_command(pair: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    runs = [str(run) for run in pair]
    assert main(["report", *runs, "-o", str(page), "--replays", "0", "--baseline", "vdn"]) == 0
    assert capsys.readouterr().out == f"wrote {page}\n"
    assert "baseline: vdn" in page.read_text()
    assert main(["report", *runs, "-o", str(page), "--replays", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["baseline"] == "qmix"


@pytest.mark.parametrize(
    ("typed", "piece"),
    [
        ("", "name the runs first"),
        ("here -o report.pdf", "must end in .html"),
        ("here -o no/such/report.html", "there is no no/such"),
        ("here --replays -1", "it must lie in 0 to 20"),
        ("no_such_run", "no run at no_such_run"),
        ("here --metrik x", "did you mean --metric?"),
    ],
)
def test_bad_input(typed: str, piece: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", *typed.split()]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert piece in err


@pytest.fixture
def page(make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report of two methods with replays, whose names and settings would be scripts if they could."""
    runs = [
        make_run(f"{HOSTILE}", SEEDS, mixer=SCRIPT),
        make_run("other", {s: v - 2 for s, v in SEEDS.items()}, mixer=HOSTILE),
    ]
    monkeypatch.setattr(showing, "episodes", lambda run, **how: show(1, title=SCRIPT))
    path = tmp_path / "report.html"
    document.write(path, runs, title=f"{HOSTILE} {SCRIPT}", command=f"qflock report {SCRIPT}")
    return path


def test_hostile_names_stay_text_in_chromium(page: Path, chromium: Any) -> None:
    with opened(chromium, page) as shown:
        assert shown.title() == f"{HOSTILE} {SCRIPT}"
        assert shown.locator("h1").inner_text() == f"{HOSTILE} {SCRIPT}"
        assert shown.locator("img").count() == 0
        assert shown.locator("script").count() == 2
        assert shown.get_by_text(SCRIPT).count() >= 3


def test_curves_are_hovered_and_zoomed_in_chromium(page: Path, chromium: Any) -> None:
    with opened(chromium, page) as shown:
        chart = shown.locator("#curves .chart").first
        until(shown, lambda: chart.get_attribute("data-x1") == "1000")
        chart.scroll_into_view_if_needed()
        box = chart.locator("svg").bounding_box()
        middle = box["y"] + box["height"] / 2
        shown.mouse.move(box["x"] + box["width"] / 2, middle)
        tip = chart.locator(".tip")
        assert tip.is_visible()
        assert "500 environment steps" in tip.inner_text()
        shown.mouse.down()
        shown.mouse.move(box["x"] + 0.75 * box["width"], middle + 5, steps=3)
        shown.mouse.up()
        left, right = (float(chart.get_attribute(name)) for name in ("data-x0", "data-x1"))
        assert 400 < left < 600 < right < 850
        shown.mouse.dblclick(box["x"] + box["width"] / 2, middle)
        assert chart.get_attribute("data-x1") == "1000"
        chart.get_by_role("button", name="zoom in").click()
        assert float(chart.get_attribute("data-x1")) - float(chart.get_attribute("data-x0")) == 500
        chart.locator("svg").focus()
        shown.keyboard.press("0")
        assert (chart.get_attribute("data-x0"), chart.get_attribute("data-x1")) == ("0", "1000")
        shown.mouse.move(0, 0)
        shown.keyboard.press("ArrowRight")
        assert "0 environment steps" in tip.inner_text()
        before = chart.locator("path.curve").count()
        chart.locator(".tools button").first.click()
        assert chart.locator("path.curve").count() == before - 1
        chart.get_by_role("button", name="each seed").click()
        assert chart.locator("path.seed").count() == 5


def test_replays_in_a_report_take_keys_one_by_one(page: Path, chromium: Any) -> None:
    with opened(chromium, page) as shown:
        players = shown.locator("[data-player]")
        assert players.count() == 2
        players.nth(1).focus()
        shown.keyboard.press("ArrowRight")
        assert [players.nth(i).get_attribute("data-step") for i in (0, 1)] == ["0", "1"]


@pytest.mark.parametrize("width", [390, 1366])
def test_a_phone_scrolls_tables_not_the_page(page: Path, chromium: Any, width: int) -> None:
    with opened(chromium, page, viewport={"width": width, "height": 800}, color_scheme="dark") as shown:
        for details in shown.locator("details").all():
            details.evaluate("one => { one.open = true }")
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
