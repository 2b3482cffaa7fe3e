"""Runs sorted into tasks and methods; runs that differ where they must not are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qflock.core.errors import unknown
from qflock.evidence.comparison import fairness
from qflock.evidence.comparison.fairness import TaskRuns
from qflock.evidence.comparison.finding import refuse
from qflock.evidence.records import Record
from qflock.settings.registry import is_path, short_name


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
    names = _labels([(r.environment, _selection(r.environment_settings, split)) for r in records])
    tasks: dict[str, list[Record]] = {}
    for name, record in zip(names, records, strict=True):
        tasks.setdefault(name, []).append(record)
    for name, runs in tasks.items():
        refuse(fairness.unlike(name, runs), "not comparable")
    varying = _varying(tasks.values())
    descriptions = _labels([(r.algorithm, _selection(r.settings, varying[r.algorithm])) for r in records])
    labels = _chosen_by_experiments(descriptions, [record.label for record in records])
    methods: dict[str, dict[str, list[Record]]] = {}
    for name, label, record in zip(names, labels, records, strict=True):
        methods.setdefault(name, {}).setdefault(label, []).append(record)
    for same in methods.values():
        for label, runs in same.items():
            refuse(fairness.repeated(label, runs), "not comparable")
    return [TaskRuns(name, same) for name, same in methods.items()]


def _varying(tasks: Iterable[Sequence[Record]]) -> dict[str, list[str]]:
    """For each algorithm, the settings in which its runs differ within any task."""
    varying: dict[str, dict[str, None]] = {}
    for runs in tasks:
        for record in runs:
            names = varying.setdefault(record.algorithm, {})
            for other in runs:
                if other.algorithm == record.algorithm:
                    names |= dict.fromkeys(fairness.differing([record.settings, other.settings]))
    return {algorithm: list(names) for algorithm, names in varying.items()}


def _selection(settings: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}


def _labels(named: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """A short label for a name with its settings; the long form where unlike ones would read alike."""
    short = [" ".join([short_name(n), *(f"{k}={_text(v)}" for k, v in s.items())]) for n, s in named]
    long = [" ".join([n, *(f"{k}={v}" for k, v in s.items())]) for n, s in named]
    long_forms: dict[str, set[str]] = {}
    for brief, full in zip(short, long, strict=True):
        long_forms.setdefault(brief, set()).add(full)
    return [brief if len(long_forms[brief]) == 1 else full for brief, full in zip(short, long, strict=True)]


def _chosen_by_experiments(descriptions: Sequence[str], named: Sequence[str | None]) -> list[str]:
    """The experiments' own labels, wherever one label and one set of settings mean each other."""
    names: dict[str, set[str | None]] = {}
    settings_of: dict[str | None, set[str]] = {}
    for label, name in zip(descriptions, named, strict=True):
        names.setdefault(label, set()).add(name)
        settings_of.setdefault(name, set()).add(label)
    return [
        name if name and len(names[label]) == len(settings_of[name]) == 1 else label
        for label, name in zip(descriptions, named, strict=True)
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    return short_name(value) if isinstance(value, str) and is_path(value) else str(value)
