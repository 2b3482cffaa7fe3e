"""Which runs may stand in one table: sorted into tasks and methods, refused where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qflock.core.errors import UserError, unknown
from qflock.evidence.records import Record
from qflock.settings.registry import is_path, short_name

FEW_SEEDS = 5
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


def sort(records: Sequence[Record], split: Sequence[str] = ()) -> list[TaskRuns]:
    """Runs by task and method.

    A method's label is its algorithm and those settings in which runs of this algorithm differ within
    a task: ``qmix mixer_embed=64``. Settings tuned for each task apart make no methods of their own. Where
    an experiment has a label of its own for just these runs, that is the method's.

    Args:
        records: runs as read.
        split: environment settings that make tasks of one environment, for example ``grid_size``.

    Raises:
        UserError: runs of a task differ in the environment's settings or in the evaluation, or hold
            the same seed of the same method twice; or no run has a setting named in ``split``.
    """
    for name in split:
        known = {setting for record in records for setting in record.environment_settings}
        if name not in known:
            raise unknown("environment setting to split by", name, known)
    names = _labels([(r.environment, _chosen(r.environment_settings, split)) for r in records])
    tasks: dict[str, list[Record]] = {}
    for name, record in zip(names, records, strict=True):
        tasks.setdefault(name, []).append(record)
    for name, runs in tasks.items():
        _refuse_unlike(name, runs)
    varying = _varying(tasks.values())
    told = _labels([(r.algorithm, _chosen(r.settings, varying[r.algorithm])) for r in records])
    labels = _given(told, [record.label for record in records])
    methods: dict[str, dict[str, list[Record]]] = {}
    for name, label, record in zip(names, labels, records, strict=True):
        methods.setdefault(name, {}).setdefault(label, []).append(record)
    for same in methods.values():
        for label, runs in same.items():
            _refuse_twice(label, runs)
    return [TaskRuns(name, same) for name, same in methods.items()]


def notes(tasks: Sequence[TaskRuns]) -> list[str]:
    """What a reader must know before believing the table: few seeds, unequal budgets, execution, versions."""
    found = []
    for task in tasks:
        seeds = {label: sum(len(r.final) for r in runs) for label, runs in task.methods.items()}
        few = {label: n for label, n in seeds.items() if n < FEW_SEEDS}
        if few:
            said = ", ".join(f"{label} {n}" for label, n in few.items())
            found.append(
                f"{task.name}: few seeds ({said}); below {FEW_SEEDS} the intervals are too narrow, "
                "and a single seed has none"
            )
        steps = {label: {r.costs.get("env_steps") for r in runs} for label, runs in task.methods.items()}
        if _unequal_steps(set().union(*steps.values())):
            found.append(f"{task.name}: unequal step budgets ({_budgets(steps)})")
        tuning = {label: {_hashable(r.tuning_budget) for r in runs} for label, runs in task.methods.items()}
        if len(set().union(*tuning.values())) > 1:
            found.append(f"{task.name}: unequal tuning budgets ({_budgets(tuning)})")
        ways = {label: {r.execution for r in runs if r.execution} for label, runs in task.methods.items()}
        if len(set().union(*ways.values())) > 1:
            said = ", ".join(f"{label} {' and '.join(sorted(how))}" for label, how in ways.items() if how)
            found.append(f"{task.name}: policies are executed differently ({said})")
    found += _tuned_apart(tasks)
    versions = sorted({record.version for task in tasks for record in task.records})
    if len(versions) > 1:
        found.append(f"trained by different versions of qflock: {', '.join(versions)}")
    return found


def _unequal_steps(steps: set[float | None]) -> bool:
    """Whether budgets differ by more than the rounding to whole updates, one in a hundred."""
    known = [value for value in steps if value is not None]
    return 0 < len(known) < len(steps) or (len(known) > 0 and max(known) > 1.01 * min(known))


def _hashable(budget: Any) -> Any:
    return budget if budget is None or isinstance(budget, (int, float)) else str(budget)


def _budgets(spent: Mapping[str, set[Any]]) -> str:
    def said(value: Any) -> str:
        if value is None:
            return "not stated"
        return f"{value:,.0f}" if isinstance(value, (int, float)) else str(value)

    return ", ".join(f"{label} {' and '.join(sorted(map(said, v)))}" for label, v in spent.items())


def _varying(tasks: Iterable[Sequence[Record]]) -> dict[str, list[str]]:
    """For each algorithm, the settings in which its runs differ within any task."""
    varying: dict[str, dict[str, None]] = {}
    for runs in tasks:
        for record in runs:
            names = varying.setdefault(record.algorithm, {})
            for other in runs:
                if other.algorithm == record.algorithm:
                    names |= dict.fromkeys(_differing(record.settings, other.settings))
    return {algorithm: list(names) for algorithm, names in varying.items()}


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return [name for name in {**a, **b} if a.get(name, UNSET) != b.get(name, UNSET)]


def _chosen(settings: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}


def _labels(named: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """A short label for a name with its settings; the long form where unlike ones would read alike."""
    short = [" ".join([short_name(n), *(f"{k}={_shown(v)}" for k, v in s.items())]) for n, s in named]
    long = [" ".join([n, *(f"{k}={v}" for k, v in s.items())]) for n, s in named]
    meant: dict[str, set[str]] = {}
    for brief, full in zip(short, long, strict=True):
        meant.setdefault(brief, set()).add(full)
    return [brief if len(meant[brief]) == 1 else full for brief, full in zip(short, long, strict=True)]


def _given(told: Sequence[str], named: Sequence[str | None]) -> list[str]:
    """The experiments' own labels, wherever one label and one set of settings mean each other."""
    names: dict[str, set[str | None]] = {}
    meant: dict[str | None, set[str]] = {}
    for label, name in zip(told, named, strict=True):
        names.setdefault(label, set()).add(name)
        meant.setdefault(name, set()).add(label)
    return [
        name if name and len(names[label]) == len(meant[name]) == 1 else label
        for label, name in zip(told, named, strict=True)
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ",".join(map(_shown, value))
    return short_name(value) if isinstance(value, str) and is_path(value) else str(value)


def _tuned_apart(tasks: Sequence[TaskRuns]) -> list[str]:
    found = []
    for label in dict.fromkeys(label for task in tasks for label in task.methods):
        settings = [runs[0].settings for task in tasks if (runs := task.methods.get(label))]
        differing = dict.fromkeys(n for other in settings[1:] for n in _differing(settings[0], other))
        names = [name for name in differing if name != "total_steps"]  # its own row of the table says it
        if names:
            found.append(f"{label}: settings differ between tasks ({', '.join(names)})")
    return found


def _refuse_unlike(task: str, runs: Sequence[Record]) -> None:
    for kind, mapping, advice in (
        ("env.", lambda r: r.environment_settings, "; to compare them as tasks of their own, add --split {}"),
        ("evaluation ", lambda r: r.evaluation, ""),
    ):
        for name in dict.fromkeys(name for record in runs for name in mapping(record)):
            values: dict[str, list[str]] = {}
            for record in runs:
                values.setdefault(str(mapping(record).get(name, UNSET)), []).append(str(record.path))
            if len(values) > 1:
                said = ", ".join(f"{value} in {_some(paths)}" for value, paths in values.items())
                raise UserError(f"not comparable: on {task}, {kind}{name} is {said}{advice.format(name)}")


def _some(paths: Sequence[str]) -> str:
    return " and ".join(paths) if len(paths) <= 2 else f"{paths[0]}, {paths[1]} and {len(paths) - 2} more"


def _refuse_twice(label: str, runs: Sequence[Record]) -> None:
    seen: dict[int, Record] = {}
    for record in runs:
        for seed in record.final:
            if seed in seen:
                raise UserError(
                    f"not comparable: seed {seed} of {label} is both in {seen[seed].path} and in "
                    f"{record.path}; the same run counts once, so give one of them"
                )
            seen[seed] = record
