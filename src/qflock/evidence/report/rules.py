"""The house rules of a fair comparison, and whether runs keep them: met, not met, or not to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from qflock.evidence.comparison.fairness import FEW_SEEDS, TaskRuns
from qflock.evidence.comparison.table import Comparison
from qflock.evidence.records import Record
from qflock.runs.train.curve import quantity

MATCHED = 1.1
"""Parameters count as matched where the most are no more than this many times the fewest."""
ROUNDING = 1.01
"""Step budgets count as equal within this: runs end with whole updates."""


class Rule(NamedTuple):
    """Attributes:
    name: what is asked for.
    met: None where the runs do not say.
    said: what was found.
    """

    name: str
    met: bool | None
    said: str


def rules(
    comparison: Comparison, tasks: Sequence[TaskRuns], facts: Sequence[Mapping[str, Any]]
) -> list[Rule]:
    """All rules, in the order of their weight.

    Args:
        comparison: of the runs.
        tasks: the same runs, sorted.
        facts: what each run's ``configs/hparams.json`` says.
    """
    several = any(len(task.methods) > 1 for task in tasks)
    found = [_seeds(tasks)]
    if several:
        found += [_paired(tasks), _steps(tasks), _tuning(tasks), _parameters(tasks)]
    found += [_references(comparison), _evaluation(tasks)]
    if len(tasks) > 1:
        found.append(_same_settings(tasks))
    return [*found, _origin(facts)]


def _seeds(tasks: Sequence[TaskRuns]) -> Rule:
    known = _by_method(tasks, lambda runs: [sum(len(run.final) for run in runs)])
    few = any(n < FEW_SEEDS for counts in known.values() for n in counts)
    return Rule(f"At least {FEW_SEEDS} seeds for every method", not few, _list(known, str))


def _paired(tasks: Sequence[TaskRuns]) -> Rule:
    for task in tasks:
        sets = {label: {seed for run in runs for seed in run.final} for label, runs in task.methods.items()}
        if len(set(map(frozenset, sets.values()))) > 1:
            said = "; ".join(f"{label}: {_numbers(seeds)}" for label, seeds in sets.items())
            return Rule("The same seeds for every method", False, f"{task.name}: {said}")
    every = {seed for task in tasks for run in task.records for seed in run.final}
    return Rule("The same seeds for every method", True, f"seeds {_numbers(every)}")


def _steps(tasks: Sequence[TaskRuns]) -> Rule:
    name = "Equal budgets of environment steps"
    known = _by_method(tasks, lambda runs: [run.costs.get("env_steps") for run in runs])
    if any(value is None for values in known.values() for value in values):
        return Rule(name, None, "not every run states its steps")
    equal = all(_within(_all(task, "env_steps"), ROUNDING) for task in tasks)
    return Rule(name, equal, _list(known, quantity))


def _tuning(tasks: Sequence[TaskRuns]) -> Rule:
    name = "Equal budgets for finding settings"
    known = _by_method(tasks, lambda runs: [run.tuning_budget for run in runs])
    if any(value is None for values in known.values() for value in values):
        silent = [label for label, values in known.items() if any(value is None for value in values)]
        return Rule(name, None, f"not stated by {', '.join(silent)}")
    equal = len({str(value) for values in known.values() for value in values}) == 1
    return Rule(name, equal, _list(known, str))


def _parameters(tasks: Sequence[TaskRuns]) -> Rule:
    name = "Matched numbers of parameters"
    known = _by_method(tasks, lambda runs: [run.costs.get("parameters") for run in runs])
    if any(value is None for values in known.values() for value in values):
        return Rule(name, None, "not every run states its parameters")
    matched = all(_within(_all(task, "parameters"), MATCHED) for task in tasks)
    return Rule(name, matched, f"that execution needs: {_list(known, quantity)}")


def _references(comparison: Comparison) -> Rule:
    lacking = [
        table.name
        for table in comparison.tables
        if not {"oracle", "random"} <= {reference.name for reference in table.references}
    ]
    said = f"missing on {', '.join(lacking)}" if lacking else "on every task"
    return Rule("Oracle and random play beside every score", not lacking, said)


def _evaluation(tasks: Sequence[TaskRuns]) -> Rule:
    kinds = dict.fromkeys(
        f"{run.evaluation.get('episodes')} {run.evaluation.get('mode')} episodes a seed"
        for task in tasks
        for run in task.records
    )
    same = "within each task alike" if len(kinds) > 1 else "alike for all"
    said = f"{' or '.join(kinds)}, {same}, with keys apart from training"
    return Rule("One way of evaluating, apart from training", True, said)


def _same_settings(tasks: Sequence[TaskRuns]) -> Rule:
    apart: dict[str, list[str]] = {}
    for label in dict.fromkeys(label for task in tasks for label in task.methods):
        settings = [runs[0].settings for task in tasks if (runs := task.methods.get(label))]
        names = dict.fromkeys(name for one in settings for name in one)
        differ = [n for n in names if n != "total_steps" and len({str(one.get(n)) for one in settings}) > 1]
        if differ:
            apart[label] = differ
    said = "; ".join(f"{label}: {', '.join(names)}" for label, names in apart.items())
    return Rule("One setting of a method for all tasks", not apart, said or "every method has one")


def _origin(facts: Sequence[Mapping[str, Any]]) -> Rule:
    name = "One version, from a clean checkout"
    commits = {str(fact.get("git")) for fact in facts}
    versions = {str(fact.get("versions", {}).get("qflock")) for fact in facts}
    said = f"qflock {', '.join(sorted(versions))}; commit {', '.join(sorted(_short(c) for c in commits))}"
    if commits == {"None"}:
        return Rule(name, None, f"{said}: the runs do not know their commit")
    clean = not any(commit.endswith("-dirty") for commit in commits)
    return Rule(name, clean and len(commits) == len(versions) == 1, said)


def _short(commit: str) -> str:
    return "unknown" if commit == "None" else commit[:10] + "-dirty" * commit.endswith("-dirty")


def _by_method(
    tasks: Sequence[TaskRuns], take: Callable[[Sequence[Record]], list[Any]]
) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for task in tasks:
        for label, runs in task.methods.items():
            found.setdefault(label, []).extend(take(runs))
    return found


def _all(task: TaskRuns, cost: str) -> list[float]:
    return [run.costs[cost] for run in task.records]


def _within(values: Sequence[float], times: float) -> bool:
    return max(values) <= times * min(values)


def _list(known: Mapping[str, Sequence[Any]], show: Callable[[Any], str]) -> str:
    return ", ".join(f"{label} {' and '.join(dict.fromkeys(map(show, v)))}" for label, v in known.items())


def _numbers(seeds: set[int]) -> str:
    ordered = sorted(seeds)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))
