"""What users rely on, as a flat list: ``python -m tests.public_api`` writes it to ``public_api.json``.

Each entry is a path, such as ``algorithms qmix lr``, and what there is to say of it: a type and a default, a
place in a signature, or nothing. `test_public_api` compares today's list with the committed one. When a
change is meant, run the command and review the diff as a user would.
"""

from __future__ import annotations

import csv
import dataclasses
import inspect
import json
import struct
import tempfile
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import qflock
from qflock import commands
from qflock.settings import registry
from qflock.settings.run import RunSettings

FILE = Path(__file__).parent / "public_api.json"

RENAMED: dict[str, str] = {
    "environments expert_rl/GridWorld25v0": "environments gridworld25",
    "algorithms * copies": "algorithms * num_envs",
    "algorithms * steps": "algorithms * num_steps",
}
"""Old path -> new path, of what has another name now and still answers to the old one. A ``*`` for a part
stands for all that fit: ``algorithms * copies`` -> ``algorithms * num_envs``. The test tries them."""

TINY = {"total_steps": 64, "hidden": (4,), "num_envs": 2, "num_steps": 4, "epochs": 1, "minibatches": 1}
TINY |= {"log_interval": 32, "eval_interval": 32, "eval_episodes": 2, "final_episodes": 2, "save_interval": 1}

Said = str | None


WRITTEN = ("files ", "exports ")
"""What paths of `written` start with."""


def spoken() -> dict[str, Said]:
    """Today's names, signatures, commands and settings."""
    return dict([*_python(), *_commands(), *_settings()])


def written() -> dict[str, Said]:
    """What files of today's runs and exports hold: columns, keys, names."""
    return dict(_files())


def read() -> dict[str, Said]:
    """The committed list."""
    return json.loads(FILE.read_text())


def write() -> None:
    """Commit to today's list."""
    FILE.write_text(json.dumps(dict(sorted((spoken() | written()).items())), indent=0) + "\n")


def fits(path: str, old: str, new: str) -> str:
    """The new path of one that an entry of `RENAMED` speaks of; empty where it is of another."""
    before, after, pattern = path.split(), new.split(), old.split()
    if len(before) < len(pattern) or any(p not in ("*", b) for p, b in zip(pattern, before, strict=False)):
        return ""
    stars = iter([b for b, p in zip(before, pattern, strict=False) if p == "*"])
    named = [next(stars) if part == "*" else part for part in after]
    return " ".join([*named, *before[len(pattern) :]])


def differences(
    old: Mapping[str, Said], new: Mapping[str, Said], renamed: Mapping[str, str]
) -> tuple[list[str], list[str], list[str]]:
    """Paths that are gone, that are new, and of which something else is said now.

    Args:
        old: the committed list.
        new: today's.
        renamed: as `RENAMED`; an old path whose new one there is counts as kept, and says what that says.
    """
    tried = ((path, fits(path, *pair)) for path in old.keys() - new.keys() for pair in renamed.items())
    moved = {path: there for path, there in tried if there in new}
    gone = sorted(old.keys() - new.keys() - moved.keys())
    kept = {path: moved.get(path, path) for path in old if path in new or path in moved}
    changed = [
        f"{path}: {old[path]} -> {new[there]}" for path, there in kept.items() if old[path] != new[there]
    ]
    return gone, sorted(new.keys() - old.keys()), sorted(changed)


def _python() -> Iterator[tuple[str, Said]]:
    for name in qflock.__all__:
        yield f"python {name}", None
        for at, parameter in enumerate(inspect.signature(getattr(qflock, name)).parameters.values()):
            place = (
                str(at) if parameter.kind is parameter.POSITIONAL_OR_KEYWORD else parameter.kind.description
            )
            default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
            yield f"python {name} {parameter.name}", f"{place}{default}"
        if inspect.isclass(getattr(qflock, name)):
            yield from ((f"python {name}.{own}", None) for own in _own_names(getattr(qflock, name)))


def _own_names(kind: type) -> list[str]:
    """Names that a class brings: its methods and properties, and not those of classes above it."""
    return [name for name in vars(kind) if not name.startswith("_")]


def _commands() -> Iterator[tuple[str, Said]]:
    for name in commands.COMMANDS:
        module = commands.module(name)
        yield f"commands {name}", getattr(module, "COMMAND", None)
        yield from _fields(f"commands {name}", module.Options)


def _settings() -> Iterator[tuple[str, Said]]:
    yield from _fields("settings", RunSettings)
    for name in registry.names("algorithms"):
        yield f"algorithms {name}", None
        yield from _fields(f"algorithms {name}", registry.algorithm(name).Config)
    for name in registry.names("environments"):
        yield f"environments {name}", None
        yield from _fields(f"environments {name}", getattr(registry.environment_class(name), "Config", None))
    for name in registry.BRIDGES:
        yield f"environments {name}:", None


def _fields(path: str, form: type | None) -> Iterator[tuple[str, Said]]:
    """The fields of a dataclass, and of those that take one of a few words each word."""
    if form is None:
        return
    hints, start = get_type_hints(form), form()
    for field in dataclasses.fields(form):
        where = f"{path} {field.name}"
        yield where, f"{_type(hints[field.name])} = {json.dumps(getattr(start, field.name), default=str)}"
        for word in _words(hints[field.name]):
            yield f"{where} {word}", None


def _type(hint: Any) -> str:
    """A type as users think of it, without the words of its choices: these have entries of their own."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "choice"
    if origin in (Union, types.UnionType):
        return " | ".join(_type(one) for one in inside)
    if origin is not None:
        return f"{origin.__name__} of {_type(inside[0])}"
    return "none" if hint is types.NoneType else getattr(hint, "__name__", str(hint))


def _words(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(word) for word in get_args(hint)]
    return [word for inner in get_args(hint) for word in _words(inner)]


def _files() -> Iterator[tuple[str, Said]]:
    """What a small run leaves, and an export of it: columns, keys and names of files."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        # policy gradients in two agents' smallest game: the quickest there is to compile
        qflock.train("a2c", "matrix_game", run_dir=run, quiet=True, **_known("a2c"))
        yield from ((f"files {x.relative_to(run).as_posix()}", None) for x in run.rglob("*") if _named(x))
        for name in ("training_log.csv", "evaluation.csv"):
            with (run / name).open() as file:
                yield from ((f"files {name}/{column}", None) for column in next(csv.reader(file)))
        for name in ("summary.json", "configs/hparams.json"):
            yield from _keys(f"files {name}", json.loads((run / name).read_text()))
        final = run / "models" / "final_model.safetensors"
        yield from _keys("files models/final_model.safetensors", metadata(final))
        written = qflock.export(run, "safetensors", Path(folder) / "policy.safetensors")["files"][0]
        yield from _keys("exports", metadata(Path(written)))


def _known(algorithm: str) -> dict[str, Any]:
    """Those of `TINY` that an algorithm has."""
    forms = (RunSettings, registry.algorithm(algorithm).Config)
    names = {field.name for form in forms for field in dataclasses.fields(form)}
    return {name: value for name, value in TINY.items() if name in names}


def _named(path: Path) -> bool:
    """Whether a file of a run has a name that users may count on."""
    return path.is_file() and not path.name.startswith((".", "checkpoint_", "state-"))


def _keys(path: str, found: Mapping[str, Any], depth: int = 2) -> Iterator[tuple[str, Said]]:
    """Keys of a JSON object, and of the objects in it; settings and versions are no business of a file's."""
    for name, value in found.items():
        yield f"{path} {name}", None
        if isinstance(value, Mapping) and depth > 1 and name not in ("settings", "versions"):
            yield from _keys(f"{path} {name}", value, depth - 1)


def metadata(path: Path) -> dict[str, Any]:
    """What the header of a safetensors file says beside its arrays."""
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        found = json.loads(file.read(size)).get("__metadata__", {})
    return {name: _json(value) for name, value in found.items()}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    write()
