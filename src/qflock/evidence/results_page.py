"""All reference results on one page for a browser, with filters: what ``qflock results --html`` writes.

The table is plain HTML, the best of each task first; the scripts only hide rows of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element

import numpy as np

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.evidence import metrics, pages, records, results
from qflock.evidence.comparison.statistics import Interval, normalise
from qflock.evidence.report.elements import NOTHING, count, element, interval, number, share, to_html
from qflock.files.storage import DamagedFile, write_text

ABOUT = (
    "Each score is the interquartile mean over seeds of the final greedy evaluation, with its 95 % "
    "interval, from five seeds on. Its share is 0 % for random play and 100 % for the oracle, where both are "
    "known. Different folders had different budgets. Every seed, setting and version is in the file."
)
HEADS = ("method", "score", "share", "solved", "seeds", "steps", "seconds", "parameters")
LESS = ("solved", "seeds", "steps", "seconds", "parameters")
"""Columns that a phone has no room for; the row's details have them."""
TOLD = ("qflock", "jax", "python")
"""Versions that are shown; the file has all."""
DIGITS = 3


def write(path: Path, folder: Path, speed: Path | None = None) -> Path:
    """Write the page.

    Args:
        path: the file; its links to the results' files are relative to it.
        folder: of the results, those of the folders in it included.
        speed: folder of measured speeds, as ``python -m benchmarks`` writes them; None for none.

    Returns:
        The file.

    Raises:
        UserError: a file that cannot be read, or is not what it should be.
        CannotWrite: the disk is full or the page's folder cannot be written.
    """
    write_text(path, page(path, folder, speed))
    return path


def page(path: Path, folder: Path, speed: Path | None = None) -> str:
    """The page as HTML.

    Args:
        path, folder, speed: as `write`.

    Raises:
        UserError: as `write`.
    """
    found = {folder: results.read(folder), **{folder / n: some for n, some in results.below(folder).items()}}
    measured = {} if speed is None else measured_in(speed)
    number_of = sum(map(len, found.values()))
    about = f"{number_of} results, {sum(map(bool, found.values()))} folders. {ABOUT}"
    sections = {"Scores": _scores(found, path.parent)}
    if measured:
        sections["Speed"] = _speeds(measured, path.parent)
    links = [element("a", name, href=f"#{name.lower()}") for name in sections]
    main = element("main", *(_section(name, table) for name, table in sections.items()))
    head = element("div", element("h1", "Results"), element("p", about, class_="soft small"))
    return pages.assemble(
        "results.html",
        title="Results",
        data={},
        styles=["page.css", "report.css", "results.css"],
        scripts=["page.js", "results.js"],
        body=to_html(
            [element("header", head, class_="head"), element("nav", *links, aria_label="sections"), main]
        ),
    )


def _section(name: str, table: Element) -> Element:
    around = element(
        "div", table, class_="scroll", tabindex="0", role="region", aria_label=f"{name.lower()}, a table"
    )
    return element("section", element("h2", name), around, id=name.lower())


def _scores(found: Mapping[Path, Sequence[Mapping[str, Any]]], home: Path) -> Element:
    heads = (element("th", name, scope="col", **_class(name)) for name in HEADS)
    table = element("table", element("thead", element("tr", *heads)), aria_label="scores")
    for folder, some in found.items():
        for rows in results.by_task(some).values():
            table.append(_task(folder, rows, home))
    return table


def _task(folder: Path, rows: Sequence[Mapping[str, Any]], home: Path) -> Element:
    """The results of one task in one folder, under a line that says which it is."""
    first = rows[0]
    references = records.averages(row["references"] for row in rows)
    settings = ", ".join(f"{name} {value}" for name, value in first["environment_settings"].items())
    beside = " · ".join(f"{name} {number(value, DIGITS)}" for name, value in references.items())
    marks = [
        element("small", f"Not a fair comparison: {f.what}.", class_="bad") for f in results.broken(rows)
    ]
    line = element(
        "th",
        element("b", first["environment"]),
        element("span", f"in {folder.name}", class_="soft small"),
        element("small", settings) if settings else None,
        element("small", f"{metrics.of(first['metric']).word}: {beside}", class_="beside"),
        *marks,
        scope="rowgroup",
        colspan=str(len(HEADS)),
    )
    body = _lines(element("tr", line, class_="task"))
    body.attrib |= {"data-environment": str(first["environment"]), "data-folder": folder.name}
    for row in rows:
        body.extend(_lines(_row(row, references), _more(row, folder / f"{row['name']}.json", home)))
    return body


def _row(row: Mapping[str, Any], references: Mapping[str, float]) -> Element:
    costs, (low, high) = row["costs"], row["interval"]
    found = Interval(*(np.array(np.nan if end is None else end) for end in (row["score"], low, high)))
    ends = metrics.span(references)
    part = None if ends is None else float(normalise(row["score"], *ends))
    cells = {
        "score": interval(found, DIGITS, strong=True),
        "share": [share(part)],
        "solved": [share(row["solved"])],
        "seeds": [str(len(row["scores"]))],
        "steps": [count(costs.get("env_steps"))],
        "seconds": [count(costs.get("seconds"))],
        "parameters": [count(costs.get("parameters"))],
    }
    name = element("th", element("span", str(row["name"])), element("small", row["algorithm"]), scope="row")
    line = element("tr", name, *(element("td", *cell, **_class(head)) for head, cell in cells.items()))
    line.attrib |= {"class": "result", "data-algorithm": str(row["algorithm"])}
    return line


def _more(row: Mapping[str, Any], file: Path, home: Path) -> Element:
    """What lies behind a result: its command, its file, every seed."""
    costs, evaluation, versions = row["costs"], row.get("evaluation") or {}, row["versions"]
    facts = {
        "solved": "" if row["solved"] is None else share(row["solved"]),
        "seeds": ", ".join(f"{seed}: {number(score, DIGITS)}" for seed, score in row["scores"].items()),
        "played": f"{evaluation['mode']}, {evaluation['episodes']:,} episodes a seed" if evaluation else "",
        "spent": ", ".join(f"{count(v)} {metrics.of(name).word}" for name, v in costs.items()),
        "with": ", ".join(f"{name} {versions[name]}" for name in TOLD if name in versions),
    }
    lines = [element("div", f"{name}: {text}") for name, text in facts.items() if text]
    link = element("a", file.name, href=_link(file, home))
    inside = [element("code", str(row["command"])), *lines, element("div", "file: ", link)]
    return element("tr", element("td", *inside, colspan=str(len(HEADS))), class_="more")


def measured_in(folder: Path) -> dict[Path, dict[str, Any]]:
    """The files of measured speeds in a folder.

    Args:
        folder: as ``python -m benchmarks`` fills it.

    Raises:
        UserError: no such folder, or a file that is none of measured speeds.
    """
    if not folder.is_dir():
        raise UserError(f"no folder {folder} of measured speeds")
    found = {}
    for file in sorted(folder.glob("*.json")):
        try:
            found[file] = texts.read_json(file)
            dict(found[file]["results"])
        except OSError as problem:
            raise UserError(f"cannot read {file}: {problem.strerror or problem}") from problem
        except (ValueError, KeyError, TypeError) as problem:
            raise DamagedFile(f"{file} is not what python -m benchmarks writes") from problem
    return found


def _speeds(measured: Mapping[Path, Mapping[str, Any]], home: Path) -> Element:
    table = element("table", aria_label="speed")
    for file, content in measured.items():
        device = content.get("device") or {}
        machine = f"{content.get('cpu_cores', NOTHING)} cores, {device.get('kind', NOTHING)}"
        line = element(
            "th",
            element("b", file.stem),
            element(
                "small", f"{str(content.get('made', ''))[:10]}, {machine}, {content.get('platform', '')}"
            ),
            element("code", str(content.get("command", ""))),
            element("small", "file: ", element("a", file.name, href=_link(file, home))),
            scope="rowgroup",
            colspan="2",
        )
        table.append(_lines(element("tr", line, class_="task"), *_figures(content["results"])))
    return table


def _figures(figures: Mapping[str, Any]) -> Iterator[Element]:
    for name, value in _flat(figures):
        words = name.replace("_", " ")
        yield element("tr", element("th", words, scope="row"), element("td", value), class_="result")


def _lines(*rows: Element) -> Element:
    """Rows of a table, each on a line of its own, so that a change of one is a change of one line."""
    for row in rows:
        row.tail = "\n"
    return element("tbody", *rows)


def _flat(figures: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    """Nested figures as lines of names and numbers, in order."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{place}{name} · ")
        else:
            several = value if isinstance(value, list) else [value]
            yield f"{place}{name}", ", ".join(_shown(one) for one in several)


def _shown(value: Any) -> str:
    plain = isinstance(value, bool) or not isinstance(value, int | float)
    return str(value) if plain else f"{value:,}"


def _class(head: str) -> dict[str, str]:
    return {"class_": "less"} if head in LESS else {}


def _link(file: Path, home: Path) -> str:
    return quote(Path(os.path.relpath(file, home)).as_posix())
