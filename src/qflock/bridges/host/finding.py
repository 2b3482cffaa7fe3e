"""Find the environment that a name of PettingZoo's or Gymnasium's means. Imports no JAX.

A module is looked for as it is named, then inside ``pettingzoo``, then in the working folder, which comes to
the end of Python's path when it has the module. What is not installed must be known to the user; see `trust`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import itertools
import os
import pkgutil
import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from qflock.bridges.host.found import Found, Library, library_of
from qflock.bridges.host.places import InModule, Registered
from qflock.core.errors import UserError, in_short, unknown
from qflock.settings import foreign, trust

ENTRIES = ("parallel_env", "env", "raw_env")
"""What a module of PettingZoo's sort calls the function that makes its environment, the best first."""
VERSION = re.compile(r"[-_]v(\d+)$")


def pettingzoo(target: str) -> Found:
    """What ``pettingzoo:<target>`` means: a module, or ``module:Name`` of a class or function in one.

    Raises:
        UserError: there is no such module, it fails, it has no such name, or it is not known to the user.
    """
    name = f"pettingzoo:{target}"
    dotted, colon, attribute = target.partition(":")
    module = _module(name, dotted, (dotted, f"pettingzoo.{dotted}"))
    if colon:
        return _inside(name, module, attribute, "pettingzoo")
    found = of_module(name, module, InModule(module.__name__, ""))
    if found is None:
        raise UserError(
            f"{name} is a module without parallel_env, env or a class of an environment; name one that has, "
            "such as pettingzoo:mpe2.simple_spread_v3"
        )
    return found


def gymnasium(target: str) -> Found:
    """What ``gymnasium:<target>`` means: an id, ``module:Id``, or ``module:Name`` of a class or function.

    Raises:
        UserError: as `pettingzoo`.
    """
    name = f"gymnasium:{target}"
    dotted, colon, inside = target.partition(":")
    if not colon:
        return Found(name, "gymnasium", _registered(name, target))
    module = _module(name, dotted, (dotted,))
    if callable(getattr(module, inside, None)):
        return _inside(name, module, inside, "gymnasium")
    return Found(name, "gymnasium", _registered(name, inside, dotted))


def of_module(name: str, module: ModuleType, place: Any) -> Found | None:
    """The environment of a module: its ``parallel_env``, its ``env``, or the only class of that sort in it.

    Args:
        name: the user's, for messages.
        module: imported.
        place: where it is, as `Found.place`, whose attribute is filled in.

    Returns:
        None where it has none.

    Raises:
        UserError: it has several classes.
    """
    for entry in ENTRIES:
        if callable(getattr(module, entry, None)):
            return Found(name, "pettingzoo", place._replace(attribute=entry))
    own: dict[str, Library | None] = {
        attribute: library_of(thing)
        for attribute, thing in vars(module).items()
        if isinstance(thing, type) and f"{thing.__module__}.".startswith(f"{module.__name__}.")
    }
    classes = [attribute for attribute, library in own.items() if library is not None]
    if len(classes) == 1 and (library := own[classes[0]]) is not None:
        return Found(name, library, place._replace(attribute=classes[0]))
    if classes:
        several = ", ".join(f"{name}:{attribute}" for attribute in classes)
        raise UserError(f"{name} has several environments; name one of {several}")
    return None


def _inside(name: str, module: ModuleType, attribute: str, library: Any) -> Found:
    """A class, of either library, or a function of that library, in a module."""
    thing = getattr(module, attribute, None)
    if not callable(thing):
        there = [n for n, x in vars(module).items() if callable(x) and n[0] != "_"]
        raise unknown(f"name in {module.__name__}", attribute, there)
    return Found(name, library_of(thing) or library, InModule(module.__name__, attribute))


def _module(name: str, dotted: str, candidates: tuple[str, ...]) -> ModuleType:
    """The first of some modules that is there."""
    if dotted.endswith(".py"):
        raise UserError(f"{name} names a file; do so without the library: {name.partition(':')[2]}")
    if not all(part.isidentifier() for part in dotted.split(".")):
        raise UserError(f"{name}: {dotted!r} is no module's name")
    trust.check_module(name, dotted)
    problems: list[ModuleNotFoundError] = []
    for candidate in itertools.chain(candidates, _in_working_folder(name, dotted)):
        try:
            return importlib.import_module(candidate)
        except ModuleNotFoundError as failed:
            if not f"{candidate}.".startswith(f"{failed.name}."):
                raise _fails(name, candidate, failed) from failed
            problems.append(failed)
        except Exception as failed:
            raise _fails(name, candidate, failed) from failed
    library = name.partition(":")[0]
    near = _near(candidates)
    if near is not None:
        advice = f"did you mean {library}:{near.removeprefix('pettingzoo.')}?"
    else:
        advice = "is its package installed, or does it lie in another folder?"
    deepest = max(problems, key=lambda failed: (failed.name or "").removeprefix("pettingzoo.").count("."))
    raise UserError(f"no module for {name} ({' '.join(str(deepest).split())}); {advice}") from deepest


def _fails(name: str, module: str, problem: Exception) -> UserError:
    """The error for a module that is there, and cannot be imported."""
    if isinstance(problem, ImportError):
        why = in_short(str(problem))
        return UserError(f"{name}: {module} cannot be imported: {why}; is what it needs installed?")
    return UserError(f"{name}: {module} fails when imported: {foreign.words(problem)}")


def _in_working_folder(name: str, dotted: str) -> Iterator[str]:
    """The module again, once the others were not there, where the working folder has it.

    Raises:
        UserError: it is not known to the user.
    """
    top = dotted.partition(".")[0]
    try:
        here = os.getcwd()
    except OSError:  # the folder is gone
        return
    if importlib.util.find_spec(top) is not None or PathFinder.find_spec(top, [here]) is None:
        return
    trust.check_module(name, dotted, here)
    sys.path.append(here)
    importlib.invalidate_caches()
    yield dotted


def _near(candidates: tuple[str, ...]) -> str | None:
    """A module beside those that are not there, of another version or with a similar name."""
    for candidate in candidates:
        parent, dot, last = candidate.rpartition(".")
        try:
            package = importlib.import_module(parent) if dot else None
        except Exception:
            continue
        beside = {name.rpartition(".")[2]: name for name in _modules(package) if VERSION.search(name)}
        near = close(last, list(beside))
        if near is not None:
            return f"{parent}.{beside[near]}"
    return None


def _modules(package: ModuleType | None) -> Iterator[str]:
    """Names of the modules in a package and in its packages; none is imported."""
    for folder in getattr(package, "__path__", []):
        for found in pkgutil.iter_modules([folder]):
            yield found.name
            inner = pkgutil.iter_modules([os.path.join(folder, found.name)] if found.ispkg else [])
            yield from (f"{found.name}.{module.name}" for module in inner)


def close(name: str, known: list[str]) -> str | None:
    """The newest version of a name among those that exist, else a similar name.

    Args:
        name: as it was given, perhaps with a version.
        known: the names that exist.
    """
    stem = VERSION.sub("", name)
    versions = [other for other in known if VERSION.sub("", other) == stem and VERSION.search(other)]
    if versions:
        return max(versions, key=lambda other: int(other.rpartition("v")[2]))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return near[0] if near else None


def _registered(name: str, target: str, module: str = "") -> Registered:
    """The entry of an id in Gymnasium's registry, whose code can be loaded.

    Raises:
        UserError: there is none, or its code is missing something.
    """
    library: Any = importlib.import_module("gymnasium")
    try:
        entry = Registered(target)
        entry.load()
        return entry
    except (library.error.Error, ImportError, AttributeError, ValueError) as problem:
        why = " ".join(str(problem).split()).rstrip(".")
        near = close(target, list(library.registry)) if target not in library.registry else None
        prefix = f"gymnasium:{module}:" if module else "gymnasium:"
        if near is not None:
            advice = f"; did you mean {prefix}{near}?"
        elif isinstance(problem, library.error.UnregisteredEnv) and not module:
            advice = f"; where a package registers it, name that too: gymnasium:package:{target}"
        else:
            advice = ""
        raise UserError(f"{name}: {why}{advice}") from problem
