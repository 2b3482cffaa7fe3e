"""What qflock needs, by its own words, and which of it is missing or too old here. Imports no JAX."""

from __future__ import annotations

import importlib.metadata
import tomllib
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qflock.core.errors import UserError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

CHECKOUT = Path(__file__).parents[3]
"""Where ``pyproject.toml`` lies when the sources are used as they are."""


def version(package: str) -> str | None:
    """The version of a package that is installed; None where it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def requirements() -> tuple[list[Requirement], dict[str, list[Requirement]]]:
    """What the core needs, and each extra.

    From ``pyproject.toml`` in a checkout, whose metadata may be of another commit, or not there at all.

    Raises:
        UserError: this is neither a checkout nor installed.
        ImportError: ``packaging``, which reads them, is missing.
    """
    from packaging.requirements import Requirement

    project = _checkout()
    if project is not None:
        extras = {extra: _read(texts) for extra, texts in project["optional-dependencies"].items()}
        return _read(project["dependencies"]), {name: those for name, those in extras.items() if those}
    try:
        stated = importlib.metadata.distribution("qflock")
    except importlib.metadata.PackageNotFoundError as problem:
        why = "these sources are no checkout and were not installed, so what they need is not known"
        raise UserError(f"{why}: pip install qflock") from problem
    core, extras = list[Requirement](), dict[str, list[Requirement]]()
    names = stated.metadata.get_all("Provides-Extra") or []
    for requirement in _read(stated.requires or []):
        if requirement.marker is None:
            core.append(requirement)
            continue
        for extra in names:
            if requirement.marker.evaluate({"extra": extra}):
                extras.setdefault(extra, []).append(requirement)
    return core, extras


def _checkout() -> dict[str, Any] | None:
    """The table ``project`` of the checkout's ``pyproject.toml``; None where there is none of ours."""
    try:
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, ValueError):
        return None
    return project if project.get("name") == "qflock" else None


def _read(texts: Iterable[str]) -> list[Requirement]:
    from packaging.requirements import Requirement

    return [one for one in map(Requirement, texts) if one.name != "qflock"]


def wrong(needed: Iterable[Requirement], installed: Callable[[str], str | None] = version) -> list[str]:
    """A line for each package that is missing or too old: what to type.

    Args:
        needed: as `requirements` says.
        installed: the version of a package, or None.
    """
    lines = []
    for one in needed:
        found = installed(one.name)
        if found is None:
            lines.append(f"{one.name} is missing: pip install {one.name}")
        elif not one.specifier.contains(found, prereleases=True):
            fits = f"{one.name}{one.specifier}"
            lines.append(f"{one.name} {found} is too old, qflock needs {one.specifier}: pip install '{fits}'")
    return lines


def blamed(problem: BaseException) -> str | None:
    """The packages that may be to blame for an unexpected error, in one line; None where there are none.

    Asked when there is such an error, and not at each start: reading thirteen packages' metadata takes longer
    than all of ``qflock --help``, and what is too old and does no harm needs no word.

    Args:
        problem: the error. One of an extra's packages is to blame only where its code was running.
    """
    try:
        core, extras = requirements()
    except (ImportError, UserError):
        return None
    found = wrong(core)
    if not isinstance(problem, ImportError):
        found = [line for line in found if " is missing: " not in line]
    modules = {
        str(frame.f_globals.get("__name__")).partition(".")[0]
        for frame, _ in traceback.walk_tb(problem.__traceback__)
    }
    owners = importlib.metadata.packages_distributions() if not found else {}
    running = {owner.lower() for module in modules for owner in owners.get(module, ())}
    for needed in extras.values():
        found += wrong(one for one in needed if one.name.lower() in running)
    return "; ".join(dict.fromkeys(found)) or None
