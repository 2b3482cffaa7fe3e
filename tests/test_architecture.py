"""The house stays in order: short files, dependencies that point downwards, help without JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "qflock"
FILES = sorted(SOURCE.rglob("*.py"))
FLOORS = ["commands", "evidence", "exports", "runs", "algorithms", "parts", "quantum"]
"""From the top down; each may import from those below it."""


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_files_are_short_and_rooms_are_named_for_what_they_hold(file):
    assert len(file.read_text().splitlines()) <= 300
    assert file.stem not in {"utils", "helpers", "common", "misc"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_dependencies_point_downwards(file):
    room = file.relative_to(SOURCE).parts[0]
    if room == "environments":
        allowed = {"environments", "types", "errors"}
    elif room in FLOORS:
        above = set(FLOORS[: FLOORS.index(room)])
        allowed = {p.stem for p in SOURCE.iterdir()} - above - {"api"}
        if room != "commands":
            allowed -= {"environments", "bridges"}
    else:
        return
    if file.parent.name == "commands":
        allowed |= {"api"}
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "qflock" else [f"qflock.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        for name in names:
            if name.startswith("qflock.") and name != "qflock.__version__":
                assert name.split(".")[1] in allowed, f"{file} imports {name}"


def test_importing_the_package_imports_no_jax():
    code = "import sys, qflock; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
