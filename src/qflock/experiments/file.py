"""Read an experiment's YAML: methods x environments, their seeds, and how the methods are tuned."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from qflock.core.errors import UserError, unknown
from qflock.evidence import metrics
from qflock.evidence.comparison import fairness
from qflock.evidence.comparison.finding import refuse
from qflock.experiments import sweep
from qflock.experiments.sweep_ranges import Search
from qflock.settings import config, registry
from qflock.settings import file as settings_file
from qflock.settings.config import Settings
from qflock.settings.registry import is_path, short_name
from qflock.settings.run import RunSettings
from qflock.settings.values import convert, types_of

KEYS = ("name", "folder", "seeds", "run", "environments", "methods", "sweep", "cells", "launcher", "pictures")
SWEEP_KEYS = ("trials", "seeds", "seed", "search", "metric", "ranges", "run")
OURS = ("env", "seeds", "seed", "run_dir", "algorithm", "config")
"""Settings that the experiment itself gives to each run."""


@dataclass(frozen=True)
class Tuning:
    """The budget of every method's search on every environment.

    Attributes:
        ranges: as `sweep_ranges.read` wants them, for methods without ranges of their own.
        run: settings of the trials that differ from the run's, such as ``total_steps``.
    """

    ranges: dict[str, Any] = field(default_factory=dict)
    trials: int = 0
    seeds: int = sweep.SEEDS
    seed: int = sweep.FIRST_SEED
    search: Search = "random"
    metric: str = metrics.DEFAULT
    run: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """A method on an environment, before seeds.

    Attributes:
        name: ``label-environment``.
        label: of the method.
        settings: as resolved, before any tuning.
        ranges: of its search; empty where it is not tuned.
    """

    name: str
    label: str
    settings: Settings
    ranges: dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """An experiment as its file states it.

    Attributes:
        file: where it was read.
        folder: where its cells go.
        seeds: that measure.
        pairs: methods on environments, in the file's order.
        tuning: None where nothing is tuned.
        cells: ``method`` for all seeds of a method in one program, ``seed`` for a cell each.
        launcher: as in the file: a name, or a mapping of a name to its options.
        pictures: whether each run gets its plots and its animation.
    """

    name: str
    file: Path
    folder: Path
    seeds: list[int]
    pairs: list[Pair]
    tuning: Tuning | None
    cells: Literal["method", "seed"]
    launcher: Any
    pictures: bool


def read(path: Path) -> Experiment:
    """Read an experiment's file and resolve the settings of every method on every environment.

    Raises:
        UserError: what is wrong and where in the file.
    """
    content = settings_file.read(path)
    where = str(path)
    _refuse_unknown(content, KEYS, where)
    name = _value(content, "name", str, path.stem, where)
    seeds = _seeds(content.get("seeds", 10), where)
    cells = _value(content, "cells", Literal["method", "seed"], "method", where)
    if cells == "method" and seeds != list(range(seeds[0], seeds[0] + len(seeds))):
        raise UserError(f"{where}: seeds {seeds} do not count up by one; add 'cells: seed' for a cell each")
    shared = _run_settings(content.get("run", {}), f"{where}: run")
    tuning = _tuning(content["sweep"], seeds, f"{where}: sweep") if "sweep" in content else None
    return Experiment(
        name=name,
        file=path,
        folder=Path(_value(content, "folder", str, f"runs/{file_name(name)}", where)).expanduser(),
        seeds=seeds,
        pairs=_pairs(content, shared, seeds, tuning, where),
        tuning=tuning,
        cells=cells,
        launcher=content.get("launcher", "local"),
        pictures=_value(content, "pictures", bool, True, where),
    )


def file_name(label: str) -> str:
    """A label as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9_.=,+-]+", "_", label).strip("._-")[:100] or "unnamed"


def _pairs(
    content: Mapping[str, Any], shared: dict[str, Any], seeds: list[int], tuning: Tuning | None, where: str
) -> list[Pair]:
    pairs: dict[str, Pair] = {}
    environments = [_environment(entry, where) for entry in _list(content, "environments", where)]
    for label, algorithm, own, ranges in (
        _method(entry, where) for entry in _list(content, "methods", where)
    ):
        if ranges and tuning is None:
            raise UserError(f"{where}: method {label} has ranges, but there is no sweep; add one")
        for env_label, env, env_settings in environments:
            name = file_name(f"{label}-{env_label}")
            overrides = {**shared, **env_settings, **own, **env, "seeds": len(seeds), "seed": seeds[0]}
            try:
                settings = config.resolve(algorithm, overrides=overrides)
            except UserError as problem:
                raise UserError(f"{where}: {label} on {env_label}: {problem}") from problem
            same = [p.name for p in pairs.values() if p.settings == settings]
            if name in pairs or same:
                advice = (
                    "give one a label" if not same else f"its settings are those of {same[0]}; take one out"
                )
                raise UserError(f"{where}: {label} on {env_label} stands twice; {advice}")
            searched = (ranges or tuning.ranges) if tuning else {}
            if tuning and not searched:
                raise UserError(f"{where}: sweep: no ranges for {label}; add them there, or to the method")
            pairs[name] = Pair(name, label, settings, searched)
    return list(pairs.values())


def _environment(value: Any, where: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """An environment's label, its own settings as overrides, and settings of the runs on it."""
    entry = _entry(value, "name")
    name, label, settings = (entry.pop(key, None) for key in ("name", "label", "settings"))
    if not isinstance(name, str):
        raise UserError(f"{where}: environments: expected a name or {{name: ...}}, got {value!r}")
    values = [v if isinstance(v, str) else f"{key}={json.dumps(v, default=str)}" for key, v in entry.items()]
    short = "-".join([short_name(name), *values])
    env = {"env": name, **{f"env.{key}": value for key, value in entry.items()}}
    return str(label or short), env, _settings(settings or {}, f"{where}: settings of {name}")


def _method(value: Any, where: str) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """A method's label, algorithm, settings and ranges."""
    entry = _entry(value, "algorithm")
    algorithm, label, ranges = (entry.pop(key, None) for key in ("algorithm", "label", "ranges"))
    if not isinstance(algorithm, str):
        raise UserError(f"{where}: methods: expected a name or {{algorithm: ...}}, got {value!r}")
    if not is_path(algorithm) and algorithm not in registry.names("algorithms"):
        raise UserError(f"{where}: {unknown('algorithm', algorithm, registry.names('algorithms'))}")
    if not isinstance(ranges or {}, Mapping):
        raise UserError(f"{where}: ranges of {algorithm}: expected a mapping of settings, got {ranges!r}")
    label = str(label or short_name(algorithm))
    return label, algorithm, _settings(entry, f"{where}: method {label}"), dict(ranges or {})


def _entry(value: Any, key: str) -> dict[str, Any]:
    """An entry of a list as a mapping: a name alone stands for one with that name."""
    if isinstance(value, Mapping):
        return dict(value)
    return {key: value} if isinstance(value, str) else {}


def _tuning(value: Any, measured: list[int], where: str) -> Tuning:
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: expected a mapping with {', '.join(SWEEP_KEYS)}")
    _refuse_unknown(value, SWEEP_KEYS, where)
    tuning = Tuning(
        ranges=dict(value.get("ranges") or {}),
        trials=_value(value, "trials", int, 0, where),
        seeds=_value(value, "seeds", int, sweep.SEEDS, where),
        seed=_value(value, "seed", int, sweep.FIRST_SEED, where),
        search=_value(value, "search", Search, "random", where),
        metric=_value(value, "metric", str, metrics.DEFAULT, where),
        run=_run_settings(value.get("run", {}), f"{where}: run"),
    )
    if tuning.trials < 0 or tuning.seeds < 1:
        raise UserError(f"{where}: trials and seeds must be at least 1")
    refuse(fairness.tuning_seeds(measured, range(tuning.seed, tuning.seed + tuning.seeds), where))
    return tuning


def _seeds(value: Any, where: str) -> list[int]:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return list(range(value))
    try:
        seeds = convert(value, list[int]) if isinstance(value, list) else []
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(f"{where}: seeds: expected a number, or a list of different seeds, got {value!r}")
    return seeds


def _run_settings(value: Any, where: str) -> dict[str, Any]:
    """Settings that every algorithm has, without those that the experiment gives."""
    settings = _settings(value, where)
    _refuse_unknown(settings, [name for name in types_of(RunSettings, "a run") if name not in OURS], where)
    return settings


def _settings(value: Any, where: str) -> dict[str, Any]:
    """Settings of runs, without those that the experiment gives."""
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: expected a mapping of settings, got {value!r}")
    for name in value:
        if name in OURS or str(name).startswith("env."):
            raise UserError(f"{where}: {name} is not set here; use environments, methods, seeds and folder")
    return dict(value)


def _list(content: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = content.get(key)
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: {key}: expected a list of at least one, got {value!r}")
    return value


def _value(content: Mapping[str, Any], key: str, kind: Any, default: Any, where: str) -> Any:
    try:
        return convert(content.get(key, default), kind)
    except ValueError as problem:
        raise UserError(f"{where}: {key}: {problem}") from None


def _refuse_unknown(content: Mapping[str, Any], names: Any, where: str) -> None:
    for name in content:
        if name not in names:
            raise UserError(f"{where}: {unknown('key', str(name), names)}")
