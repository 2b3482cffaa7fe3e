"""The house stays in order: short files, dependencies that point downwards, help without JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "qflock"
FILES = sorted(SOURCE.rglob("*.py"))
ROOMS = [
    "commands",
    "api",
    "experiments",
    "evidence",
    "exports",
    "runs",
    "algorithms",
    "search",
    "networks",
    "playing",
    "bridges",
    "environments",
    "learning",
    "quantum",
    "machine",
    "settings",
    "files",
    "core",
]
"""From the top down; each may import from those below it."""
ENTRIES = {"algorithms", "environments", "bridges"}
"""Rooms whose files have names in the registry: nothing else imports them, but through it."""
ROOT = {"__init__", "__main__", "templates", "presets", "moved"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_files_are_short_and_rooms_are_named_for_what_they_hold(file):
    assert len(file.read_text().splitlines()) <= 300
    assert file.stem not in {"utils", "helpers", "common", "misc"}
    assert file.relative_to(SOURCE).parts[0].removesuffix(".py") in {*ROOMS, *ROOT}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_dependencies_point_downwards(file):
    room = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    if room not in ROOMS:
        return
    allowed = set(ROOMS[ROOMS.index(room) :])
    if room == "environments":
        allowed = {"environments", "core"}
    for name in imported(file):
        assert name.split(".")[1] in allowed, f"{file} imports {name}"


def test_rooms_import_each_other_in_no_circle():
    """Files in one room may import each other, but not in a circle."""
    modules = {module_of(file): file for file in FILES}
    later: dict[str, set[str]] = {}
    for module, file in modules.items():
        wanted = {name if name in modules else name.rpartition(".")[0] for name in imported(file, True)}
        later[module] = {name for name in wanted if name in modules and name != module}
    while leaves := {module for module, wanted in later.items() if not wanted}:
        later = {m: wanted - leaves for m, wanted in later.items() if m not in leaves}
    assert not later, f"circles among {sorted(later)}"


def module_of(file: Path) -> str:
    parts = ("qflock", *file.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file: Path, names_too: bool = False) -> list[str]:
    """Modules of the library that a file imports, those inside functions too."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            below = [f"{node.module}.{a.name}" for a in node.names]
            found += below if node.module == "qflock" or names_too else [node.module]
        elif isinstance(node, ast.Import):
            found += [a.name for a in node.names]
    return [name for name in found if name.startswith("qflock.")]


def test_importing_the_package_imports_no_jax():
    code = "import sys, qflock; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
