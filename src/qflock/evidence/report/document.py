"""One page about finished runs: scores, curves, replays, house rules, settings and commands.

The page is one file for a browser that needs no network; see ``pages`` for its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

from qflock.core import shell
from qflock.core.errors import UserError
from qflock.core.version import __version__
from qflock.evidence import metrics, pages, records
from qflock.evidence.comparison import fairness
from qflock.evidence.comparison import tasks as comparison_tasks
from qflock.evidence.comparison.compare import compare
from qflock.evidence.comparison.fairness import TaskRuns
from qflock.evidence.comparison.table import Comparison, Table
from qflock.evidence.report import charts as report_charts
from qflock.evidence.report import rules
from qflock.evidence.report import runs as report_runs
from qflock.evidence.report import tables as report_tables
from qflock.evidence.report.elements import element, number, to_html
from qflock.files.storage import write_text
from qflock.runs import folder

BOARD = 420  # pixels of a replay's pictures
FPS = 6.0
LEFT_OUT = 200  # resamples of the tables behind further curves, of which only the curves are shown


class Page(NamedTuple):
    """What stands on the page: sections of elements by title, charts and players by number."""

    sections: dict[str, list[Element]]
    charts: list[dict[str, Any]]
    players: list[dict[str, Any]]

    def chart(self, data: dict[str, Any] | None, **attributes: str) -> Element | None:
        """A place for a chart.

        Args:
            data: of the chart; None for no place.
            attributes: further ones of the place's element.
        """
        if data is None:
            return None
        self.charts.append(data)
        return element("div", class_="chart", data_chart=str(len(self.charts) - 1), **attributes)


def write(path: Path, runs: Sequence[str | Path], **what: Any) -> Comparison:
    """Write the page.

    Args:
        path: the file.
        runs, what: as `page`.

    Returns:
        The comparison behind it.

    Raises:
        UserError: as `page`.
        CannotWrite: the disk is full or the folder cannot be written.
    """
    text, comparison = page(runs, **what)
    write_text(path, text)
    return comparison


def page(
    runs: Sequence[str | Path],
    *,
    metric: str = metrics.DEFAULT,
    baseline: str | None = None,
    split: Sequence[str] = (),
    target: float | None = None,
    title: str | None = None,
    replays: int = 1,
    command: str | None = None,
) -> tuple[str, Comparison]:
    """The page as HTML, and the comparison behind it.

    Args:
        runs, metric, baseline, split, target: as `comparison.compare`.
        title: heading of the page.
        replays: episodes shown of each method on each task, of its first run's first seed.
        command: what was typed for this page.

    Raises:
        UserError: as `comparison.compare`.
    """
    comparison = compare(runs, metric, baseline, split, target)
    read = [records.read(run) for run in comparison.runs]
    tasks = comparison_tasks.sort(read, split)
    facts = [folder.open_run(record.path).read_hparams() for record in read]
    content = Page({}, [], [])
    content.sections["Scores"] = _scores(content, comparison)
    content.sections["Curves"] = _curves(content, comparison, tasks, read, split)
    content.sections["Replays"] = _replays(content, tasks, replays)
    content.sections["House rules"] = [report_runs.rules(rules.rules(fairness.judge(tasks, metric)))]
    if (notes := report_runs.notes(comparison.notes)) is not None:
        content.sections["House rules"].append(notes)
    origins = [element("h3", "Where it comes from"), report_runs.origins(read, facts)]
    content.sections["What was run"] = [*report_runs.settings(tasks), *origins]
    again = [shell.command("compare", *runs), *([command] if command else [])]
    content.sections["Commands"] = report_runs.commands(read, facts, again)
    return _html(content, title or _title(comparison), _about(comparison, read)), comparison


def _html(page: Page, title: str, about: str) -> str:
    names = {name: name.lower().replace(" ", "-") for name, contents in page.sections.items() if contents}
    links = [element("a", name, href=f"#{key}") for name, key in names.items()]
    heading = element("div", element("h1", title), element("p", about, class_="soft small"))
    head = element("header", heading, class_="head")
    sections = [
        element("section", element("h2", name), *page.sections[name], id=key) for name, key in names.items()
    ]
    foot = element("footer", f"Made by qflock {__version__}.", class_="soft small")
    return pages.assemble(
        "report.html",
        title=title,
        data={"charts": page.charts, "players": page.players},
        styles=["page.css", "replay.css", "report.css"],
        scripts=[
            "page.js",
            "timeline.js",
            "replay.js",
            "chart.js",
            "intervals.js",
            "commands.js",
            "report.js",
        ],
        body=to_html([head, element("nav", *links, aria_label="sections"), element("main", *sections), foot]),
    )


def _title(comparison: Comparison) -> str:
    names = report_charts.methods(comparison)
    listed = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
    where = comparison.tables[0].name if len(comparison.tables) == 1 else f"{len(comparison.tables)} tasks"
    return f"{listed if len(names) <= 4 else f'{len(names)} methods'} on {where}"


def _about(comparison: Comparison, runs: Sequence[records.Record]) -> str:
    seeds = sum(len(record.final) for record in runs)
    word = metrics.of(comparison.metric).word
    counts = f"{len(runs)} run{'s' * (len(runs) != 1)} with {seeds} seed{'s' * (seeds != 1)} in all"
    return f"{counts}; score: {word} of the final evaluation; baseline: {comparison.baseline}."


def _scores(page: Page, comparison: Comparison) -> list[Element]:
    elements: list[Element | None] = []
    for table in comparison.all_tables:
        elements.append(element("h3", table.name) if len(comparison.all_tables) > 1 else None)
        data = report_charts.intervals(comparison, table)
        elements.append(page.chart(data, aria_label=f"scores on {table.name}"))
        elements.append(report_tables.scores(comparison, table))
        times = report_tables.times(table)
        if times is not None and table.target is not None:
            head = f"Time to {number(table.target, table.decimals)}"
            elements.append(element("details", element("summary", head), times))
        if not table.normalised:
            elements.append(element("details", element("summary", "Every seed"), report_tables.seeds(table)))
    return [one for one in elements if one is not None]


def _curves(
    page: Page,
    comparison: Comparison,
    tasks: Sequence[TaskRuns],
    runs: Sequence[records.Record],
    split: Sequence[str],
) -> list[Element]:
    elements: list[Element] = []
    for metric in report_charts.shown_metrics(comparison, runs):
        if metric == comparison.metric:
            tables = comparison.tables
        else:
            tables = compare(comparison.runs, metric, split=split, resamples=LEFT_OUT).tables
        charts = []
        for table, task in zip(tables, tasks, strict=True):
            data = report_charts.curves(comparison, table, task, metric)
            label = f"{metric} over steps on {task.name}"
            if (chart := page.chart(data, aria_label=label)) is not None:
                charts += [element("h3", task.name)] if len(tasks) > 1 else []
                charts.append(chart)
        if not charts:
            continue
        if metric == comparison.metric:
            elements += charts
        else:
            head = metrics.of(metric).word
            elements.append(element("details", element("summary", head.capitalize()), *charts))
    elements += _profiles(page, comparison)
    return elements


def _profiles(page: Page, comparison: Comparison) -> list[Element]:
    tables: list[Table] = [comparison.overall] if comparison.overall else comparison.tables
    charts = []
    for table in tables:
        chart = page.chart(report_charts.profiles(comparison, table), aria_label=f"profile on {table.name}")
        if chart is not None:
            charts += [element("h3", table.name)] if len(tables) > 1 else []
            charts.append(chart)
    return [element("details", element("summary", "Performance profile"), *charts)] if charts else []


def _replays(page: Page, tasks: Sequence[TaskRuns], episodes: int) -> list[Element]:
    if episodes < 1:
        return []
    from qflock.evidence.replay import page as replay
    from qflock.evidence.replay import show

    cards, missing = [], []
    for task in tasks:
        for label, runs in task.methods.items():
            name = label if len(tasks) == 1 else f"{label} on {task.name}"
            try:
                recordings = show.episodes(runs[0].path, episodes=episodes)
            except UserError as problem:
                missing.append(element("p", f"No replay of {name}: {problem}.", class_="soft small"))
                continue
            page.players.append(replay.data(recordings, FPS, BOARD))
            place = element("div", data_player=str(len(page.players) - 1), aria_label=f"replay of {name}")
            cards.append(element("div", element("h3", name), place))
    return [*([element("div", *cards, class_="replays")] if cards else []), *missing]
