"""What pyproject.toml asks for, and what the lock files give, as plain values."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]


def pyproject() -> dict[str, Any]:
    """The file as nested dictionaries."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def bound(requirement: Requirement) -> Version | None:
    """The lowest version that a requirement allows; None where it names none."""
    bounds = [Version(s.version) for s in requirement.specifier if s.operator in (">=", "==", "~=")]
    return max(bounds, default=None)


def lowest() -> list[str]:
    """The lines of a requirements file that holds each of the core's dependencies at its lower bound.

    Raises:
        ValueError: a dependency without a bound.
    """
    lines = []
    for text in pyproject()["project"]["dependencies"]:
        requirement = Requirement(text)
        if bound(requirement) is None:
            raise ValueError(f"{requirement.name} has no lower bound in pyproject.toml")
        lines.append(f"{requirement.name}=={bound(requirement)}")
    # JAX allows newer versions of its compiled half, within limits that it finds out at import
    return [*lines, *(line.replace("jax==", "jaxlib==") for line in lines if line.startswith("jax=="))]


def locked(file: str) -> Iterator[tuple[str, Version, Marker | None]]:
    """Each package of a lock file: name as indexes compare it, version, and where that is meant."""
    for line in (ROOT / file).read_text().splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            yield canonicalize_name(requirement.name), Version(specifier.version), requirement.marker
