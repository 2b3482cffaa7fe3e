"""Find environments and algorithms by name.

One file in ``environments/`` or ``algorithms/`` is one entry; nothing else is edited to add one. A
path ``my_env.py:MyEnv`` names a class or function in the user's own file, and installed packages
may add entries through the entry points ``qflock.environments`` and ``qflock.algorithms``.
Listing names imports no entry; only the named one is imported.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from qflock.errors import UserError, unknown

Kind = Literal["environments", "algorithms"]

ALIASES: dict[str, str] = {"expert_rl/GridWorld25v0": "gridworld25"}


def names(kind: Kind) -> list[str]:
    """Sorted names of all entries of a kind, those of installed packages included."""
    package = importlib.util.find_spec(f"qflock.{kind}")
    assert package is not None and package.submodule_search_locations is not None
    own = {m.name for m in pkgutil.iter_modules(package.submodule_search_locations) if m.name[0] != "_"}
    return sorted(own | {e.name for e in importlib.metadata.entry_points(group=f"qflock.{kind}")})


def canonical(name: str) -> str:
    """The library's own name for an alias; any other name unchanged."""
    return ALIASES.get(name, name)


def module(kind: Kind, name: str) -> ModuleType:
    """The module of an entry of ours or of an installed package.

    Raises:
        UserError: no such entry; a close name is suggested.
    """
    name = canonical(name)
    for entry in importlib.metadata.entry_points(group=f"qflock.{kind}"):
        if entry.name == name:
            return entry.load()
    if name not in names(kind):
        raise unknown(kind[:-1], name, names(kind))
    return importlib.import_module(f"qflock.{kind}.{name}")


def is_path(name: str) -> bool:
    """Whether a name points into a file of the user's: ``my_env.py:MyEnv`` or ``my_env.py``."""
    return name.split(":")[0].endswith(".py")


def from_file(name: str) -> Any:
    """The object that ``path.py:Name`` names, or the whole module for ``path.py``.

    Raises:
        UserError: no such file, no such name in it, or it fails when it is imported.
    """
    file, _, attribute = name.partition(":")
    path = Path(file).expanduser().resolve()
    if not path.is_file():
        raise UserError(f"no file {file!r} (from {name!r}); give a path like my_file.py:MyClass")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, loaded)
    try:
        spec.loader.exec_module(loaded)
    except Exception as problem:
        raise UserError(f"{file} fails when imported: {type(problem).__name__}: {problem}") from problem
    if not attribute:
        return loaded
    if not hasattr(loaded, attribute):
        raise unknown(f"name in {file}", attribute, [n for n in vars(loaded) if n[0] != "_"])
    return getattr(loaded, attribute)


def environment_class(name: str) -> type:
    """The environment class behind a name: an entry's ``Environment``, or the user's own class."""
    if is_path(name):
        found = from_file(name)
        found = getattr(found, "Environment", found) if isinstance(found, ModuleType) else found
        if not isinstance(found, type):
            raise UserError(f"{name!r} is no class; name the environment class, as in my_env.py:MyEnv")
        return found
    return module("environments", name).Environment


def algorithm(name: str) -> ModuleType:
    """The module behind an algorithm's name: it has ``Config`` and ``build(config, environment) -> Learner``."""
    found = from_file(name.partition(":")[0]) if is_path(name) else module("algorithms", name)
    for needed in ("Config", "build"):
        if not hasattr(found, needed):
            raise UserError(f"{name!r} is no algorithm: its file has no {needed!r}")
    return found
