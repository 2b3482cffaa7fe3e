"""Settings of a run: defaults of dataclasses, then a preset, then a YAML file, then the command line.

Keys are the names on the command line: ``total_steps``, ``lr``, ``env``, ``env.grid_size``. In YAML
``env`` may also be a mapping, ``{name: gridworld25, grid_size: 10}``; files that we write have that form.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from qflock.core.errors import UserError, shown, unknown
from qflock.settings import agents, file, pymarl, registry, renamed, shares
from qflock.settings.run import RunSettings
from qflock.settings.values import convert, plain, types_of

PRESETS = Path(__file__).parents[1] / "presets"

RESERVED = ("algorithm", "config", "json", "quiet", "dry_run", "debug")
"""Names that no setting can have: the command line means something else by them."""


@dataclass(frozen=True)
class Settings:
    """All settings of a run, resolved.

    Attributes:
        algorithm: name in the registry, or file.
        run: settings every algorithm has.
        learner: an instance of the algorithm's ``Config``.
        environment: an instance of the environment's ``Config``; None where the class has none.
        shares: settings that were given as shares of ``total_steps``, in percent; they hold the steps.
    """

    algorithm: str
    run: RunSettings
    learner: Any
    environment: Any
    shares: Mapping[str, float] = dataclasses.field(default_factory=dict, compare=False)


class _Layer(NamedTuple):
    """Settings from one place, flat: ``env``, ``env.grid_size``, ``lr`` ..."""

    where: str  # what an error message starts with; empty or "file: "
    values: dict[str, Any]
    told: bool = True  # whether the user is told of old names: not in files that we wrote


class _Share(NamedTuple):
    """A setting's value before it is known of how many steps it is a share."""

    percentage: float


def resolve(
    algorithm: str | None = None, *, config: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of a run: defaults, then the preset, then a YAML file, then overrides.

    A layer's environment settings count only where the run's environment is the one it names.

    Args:
        algorithm: name or file; may be left out where the YAML file has an ``algorithm``.
        config: a YAML file of settings, for example ``configs/config.yaml`` of a run.
        overrides: settings by name; ``{"env": "gridworld25", "env.grid_size": 10, "lr": 1e-3}``.

    Raises:
        UserError: a name that does not exist, a value of the wrong type or out of range, a bad file.
    """
    read = {} if config is None else file.read(Path(config))
    try:
        return _resolved(algorithm, config, read, overrides or {})
    except UserError as problem:
        raise UserError(f"{problem}{pymarl.advice(read)}", problem.code) from problem


def _resolved(
    algorithm: str | None, config: Path | None, read: Mapping[str, Any], overrides: Mapping[str, Any]
) -> Settings:
    given = [_layer(overrides, "")]
    algorithm = _anchored(algorithm and registry.canonical(algorithm, "algorithms"))
    if config is not None:
        named = read.get("algorithm")
        named = registry.canonical(named, "algorithms") if isinstance(named, str) else named
        named = _anchored(named)
        if algorithm is not None and named not in (None, algorithm):
            raise UserError(f"{config} is for algorithm {named!r}, not {algorithm!r}; take one of them out")
        algorithm = algorithm or named
        given.insert(0, _layer(read, f"{config}: "))
    if not isinstance(algorithm, str):
        place = f"{config} names none" if config is not None else "none is named"
        known = ", ".join(registry.names("algorithms"))
        raise UserError(f"{place}: an algorithm is needed; there are: {known}")
    if (own := preset(algorithm, _environment(given))) is not None:
        given.insert(0, _layer(file.read(own), f"{own}: "))
    return _build(algorithm, given)


def preset(algorithm: str, env: str) -> Path | None:
    """The file of settings that an algorithm has on an environment; None where there is none.

    Args:
        algorithm, env: as they are listed.
    """
    path = PRESETS / f"{algorithm}-{env}.yaml".replace(":", ".")
    return path if not registry.is_path(algorithm) and os.path.isfile(path) else None  # or a name too long


def to_mapping(settings: Settings) -> dict[str, Any]:
    """Every setting, as JSON and YAML can hold it; ``run_dir`` alone is left out, it belongs to one run."""
    run = dataclasses.asdict(settings.run)
    del run["run_dir"]
    environment = {"name": run.pop("env"), **_fields(settings.environment)}
    return plain({"algorithm": settings.algorithm, "env": environment, **run, **_fields(settings.learner)})


def from_mapping(mapping: Mapping[str, Any], where: str = "") -> Settings:
    """The settings that `to_mapping` wrote. No preset: what is missing has its dataclass's default.

    Args:
        mapping: settings by name, with an ``algorithm``.
        where: what error messages start with, usually a file's name.

    Raises:
        UserError: as `resolve`.
    """
    where = f"{where}: " if where else ""
    algorithm = mapping.get("algorithm")
    if not isinstance(algorithm, str):
        raise UserError(f"{where}no algorithm is named")
    return _build(_anchored(algorithm), [_layer(mapping, where)._replace(told=False)])


def read_yaml(path: Path) -> Settings:
    """The settings in a file that `write_yaml` wrote, such as a run's ``configs/config.yaml``.

    Raises:
        UserError: as `resolve`.
    """
    return from_mapping(file.read(path), str(path))


def to_yaml(settings: Settings) -> str:
    """The settings as YAML; ``qflock train --config`` of it repeats the run."""
    return file.write(to_mapping(settings))


def write_yaml(settings: Settings, path: Path) -> None:
    """Write `to_yaml` to a file.

    Args:
        settings: of a run.
        path: the file, which is replaced.
    """
    path.write_text(to_yaml(settings), encoding="utf-8")


def environment_settings(name: str, values: Mapping[str, Any] | None = None) -> Any:
    """An instance of an environment's ``Config`` with some settings by name; None where it has no ``Config``.

    Args:
        name: the environment's, or a file and class.
        values: settings by name; the others have their defaults.

    Raises:
        UserError: no such environment or setting, a value of the wrong type or out of range.
    """
    cls = getattr(registry.environment_class(name), "Config", None)
    wanted = types_of(cls, name) if cls else {}
    found = _converted(_Layer("", dict(values or {})), wanted)
    return _make(cls, found, name) if cls else None


def make_environment(name: str, settings: Any = None) -> Any:
    """An environment by name or file.

    Args:
        name: the environment's, or a file and class.
        settings: an instance of its ``Config``; its defaults for None.

    Raises:
        UserError: no such environment.
    """
    cls = registry.environment_class(name)
    return cls() if settings is None else cls(settings)


def _layer(mapping: Mapping[str, Any], where: str) -> _Layer:
    """Flatten a mapping: ``env: {name: x, a: 1}`` becomes ``env: x, env.a: 1``."""
    flat = {key: value for key, value in mapping.items() if key not in ("algorithm", "env")}
    env = mapping.get("env")
    if isinstance(env, Mapping):
        flat.update({f"env.{key}": value for key, value in env.items() if key != "name"})
        env = env.get("name")
    if env is not None:
        if not isinstance(env, str):
            raise UserError(f"{where}env: expected the name of an environment, got {shown(env)}")
        flat["env"] = _anchored(registry.canonical(env))
    return _Layer(where, flat)


def _environment(layers: list[_Layer]) -> str:
    """The environment that the last layer names."""
    return next((layer.values["env"] for layer in reversed(layers) if "env" in layer.values), RunSettings.env)


def _build(algorithm: str, layers: list[_Layer]) -> Settings:
    env = _environment(layers)
    learner_class = registry.algorithm(algorithm).Config
    environment_class = getattr(registry.environment_class(env), "Config", None)
    run = types_of(RunSettings, "a run")
    learner = types_of(learner_class, algorithm)
    environment = types_of(environment_class, env) if environment_class else {}
    for name in learner:
        if name in run or name in RESERVED:
            raise UserError(
                f"setting {name!r} of {algorithm} has the name of a run's setting; give it another"
            )
    if "name" in environment:
        raise UserError(f"setting 'name' of {env} has the name of the environment's own; give it another")
    known = {**run, **learner, **{f"env.{name}": wanted for name, wanted in environment.items()}}

    values: dict[str, Any] = {"env": env}
    lengths = shares.shareable(RunSettings, learner_class)
    for layer in layers:
        own_env, given = layer.values.get("env", env) == env, layer.values
        counted = {n: v for n, v in given.items() if n != "env" and (own_env or not n.startswith("env."))}
        values.update(_converted(layer._replace(values=counted), known, lengths))
    given_as_shares = {name: value.percentage for name, value in values.items() if isinstance(value, _Share)}
    total_steps = values.get("total_steps", RunSettings.total_steps)
    values |= {name: shares.steps(percentage, total_steps) for name, percentage in given_as_shares.items()}

    agents.set_number(values, getattr(learner_class, "AGENTS", ""), environment)

    def own(names: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
        return {name: values[prefix + name] for name in names if prefix + name in values}

    return Settings(
        algorithm,
        RunSettings(**own(run)),
        _make(learner_class, own(learner), algorithm),
        _make(environment_class, own(environment, "env."), env) if environment_class else None,
        given_as_shares,
    )


def _converted(layer: _Layer, wanted: Mapping[str, Any], lengths: Collection[str] = ()) -> dict[str, Any]:
    """The values of a layer as their settings' types want them; ``lengths`` may be shares of a run."""
    names = {name: renamed.current(name, wanted) for name in layer.values}
    if layer.told:
        renamed.notice(((old, new) for old, new in names.items() if old != new), layer.where)
    found = {}
    for name, value in zip(names.values(), layer.values.values(), strict=True):
        if name not in wanted:
            setting, its_value = renamed.does_it(name, wanted) or ("", "")
            does_it = f"unknown setting {shown(name)}; did you mean {setting}: {its_value or value}?"
            raise UserError(f"{layer.where}{does_it if setting else unknown('setting', name, wanted)}")
        try:
            percentage = shares.read(value) if name in lengths else None
            own = convert(value, wanted[name]) if percentage is None else _Share(percentage)
            found[name] = _anchored(own)
        except ValueError as problem:
            raise UserError(f"{layer.where}{name}: {problem}") from None
    return found


def _make(cls: type, values: dict[str, Any], owner: str) -> Any:
    """An instance of a settings class; a refusal of its own becomes a user's error."""
    try:
        return cls(**values)
    except (ValueError, TypeError, AssertionError, ArithmeticError, LookupError) as problem:
        raise UserError(f"settings of {owner}: {problem}") from problem


def _anchored(value: Any) -> Any:
    """A setting that names a Python file (``my_env.py:MyEnv``) with its full path, so that a run can go
    on from any folder; any other value as it is."""
    if isinstance(value, str) and registry.is_path(value):
        _, colon, name = value.partition(":")
        return f"{registry.file_of(value)}{colon}{name}"
    return value


def _fields(settings: Any) -> dict[str, Any]:
    return (
        {} if settings is None else {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    )
