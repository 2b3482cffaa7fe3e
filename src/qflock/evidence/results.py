"""Reference results: what a method scored, as a file that a machine can check and a page for people.

``results/NAME.json`` holds a finished run's seeds, settings, versions, command, scores and interval;
``results/README.md`` is made from these files, and those in the folders below, and from nothing else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.core.printing import one_line, printable
from qflock.evidence import metrics, records
from qflock.evidence.comparison import fairness, intervals, statistics
from qflock.evidence.comparison.finding import Finding, refuse
from qflock.files.storage import DamagedFile, make_folder, write_text
from qflock.runs import folder
from qflock.runs.train.curve import quantity

SCHEMA = 1
CONFIDENCE = 0.99
"""Of the interval that a run on a few of the seeds has to fall into."""
MARGIN = 0.05
"""What that interval is widened by, as a share of the way from random play to the oracle: other machines
round otherwise, and a seed may take another way."""
FACTS = ("command", "git", "versions", "platform", "device")
HEAD = """# Reference results

Made by `qflock results` from the JSON files beside it; edit none of them by hand. Each score is the
interquartile mean over seeds of the final greedy evaluation, with its 95 % interval from
five seeds on; every seed is in the file, with the settings, the versions and the command that gave it.
"""
CHECKED = """
Results marked * are trained again by the tests, on a few of their seeds: they fail where the score leaves
the range that the file states.
"""
BROKEN = "**Not a fair comparison:** "
"""What stands before a broken rule."""


def of_run(path: Path | str, metric: str = metrics.DEFAULT, check: int = 0) -> dict[str, Any]:
    """The reference result of a finished run.

    Args:
        path: its folder.
        metric: column of the final evaluation that is the score.
        check: how many of the seeds, from the first, a test trains again; 0 for no test.

    Raises:
        UserError: no finished run, no such metric, or fewer seeds than ``check``.
    """
    record = records.read(path)
    facts = folder.open_run(path).read_hparams()
    refuse(fairness.finite_scores(record, metric))
    scores = {seed: row[metric] for seed, row in sorted(record.final.items())}
    if check > len(scores):
        raise UserError(f"{path} has {len(scores)} seeds; --check {check} wants more")
    values = np.array(list(scores.values()))
    interval = intervals.joined(statistics.interquartile_mean, values[:, None])
    references = records.references([record], metric)
    return {
        "schema": SCHEMA,
        "name": record.path.resolve().name,
        "algorithm": record.algorithm,
        "environment": record.environment,
        "environment_settings": record.environment_settings,
        "metric": metric,
        "score": float(interval.value),
        "interval": [_finite(interval.low), _finite(interval.high)],
        "solved": records.solved([record]),
        "scores": {str(seed): score for seed, score in scores.items()},
        "evaluation": record.evaluation,
        "references": references,
        "costs": record.costs,
        "tuning_budget": record.tuning_budget,
        "settings": facts["settings"],
        **{name: facts.get(name) for name in FACTS},
        "check": {"seeds": check, "range": check_range(values, check, references)} if check else None,
    }


def check_range(scores: np.ndarray, seeds: int, references: Mapping[str, float]) -> list[float]:
    """Where the interquartile mean of a few seeds should fall, if nothing has changed.

    Args:
        scores: ``(R,)`` of all seeds.
        seeds: how many are trained again.
        references: scores of the reference policies.
    """
    rows = np.random.default_rng(0).integers(scores.size, size=(statistics.RESAMPLES, seeds))
    drawn = statistics.interquartile_mean(scores[rows][..., None])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    margin = MARGIN * abs(references.get("oracle", 1.0) - references.get("random", 0.0))
    return [float(low - margin), float(high + margin)]


def write(results: Sequence[Mapping[str, Any]], into: Path, unequal: bool = False) -> list[Path]:
    """Write results, and the page of all that lie in the folder. One of the same name is replaced.

    Args:
        results: as `of_run` gives them.
        into: the folder; it is made where there is none.
        unequal: whether results are kept whose budgets differ from those beside them; the page says so.

    Returns:
        The files written, the page last.

    Raises:
        UserError: they break the rule of equal budgets, and are not to be kept all the same.
    """
    names = {result["name"] for result in results}
    beside = [result for result in (read(into) if into.is_dir() else []) if result["name"] not in names]
    tasks = {_task(result) for result in results}
    found = broken([result for result in (*beside, *results) if _task(result) in tasks])
    if found and not unequal:
        advice = "train them for as many steps each, or keep them, marked, with --unequal"
        raise UserError(f"on {found[0].where}, {found[0].what}; {advice}")
    make_folder(into)
    paths = [into / f"{result['name']}.json" for result in results]
    for path, result in zip(paths, results, strict=True):
        write_text(path, json.dumps(result, indent=2) + "\n")
    write_text(into / "README.md", page(read(into), below(into)))
    return [*paths, into / "README.md"]


def read(into: Path) -> list[dict[str, Any]]:
    """All results in a folder, by name.

    Raises:
        UserError: a file that cannot be read, or is no result.
    """
    return [read_one(path) for path in sorted(into.glob("*.json"))]


def read_one(path: Path) -> dict[str, Any]:
    """One result.

    Raises:
        UserError: a file that cannot be read, or is no result.
    """
    try:
        result = texts.read_json(path)
        whole = result["schema"] == SCHEMA and result["name"] == path.stem
    except OSError as problem:
        raise UserError(f"cannot read {path}: {problem.strerror or problem}") from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise DamagedFile(f"{path} is no result that qflock wrote") from problem
    if not whole:
        raise DamagedFile(f"{path} is of another version, or has another name than it says")
    return result


def below(into: Path) -> dict[str, list[dict[str, Any]]]:
    """The results in the folders inside one, by folder: those that have a page of their own.

    Args:
        into: the folder around them.

    Raises:
        UserError: as `read`.
    """
    return {page.parent.name: read(page.parent) for page in sorted(into.glob("*/README.md"))}


def broken(results: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Where results of one task break the rule of equal budgets.

    Args:
        results: of any tasks.
    """
    found = []
    for task, some in by_task(results).items():
        by_name = sorted(some, key=lambda result: str(result["name"]))
        steps = {str(result["name"]): [result["costs"].get("env_steps")] for result in by_name}
        found.append(fairness.step_budgets(task, steps))
    return [finding for finding in found if finding.severity == "broken"]


def by_task(results: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Results that were trained on the same environment with the same settings, the best first.

    Args:
        results: of any tasks.
    """
    tasks: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        tasks.setdefault(_task(result), []).append(result)
    return {task: sorted(some, key=lambda one: -_sign(some) * one["score"]) for task, some in tasks.items()}


def _sign(results: Sequence[Mapping[str, Any]]) -> float:
    """1 where more of these results' score is better, -1 where less is."""
    return metrics.sign(results[0]["metric"], records.averages(result["references"] for result in results))


def page(
    results: Sequence[Mapping[str, Any]], folders: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
) -> str:
    """The page, in Markdown: a table for each environment with its settings, and which rule it breaks.

    Args:
        results: of the page's folder.
        folders: results of folders inside it, which are listed.
    """
    lines = [HEAD]
    for task, some in by_task(results).items():
        marks = [f"{BROKEN}{_words(finding.what)}." for finding in broken(some)]
        lines += [f"## {task}\n", *_table(some), *("\n".join(("", mark)) for mark in marks), ""]
    if any(result["check"] for result in results):
        lines.append(CHECKED)
    if folders:
        lines += ["## In folders\n", "| folder | results | of |", "|---|--:|---|"]
    for name, some in (folders or {}).items():
        tried = ", ".join(sorted({_words(result["environment"]) for result in some}))
        lines.append(f"| [{_words(name)}]({quote(name)}/README.md) | {len(some)} | {tried} |")
    return printable("\n".join([*lines, ""] if folders else lines))


def _words(text: Any) -> str:
    """A text of somebody else's in Markdown: one line, of which nothing is a mark, a link or HTML."""
    return re.sub(r"([\\`*\[\]<>|~&$]|(?<!\w)_|_(?!\w))", r"\\\1", one_line(str(text)))


def _code(text: Any) -> str:
    """A text of somebody else's as it is typed: one line between more backticks than it has in a row."""
    line = one_line(str(text))
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    edge = " " * (len(fence) > 1)
    return f"{fence}{edge}{line}{edge}{fence}"


def _table(results: Sequence[Mapping[str, Any]]) -> list[str]:
    heads = [
        "method",
        "score",
        "95 % interval",
        metrics.of("solved").head,
        "seeds",
        *(metrics.of(name).head for name in ("env_steps", "seconds")),
        metrics.of("parameters").word,
        "qflock",
    ]
    rows = ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    references = records.averages(result["references"] for result in results)
    sign = _sign(results)
    for result in results:
        costs, (low, high) = result["costs"], result["interval"]
        cells = [
            f"[{_words(result['name'])}]({quote(str(result['name']))}.json){' *' if result['check'] else ''}",
            f"**{result['score']:.3f}**",
            "" if low is None else f"{low:.3f} to {high:.3f}",
            "" if result["solved"] is None else metrics.percent(result["solved"]),
            str(len(result["scores"])),
            *(
                quantity(costs[name]) if name in costs else ""
                for name in ("env_steps", "seconds", "parameters")
            ),
            _words(result["versions"]["qflock"]),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    for name, score in sorted(references.items(), key=lambda item: -sign * item[1]):
        rows.append(f"| *{_words(name)}* | {score:.3f} |" + " |" * (len(heads) - 2))
    commands = sorted({str(result["command"]) for result in results})
    return [*rows, "", f"Score: {_words(results[0]['metric'])}. " + "; ".join(map(_code, commands))]


def _task(result: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in result["environment_settings"].items())
    return _words(str(result["environment"]) + (f" ({settings})" if settings else ""))


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(float(value)) else None
