"""Find environments and algorithms by name.

One file in ``environments/`` or ``algorithms/`` is one entry; nothing else is edited to add one. A
path ``my_env.py:MyEnv`` names a class or function in the user's own file, ``jaxmarl:NAME`` and the other
`BRIDGES` an environment of another library, and installed packages may add entries through the entry
points ``qflock.environments`` and ``qflock.algorithms``.
Listing names imports no entry; only the named one is imported.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import re
import sys
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from qflock.core.errors import UserError, shown, unknown
from qflock.settings import foreign, trust

Kind = Literal["environments", "algorithms"]

BRIDGES = ("jaxmarl", "jumanji", "camar", "vmas", "pettingzoo", "gymnasium")
"""Libraries whose environments have a name ``<library>:<theirs>``; each is a module of ``bridges/``."""

ALIASES: dict[str, str] = {"expert_rl/GridWorld25v0": "gridworld25"}


def names(kind: Kind) -> list[str]:
    """Sorted names of all entries of a kind, those of installed packages included."""
    package = importlib.util.find_spec(f"qflock.{kind}")
    folders = package.submodule_search_locations if package else None
    own = {m.name for m in pkgutil.iter_modules(folders or []) if m.name[0] != "_"}
    return sorted(own | {entry.name for entry in _added(kind)})


@functools.cache
def _added(kind: Kind) -> list[importlib.metadata.EntryPoint]:
    """Entries of installed packages; finding them reads a file of every package there is."""
    return list(importlib.metadata.entry_points(group=f"qflock.{kind}"))


def canonical(name: str, kind: Kind = "environments") -> str:
    """The library's own name for an alias or a name in capitals (``MAPPO``); any other unchanged.

    Args:
        name: as it was given.
        kind: "environments" or "algorithms".
    """
    if name in ALIASES or is_path(name) or name == name.lower():
        return ALIASES.get(name, name)
    return next((own for own in names(kind) if own.lower() == name.lower() and name not in names(kind)), name)


def module(kind: Kind, name: str) -> ModuleType:
    """The module of an entry of ours or of an installed package.

    Args:
        kind: "environments" or "algorithms".
        name: as it is listed, or an alias.

    Raises:
        UserError: no such entry; a close name is suggested.
    """
    name = canonical(name, kind)
    for entry in _added(kind):
        if entry.name == name:
            return entry.load()
    if name not in names(kind):
        raise unknown(kind[:-1], name, names(kind))
    return importlib.import_module(f"qflock.{kind}.{name}")


def is_path(name: str) -> bool:
    """Whether a name points into a file of the user's: ``my_env.py:MyEnv`` or ``my_env.py``."""
    return name.split(":")[0].endswith(".py")


def short_name(name: str) -> str:
    """An algorithm's or environment's name as part of a file name: ``my_env.py:MyEnv`` is ``MyEnv``."""
    name = canonical(name)
    if is_path(name):
        file, _, attribute = name.partition(":")
        name = attribute or Path(file).stem
    return re.sub(r"[^A-Za-z0-9_.]+", "_", name).strip("._")[:60] or "unnamed"


def title(algorithm: str, env: str) -> str:
    """What is trained on what, in few words: files by their paths from here where these are shorter.

    Args:
        algorithm, env: names or files.
    """
    return f"{_from_here(algorithm)} on {_from_here(canonical(env))}"


def _from_here(name: str) -> str:
    if not is_path(name):
        return name
    file, colon, attribute = name.partition(":")
    with contextlib.suppress(OSError, ValueError):  # no folder is here any more
        file = min(file, os.path.relpath(file), key=len)
    return f"{file}{colon}{attribute}"


def file_of(name: str) -> Path:
    """The full path of the file in ``my_env.py:MyEnv``.

    Raises:
        UserError: no path can be called so.
    """
    try:
        return Path(name.partition(":")[0]).expanduser().resolve()
    except (ValueError, RuntimeError, OSError) as problem:
        raise UserError(f"{shown(name)} names no file: {problem}") from problem


@functools.cache
def _imported(path: Path, changed: int) -> ModuleType:
    """A file of the user's as a module, imported once for each time that it was ``changed``.

    Its name in ``sys.modules`` is its own, so that no two files, nor a file and a library, share one.
    """
    name = f"{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} cannot be imported")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    foreign.GIVEN.add(name)
    if str(path.parent) not in sys.path:  # it may import what lies beside it
        sys.path.append(str(path.parent))
    foreign.need(lambda: spec.loader.exec_module(loaded), f"{path} fails when imported")  # type: ignore[union-attr]
    return loaded


def module_of_file(path: Path) -> ModuleType:
    """The module in a file that the user knows; see `from_file`, which asks.

    Raises:
        UserError: it fails when it is imported.
    """
    return _imported(path, path.stat().st_mtime_ns)


def from_file(name: str) -> Any:
    """The object that ``path.py:Name`` names, or the whole module for ``path.py``.

    Raises:
        UserError: no such file, no such name in it, it fails when it is imported, or the user never named it
            (see `trust`).
    """
    file, _, attribute = name.partition(":")
    path = file_of(name)
    if not os.path.isfile(path):
        raise UserError(f"no file {shown(file)} (from {shown(name)}); give a path like my_file.py:MyClass")
    trust.check(path, "Python code")
    loaded = module_of_file(path)
    if not attribute:
        return loaded
    if not hasattr(loaded, attribute):
        raise unknown(f"name in {file}", attribute, [n for n in vars(loaded) if n[0] != "_"])
    return getattr(loaded, attribute)


def environment_class(name: str) -> type:
    """The environment class behind a name: an entry's ``Environment``, the user's own class, or a bridge's.

    A class of PettingZoo's or Gymnasium's in a user's file comes in by the bridge of that library.

    Raises:
        UserError: no such environment, or the library of a bridge is not installed.
    """
    if is_path(name):
        return importlib.import_module("qflock.bridges.own").environment_class(name, from_file(name))
    library, colon, theirs = name.partition(":")
    if colon and library in BRIDGES:
        bridge = importlib.import_module(f"qflock.bridges.{library}")
        return foreign.need(lambda: bridge.environment_class(theirs), f"{name} fails when imported")
    if colon:
        raise unknown("library in front of the colon", library, BRIDGES)
    return module("environments", name).Environment


def can_be_watched(name: str) -> bool:
    """Whether ``qflock watch`` can show an environment, as far as its class tells.

    Args:
        name: the environment's, or a file and class.
    """
    try:
        found = environment_class(name)
        return hasattr(found, "draw") or (hasattr(found, "shows_itself") and found.shows_itself())
    except UserError:
        return False


def can_be_drawn(name: str) -> bool:
    """Whether an environment's class is there, and draws itself: no other library has to.

    Args:
        name: the environment's, or a file and class.
    """
    try:
        return name.partition(":")[0] not in BRIDGES and hasattr(environment_class(name), "draw")
    except UserError:
        return False


def algorithm(name: str) -> ModuleType:
    """The module behind an algorithm's name: it has ``Config`` and ``build(config, env) -> Learner``."""
    found = from_file(name.partition(":")[0]) if is_path(name) else module("algorithms", name)
    for needed in ("Config", "build"):
        if not hasattr(found, needed):
            raise UserError(f"{name!r} is no algorithm: its file has no {needed!r}")
    return found


def kind_of_actions(name: str) -> str:
    """Which actions an algorithm is for: "discrete", "continuous" or "both", as ``ACTIONS`` in its file says.

    Args:
        name: the algorithm's.
    """
    return getattr(algorithm(name), "ACTIONS", "discrete")
