"""What was run, as HTML: settings, seeds, versions, machines, and the commands that give it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from qflock.core.shell import command
from qflock.evidence.comparison.fairness import TaskRuns, differing
from qflock.evidence.records import Record, flat
from qflock.evidence.report.elements import NOTHING, element, table
from qflock.evidence.report.rules import Rule

SIGNS = {True: ("met", "met", "✓"), False: ("unmet", "not met", "✗"), None: ("untold", "cannot be told", "?")}


def rules(judged: Sequence[Rule]) -> Element:
    """The house rules as a list."""
    items = []
    for rule in judged:
        kind, word, sign = SIGNS[rule.met]
        badge = element("span", sign, class_=f"badge {kind}", title=word, role="img", aria_label=word)
        text = element("div", element("b", rule.name), element("span", rule.detail, class_="soft small"))
        items.append(element("li", badge, text))
    return element("ul", *items, class_="rules")


def notes(lines: Sequence[str]) -> Element | None:
    """What a reader must keep in mind."""
    if not lines:
        return None
    return element("ul", *(element("li", line) for line in lines), class_="notes soft small")


def settings(tasks: Sequence[TaskRuns]) -> list[Element]:
    """For each task the settings in which methods differ, with the ones that all share folded away."""
    elements = []
    for task in tasks:
        labels = list(task.methods)
        known = [_settings(task.methods[label][0]) for label in labels]
        differ = differing(known)
        alike = [name for name in known[0] if name not in differ]
        if differ:
            rows = [[name, *(_show(one.get(name)) for one in known)] for name in differ]
            elements.append(element("h3", f"{task.name}: where the methods differ"))
            elements.append(table(["setting", *labels], rows, label=f"settings that differ on {task.name}"))
        rows = [[name, _show(known[0][name])] for name in alike]
        head = f"{task.name}: the {len(alike)} settings that "
        head += "all methods share" if len(labels) > 1 else f"{labels[0]} has"
        grid = table(["setting", "value"], rows, label=f"shared settings on {task.name}")
        elements.append(element("details", element("summary", head), grid))
    return elements


def origins(records: Sequence[Record], facts: Sequence[Mapping[str, Any]]) -> Element:
    """Where each run comes from.

    Args:
        records: the runs.
        facts: what each run's ``configs/hparams.json`` says, in the same order.
    """
    heads = ["run", "seeds", "started", "qflock", "commit", "device", "platform", "Python, JAX"]
    rows = []
    for record, fact in zip(records, facts, strict=True):
        versions, device = fact.get("versions", {}), fact.get("device") or {}
        kinds = f"{device.get('count', 1)} {device.get('kind', 'device')}" if device else NOTHING
        cores = f", {fact['cpu_cores']} cores" if fact.get("cpu_cores") else ""
        rows.append(
            [
                str(record.path),
                ", ".join(map(str, fact.get("seeds", sorted(record.final)))),
                str(fact.get("created") or NOTHING)[:16].replace("T", " "),
                str(versions.get("qflock", NOTHING)),
                str(fact.get("git") or NOTHING)[:10],
                kinds + cores,
                str(fact.get("platform") or NOTHING),
                f"{versions.get('python', NOTHING)}, {versions.get('jax', NOTHING)}",
            ]
        )
    return table(heads, rows, label="where the runs come from")


def commands(
    records: Sequence[Record], facts: Sequence[Mapping[str, Any]], own: Sequence[str]
) -> list[Element]:
    """The commands that were typed, those that repeat the runs, and the ones that made this page.

    Args:
        records: the runs.
        facts: what each run's ``configs/hparams.json`` says, in the same order.
        own: commands that give this page again.
    """
    typed = dict.fromkeys(str(fact["command"]) for fact in facts if fact.get("command"))
    files = [str(record.path / "configs" / "config.yaml") for record in records]
    repeat = [command("train", "--config", file) for file in files]
    parts = [("As it was typed", list(typed)), ("Each run again, with all its settings", repeat)]
    elements = []
    for head, lines in [*parts, ("This comparison", list(own))]:
        if lines:
            code = element("code", "\n".join(lines))
            elements += [element("h3", head), element("pre", code, class_="command", tabindex="0")]
    return elements


def _settings(record: Record) -> dict[str, Any]:
    world = {f"env.{name}": value for name, value in record.environment_settings.items()}
    return {"algorithm": record.algorithm, **flat(record.settings), **world}


def _show(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(_show, value)) if isinstance(value, (list, tuple)) else str(value)
