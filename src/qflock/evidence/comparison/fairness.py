"""The one judge of whether runs may be compared, and of what a reader must know before believing it.

Whatever compares, reports, keeps or plans runs asks here; how a finding is worded on a page is the page's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qflock.evidence import metrics, records
from qflock.evidence.comparison.finding import Finding, Kind
from qflock.evidence.comparison.intervals import LEAST
from qflock.evidence.records import Record
from qflock.machine import checkout

FEW_SEEDS = LEAST
MATCHED = 1.1
"""Parameters count as matched where the most are no more than this many times the fewest."""
ROUNDING = 1.01
"""Step budgets count as equal within this: runs end with whole updates."""
UNSET = "unset"


@dataclass(frozen=True)
class TaskRuns:
    """The runs of one task, by method.

    Attributes:
        name: environment, with the settings that split it into tasks.
        methods: runs of each method by its label, in the order the runs were given.
    """

    name: str
    methods: dict[str, list[Record]]

    @property
    def records(self) -> list[Record]:
        """All runs of the task."""
        return [record for records in self.methods.values() for record in records]


def judge(tasks: Sequence[TaskRuns], metric: str) -> list[Finding]:
    """Every rule of a fair comparison on every task, kept or not.

    Args:
        tasks: runs as `tasks.sort` gives them.
        metric: column of the evaluations that is the score.

    Returns:
        Findings, task by task; then those on all tasks together.
    """
    findings = []
    for task in tasks:
        findings += [_seeds(task), _pairing(task), _steps(task), _tuning(task), _parameters(task)]
        findings.append(_execution(task))
        findings += [*unlike(task.name, task.records), *references(task, metric)]
    return [*findings, *_settings(tasks), *_origin(tasks)]


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the settings that are not the same everywhere, in the order in which they stand.

    Args:
        settings: one mapping of names to values for each run; a name that one lacks differs.
    """
    names = dict.fromkeys(name for one in settings for name in one)
    return [n for n in names if any(one.get(n, UNSET) != settings[0].get(n, UNSET) for one in settings)]


def unlike(task: str, runs: Sequence[Record]) -> list[Finding]:
    """Whether runs are of one task: the same environment, evaluated in the same way.

    Args:
        task: its name.
        runs: all runs of it.
    """
    advice = "; to compare them as tasks of their own, add --split {}"
    environment = _unlike(runs, [run.environment_settings for run in runs])
    evaluation = _unlike(runs, [run.evaluation for run in runs])
    worded = [(name, f"on {task}, env.{name} is {which}{advice.format(name)}") for name, which in environment]
    refused = [Finding("environment", task, what, "refused") for _, what in worded]
    refused += [
        Finding("evaluation", task, f"on {task}, evaluation {name} is {which}", "refused")
        for name, which in evaluation
    ]
    ways = dict.fromkeys((run.evaluation.get("episodes"), run.evaluation.get("mode")) for run in runs)
    return refused or [Finding("evaluation", task, "", "kept", {task: list(ways)})]


def _unlike(runs: Sequence[Record], settings: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Each setting that differs, with its values and the runs that have them, in words."""
    differences = []
    for name in differing(settings):
        values: dict[str, list[str]] = {}
        for run, one in zip(runs, settings, strict=True):
            values.setdefault(str(one.get(name, UNSET)), []).append(str(run.path))
        differences.append((name, ", ".join(f"{value} in {_some(paths)}" for value, paths in values.items())))
    return differences


def _some(paths: Sequence[str]) -> str:
    return " and ".join(paths) if len(paths) <= 2 else f"{paths[0]}, {paths[1]} and {len(paths) - 2} more"


def repeated(method: str, runs: Iterable[Record]) -> list[Finding]:
    """Whether a seed of a method stands in two runs.

    Args:
        method: its label.
        runs: of the method on one task.
    """
    run_of_seed: dict[int, Record] = {}
    for run in runs:
        for seed in run.final:
            if seed in run_of_seed:
                both = f"seed {seed} of {method} is both in {run_of_seed[seed].path} and in {run.path}"
                advice = "the same run counts once, so give one of them"
                return [Finding("repeated", method, f"{both}; {advice}", "refused")]
            run_of_seed[seed] = run
    return []


def finite_scores(run: Record, metric: str) -> list[Finding]:
    """Whether every seed of a run has a finite score.

    Args:
        run: as read.
        metric: column of the final evaluation that is the score.
    """
    lacking = [seed for seed, row in run.final.items() if not np.isfinite(row.get(metric, np.nan))]
    what = f"seed {{}} has no finite {metric!r} in its final evaluation"
    return [Finding("score", str(run.path), what.format(seed), "refused") for seed in lacking]


def references(task: TaskRuns, metric: str) -> list[Finding]:
    """Whether oracle and random play were measured beside the runs, and give a scale.

    Args:
        task: the runs.
        metric: column of the evaluations that is the score.
    """
    scores = records.references(task.records, metric)
    if lacking := [name for name in ("oracle", "random") if name not in scores]:
        what = f"no {' and no '.join(lacking)} to scale by"
        return [Finding("references", task.name, what, "broken")]
    finding = Finding("references", task.name, "", "kept")
    if metrics.span(scores) is None:
        return [finding, Finding("scale", task.name, "oracle and random score the same", "broken")]
    return [finding]


def tuning_seeds(measuring: Iterable[int], tuning: Iterable[int], where: str) -> list[Finding]:
    """Whether settings are findings on seeds that do not measure them.

    Args:
        measuring: seeds of the runs that are compared.
        tuning: seeds of the trials.
        where: what asks for both.
    """
    measuring = list(measuring)
    both = sorted(set(measuring) & set(tuning))
    if not both:
        return []
    what = f"seed {both[0]} also measures; tune on other seeds, as in seed: {max(measuring) + 1}"
    return [Finding("tuning", where, what, "refused")]


def trials(counts: Mapping[str, int], where: str) -> list[Finding]:
    """Whether every method may spend the same number of trials.

    Args:
        counts: trials of each method on each environment, by name.
        where: what asks for them.
    """
    if len(set(counts.values())) <= 1:
        return []
    sizes = ", ".join(f"{name} {count}" for name, count in counts.items())
    what = f"unequal budgets, the grids have different sizes: {sizes}"
    return [Finding("tuning", where, what, "refused", {name: [count] for name, count in counts.items()})]


def step_budgets(where: str, by_method: Mapping[str, Sequence[float | None]]) -> Finding:
    """Whether all methods were trained for as many environment steps; unknown where one does not say.

    Args:
        where: the task.
        by_method: steps of each run of a method, by its label.
    """
    return _budget("steps", where, "unequal step budgets", by_method, ROUNDING)


def _seeds(task: TaskRuns) -> Finding:
    counts = {label: [sum(len(run.final) for run in runs)] for label, runs in task.methods.items()}
    few = ", ".join(f"{label} {n}" for label, (n,) in counts.items() if n < FEW_SEEDS)
    what = f"few seeds ({few}); below {FEW_SEEDS} there is no interval, look at each" if few else ""
    return Finding("seeds", task.name, what, "broken" if few else "kept", counts)


def _pairing(task: TaskRuns) -> Finding:
    seeds = {label: sorted({s for run in runs for s in run.final}) for label, runs in task.methods.items()}
    apart = len({tuple(some) for some in seeds.values()}) > 1
    what = "methods have different seeds" if apart else ""
    return Finding("pairing", task.name, what, "broken" if apart else "kept", seeds)


def _steps(task: TaskRuns) -> Finding:
    by_method = {label: [run.costs.get("env_steps") for run in runs] for label, runs in task.methods.items()}
    return step_budgets(task.name, by_method)


def _tuning(task: TaskRuns) -> Finding:
    by_method = {label: [run.tuning_budget for run in runs] for label, runs in task.methods.items()}
    return _budget("tuning", task.name, "unequal tuning budgets", by_method, ROUNDING)


def _parameters(task: TaskRuns) -> Finding:
    by_method = {label: [run.costs.get("parameters") for run in runs] for label, runs in task.methods.items()}
    return _budget("parameters", task.name, "unequal numbers of parameters", by_method, MATCHED)


def _execution(task: TaskRuns) -> Finding:
    """Whether policies are executed in one way; runs of older versions do not say."""
    by_method = {label: [run.execution for run in runs] for label, runs in task.methods.items()}
    ways = {way for some in by_method.values() for way in some if way}
    names = ", ".join(
        f"{label} {' and '.join(sorted(set(filter(None, v))))}" for label, v in by_method.items()
    )
    what = f"policies are executed differently ({names})" if len(ways) > 1 else ""
    return Finding("execution", task.name, what, "broken" if what else "kept", by_method)


def _budget(
    kind: Kind, where: str, what: str, by_method: Mapping[str, Sequence[Any]], within: float
) -> Finding:
    """Whether all state the same, up to a ratio; unknown where one does not state it.

    Words are given where budgets differ, and where only some are stated.
    """
    values = [value for some in by_method.values() for value in some]
    present = [value for value in values if value is not None]
    if all(isinstance(value, (int, float)) for value in present):
        equal = not present or max(present) <= within * min(present)
    else:
        equal = len(set(map(str, present))) == 1
    budgets = ", ".join(
        f"{label} {' and '.join(sorted(set(map(_budget_text, v))))}" for label, v in by_method.items()
    )
    uneven = not equal or 0 < len(present) < len(values)
    severity = "unknown" if len(present) < len(values) else "kept" if equal else "broken"
    return Finding(kind, where, f"{what} ({budgets})" if uneven else "", severity, by_method)


def _budget_text(value: Any) -> str:
    if value is None:
        return "not stated"
    return f"{value:,.0f}" if isinstance(value, (int, float)) else str(value)


def _settings(tasks: Sequence[TaskRuns]) -> list[Finding]:
    findings = []
    for label in dict.fromkeys(label for task in tasks for label in task.methods):
        settings = [runs[0].settings for task in tasks if (runs := task.methods.get(label))]
        names = [name for name in differing(settings) if name != "total_steps"]  # the budgets say it
        what = f"settings differ between tasks ({', '.join(names)})" if names else ""
        findings.append(Finding("settings", label, what, "broken" if names else "kept", {label: names}))
    return findings


def _origin(tasks: Sequence[TaskRuns]) -> list[Finding]:
    runs = [run for task in tasks for run in task.records]
    versions = sorted({run.version for run in runs})
    what = f"trained by different versions of qflock: {', '.join(versions)}" if len(versions) > 1 else ""
    findings = [Finding("versions", "", what, "broken" if what else "kept", {"": versions})]
    commits = list({run.commit: None for run in runs})
    by_method = {"": commits}
    if commits == [None]:
        return [*findings, Finding("checkout", "", "the runs do not know their commit", "unknown", by_method)]
    if len(commits) == 1 and str(commits[0]).endswith(checkout.UNKNOWN):
        what = "it could not be seen whether files were changed"
        return [*findings, Finding("checkout", "", what, "unknown", by_method)]
    clean = len(commits) == 1 and not str(commits[0]).endswith(checkout.DIRTY)
    what = "" if clean else "not from one clean checkout"
    return [*findings, Finding("checkout", "", what, "kept" if clean else "broken", by_method)]
