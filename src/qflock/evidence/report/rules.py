"""The house rules of a fair comparison as a report lists them: met, not met, or not to be told.

``comparison.fairness`` judges; here its findings on all tasks become one line a rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from qflock.evidence.comparison.fairness import FEW_SEEDS
from qflock.evidence.comparison.finding import Finding, Kind
from qflock.runs.train.curve import quantity


class Rule(NamedTuple):
    """Attributes:
    name: what is asked for.
    met: None where the runs do not say.
    detail: what was found, in words.
    """

    name: str
    met: bool | None
    detail: str


class Words(Protocol):
    """Puts a value into words."""

    def __call__(self, value: Any, /) -> str: ...


class Detail(Protocol):
    """Puts the findings of one rule, on all tasks, into words."""

    def __call__(self, findings: Sequence[Finding]) -> str: ...


def rules(findings: Sequence[Finding]) -> list[Rule]:
    """All rules, in the order of their weight.

    Args:
        findings: as `fairness.judge` gives them. Rules on pairs of methods are left out where no task has
            two, the one on all tasks where there is one task.
    """
    tasks = [finding for finding in findings if finding.kind == "seeds"]
    left_out = set[str]() if any(len(task.stated) > 1 for task in tasks) else {*ON_PAIRS}
    left_out |= set() if len(tasks) > 1 else {"settings"}
    judged = []
    for kinds, name, detail in RULES:
        own = [finding for finding in findings if finding.kind in kinds]
        if own and not left_out.intersection(kinds):
            judged.append(Rule(name, _met(own), detail(findings=own)))
    return judged


def _met(findings: Sequence[Finding]) -> bool | None:
    severities = {finding.severity for finding in findings}
    return None if "unknown" in severities else severities == {"kept"}


def _seeds(findings: Sequence[Finding]) -> str:
    return _by_method(findings, str)


def _pairing(findings: Sequence[Finding]) -> str:
    for task in findings:
        if task.severity != "kept":
            seeds = "; ".join(f"{label}: {_numbers(some)}" for label, some in task.stated.items())
            return f"{task.where}: {seeds}"
    every = {seed for task in findings for some in task.stated.values() for seed in some}
    return f"seeds {_numbers(sorted(every))}"


def _steps(findings: Sequence[Finding]) -> str:
    return "not every run states its steps" if _met(findings) is None else _by_method(findings, quantity)


def _tuning(findings: Sequence[Finding]) -> str:
    silent = [label for label, budgets in _merged(findings).items() if None in budgets]
    return f"not stated by {', '.join(silent)}" if silent else _by_method(findings, str)


def _parameters(findings: Sequence[Finding]) -> str:
    if _met(findings) is None:
        return "not every run states its parameters"
    return f"that execution needs: {_by_method(findings, quantity)}"


def _references(findings: Sequence[Finding]) -> str:
    lacking = [task.where for task in findings if task.severity != "kept"]
    return f"missing on {', '.join(lacking)}" if lacking else "on every task"


def _evaluation(findings: Sequence[Finding]) -> str:
    ways = dict.fromkeys(way for task in findings for some in task.stated.values() for way in some)
    worded = [f"{episodes} {mode} episodes a seed" for episodes, mode in ways]
    same = "within each task alike" if len(worded) > 1 else "alike for all"
    return f"{' or '.join(worded)}, {same}, with keys apart from training"


def _settings(findings: Sequence[Finding]) -> str:
    apart = {f.where: f.stated[f.where] for f in findings if f.severity != "kept"}
    differing = "; ".join(f"{label}: {', '.join(names)}" for label, names in apart.items())
    return differing or "every method has one"


def _origin(findings: Sequence[Finding]) -> str:
    versions, commits = (finding.stated[""] for finding in findings)
    origin = f"qflock {', '.join(versions)}; commit {', '.join(sorted(map(_short, commits)))}"
    unknown = [finding.what for finding in findings if finding.severity == "unknown"]
    return ": ".join([origin, *unknown])


ON_PAIRS: tuple[Kind, ...] = ("pairing", "steps", "tuning", "parameters")
RULES: tuple[tuple[tuple[Kind, ...], str, Detail], ...] = (
    (("seeds",), f"At least {FEW_SEEDS} seeds for every method", _seeds),
    (("pairing",), "The same seeds for every method", _pairing),
    (("steps",), "Equal budgets of environment steps", _steps),
    (("tuning",), "Equal budgets for finding settings", _tuning),
    (("parameters",), "Matched numbers of parameters", _parameters),
    (("references",), "Oracle and random play beside every score", _references),
    (("evaluation",), "One way of evaluating, apart from training", _evaluation),
    (("settings",), "One setting of a method for all tasks", _settings),
    (("versions", "checkout"), "One version, from a clean checkout", _origin),
)


def _short(commit: str | None) -> str:
    if commit is None:
        return "unknown"
    name, dash, state = commit.partition("-")
    return f"{name[:10]}{dash}{state}"


def _by_method(findings: Sequence[Finding], words: Words) -> str:
    by_label = _merged(findings).items()
    return ", ".join(f"{label} {' and '.join(dict.fromkeys(map(words, v)))}" for label, v in by_label)


def _merged(findings: Sequence[Finding]) -> dict[str, list[Any]]:
    """What each method stated on all tasks."""
    by_label: dict[str, list[Any]] = {}
    for task in findings:
        for label, values in task.stated.items():
            by_label.setdefault(label, []).extend(values)
    return by_label


def _numbers(seeds: Sequence[int]) -> str:
    """Seeds in order, in words."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))
