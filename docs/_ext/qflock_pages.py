"""Tables on the pages that are made from the code and from ``results/``, so that they cannot go stale."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import json
import logging
import shutil
import textwrap
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from qflock.evidence import catalogue, metrics, results_page
from qflock.settings import registry

ROOT = Path(__file__).parents[2]


def fields(kind: type) -> list[tuple[str, str, str]]:
    """Name, default and description of each setting of a dataclass, those of its parents first."""
    told: dict[str, str] = {}
    for cls in reversed(kind.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                told[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return [(f.name, _shown(f), told.get(f.name, "")) for f in dataclasses.fields(kind)]


def _shown(field: Any) -> str:
    made = field.default_factory() if field.default is dataclasses.MISSING else field.default
    if isinstance(made, (tuple, list)):
        return ",".join(map(str, made)) or "none"
    return {None: "none", True: "true", False: "false"}.get(made, str(made)) if _plain(made) else str(made)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool)


class Page(Directive):
    """A directive whose content is Markdown, made when the page is built."""

    required_arguments = 1
    optional_arguments = 1

    def lines(self) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        holder = nodes.Element()
        self.state.nested_parse(StringList(self.lines(), source=self.name), 0, holder)
        return holder.children


class Settings(Page):
    """``{settings} qmix`` or ``{settings} gridworld25 environment``: every setting with its default."""

    def lines(self) -> list[str]:
        name, *kind = self.arguments
        found = registry.environment_class(name) if kind else registry.algorithm(name)
        prefix = "env." if kind else ""
        rows = [f"| `--{prefix}{n}` | `{d}` | {cell(t)} |" for n, d, t in fields(found.Config)]
        return ["| setting | default | |", "|---|---|---|", *rows]


class Environments(Page):
    """``{environments}``: those that qflock ships, with sizes and scores to read others against."""

    required_arguments = 0

    def lines(self) -> list[str]:
        return [
            "| name | what it is | agents, actions, steps | best reference | random | score |",
            "|---|---|---|--:|--:|---|",
            *(self.row(entry) for entry in catalogue.environments()),
        ]

    @staticmethod
    def row(entry: dict[str, Any]) -> str:
        name, scores = entry["name"], entry["references"]
        what = entry["summary"].partition(": ")[2] or entry["summary"]
        best = next(policy for policy in scores if policy != "random")
        sizes = ", ".join(str(entry[size]) for size in ("agents", "actions", "horizon"))
        return (
            f"| [`{name}`]({name}.md) | {cell(what)} | {sizes} "
            f"| {best.replace('_', ' ')} {scores[best]:.2f} | {scores['random']:.2f} "
            f"| {metrics.of(entry['metric']).word} |"
        )


class Results(Page):
    """``{results} qmix``: the reference results of an algorithm, or that there is none yet."""

    def lines(self) -> list[str]:
        files = sorted((ROOT / "results").glob("*.json"))
        found = [r for r in (json.loads(f.read_text()) for f in files) if self.arguments[0] in name_of(r)]
        if not found:
            return ["No reference result has been kept yet."]
        return [
            "| environment | method | score | 95 % interval | solved | seeds | steps | references |",
            "|---|---|--:|---|--:|--:|--:|---|",
            *(self.row(result) for result in found),
            "",
            "Interquartile means over seeds of the discounted team return of greedy, decentralised play. "
            "Every seed, the settings, versions and the command are in `results/`.",
        ]

    @staticmethod
    def row(result: dict[str, Any]) -> str:
        low, high = result["interval"]
        solved = "" if result.get("solved") is None else f"{100 * result['solved']:.1f} %"
        references = ", ".join(f"{name} {score:.2f}" for name, score in result["references"].items())
        changed = result["environment_settings"].get("payoff", "")
        return (
            f"| {result['environment']} {changed} | {result['name']} | **{result['score']:.3f}** "
            f"| {low:.3f} to {high:.3f} | {solved} | {len(result['scores'])} "
            f"| {result['costs']['env_steps']:,.0f} | {references} |"
        )


class AllResults(Page):
    """``{all-results}``: the page of all results, made beside the site with the files that it links."""

    required_arguments = 0

    def run(self) -> list[nodes.Node]:
        frame = (
            '<iframe src="results/index.html" title="all results" loading="lazy" '
            'style="width: 100%; height: 75vh; border: 1px solid; border-radius: 8px"></iframe>'
            '<p><a href="results/index.html">The page by itself</a></p>'
        )
        return [nodes.raw("", frame, format="html")]


def keep_results(app: Any, problem: Exception | None) -> None:
    """After the build: the files of results beside the site, and the page of them all."""
    if problem is not None or app.builder.format != "html":
        return
    places = [Path(app.outdir, "results"), Path(app.outdir, "benchmarks", "results")]
    for place in places:
        shutil.copytree(ROOT / place.relative_to(app.outdir), place, dirs_exist_ok=True)
    results_page.write(places[0] / "index.html", *places)


def name_of(result: dict[str, Any]) -> tuple[str, str]:
    """By what a result is asked for: its algorithm, or its environment."""
    return result["algorithm"], result["environment"]


def cell(text: str) -> str:
    """A text inside a table's cell."""
    return text.replace("|", r"\|")


def _wanted(record: logging.LogRecord) -> bool:
    """All warnings but those of patterns without a page: pages of optional parts may be absent."""
    return "toctree glob pattern" not in str(record.msg)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    logging.getLogger("sphinx.sphinx.directives.other").addFilter(_wanted)
    app.add_directive("settings", Settings)
    app.add_directive("environments", Environments)
    app.add_directive("results", Results)
    app.add_directive("all-results", AllResults)
    app.connect("build-finished", keep_results)
    return {"parallel_read_safe": True}
