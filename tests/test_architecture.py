"""The house stays in order: short files, dependencies that point downwards, help without JAX."""

import ast
import dataclasses
import inspect
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from qflock.core import learner
from qflock.settings import registry
from qflock.settings.run import RunSettings

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
ANY_FUNCTION = {
    "runs/train/program.py": 2,  # over_seeds maps any function over a leading axis
    "runs/train/sharing.py": 1,  # and a mesh compiles what it makes
    "environments/_canvas.py": 1,  # a stamp paints with the further arguments that it is given
}
"""How often a file may say ``Callable[..., ``, and why; what else is passed has named arguments."""
KINDS = {"CompiledProgram", "HostProgram", "CompiledBackend", "HostBackend", "HostEnvironment", "Workers"}
NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}
"""Python's own names of a named tuple's public methods."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


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


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_functions_are_short(file):
    lengths = [(f.name, (f.end_lineno or 0) - f.lineno + 1) for f in functions(ast.parse(file.read_text()))]
    assert not [(name, lines) for name, lines in lengths if lines > 80]


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_functions_that_are_passed_have_named_arguments(file):
    found = re.findall(r"Callable\[\s*\.\.\.\s*,", file.read_text())
    assert len(found) == ANY_FUNCTION.get(str(file.relative_to(SOURCE)), 0)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_private_names_stay_in_their_room(file):
    room = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    tree, modules = ast.parse(file.read_text()), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "qflock":
            modules |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            modules |= {a.asname or a.name: a.name for a in node.names if a.name.startswith("qflock.")}
    used = list(modules.values())
    used += [
        f"{modules[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    ]
    for name in used:
        parts = name.split(".")[1:]
        assert parts[0] == room or not any(map(is_private, parts)), f"{file} uses {name}"


def test_the_runs_room_names_no_algorithm():
    names = set(registry.names("algorithms"))
    for file, line, word in words_of_the_runs_room():
        assert word not in names, f"{file}:{line} names the algorithm {word}"


def test_the_runs_room_names_no_setting_of_an_algorithm():
    """Names of one word mean other things too, so of these only reading them from settings counts."""
    settings = {
        field.name
        for name in registry.names("algorithms")
        for field in dataclasses.fields(registry.algorithm(name).Config)
    }
    assert {"buffer_capacity", "clique_size", "n_mcmc_steps", "lr"} <= settings
    contracts = {name for kind in vars(learner).values() for name in getattr(kind, "_fields", ())}
    settings -= contracts | {field.name for field in dataclasses.fields(RunSettings)}
    for file, line, word in words_of_the_runs_room():
        assert "_" not in word or word not in settings, f"{file}:{line} names the setting {word}"
    for file in (SOURCE / "runs").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute):
                assert not ast.unparse(node.value).endswith("settings.learner"), (
                    f"{file}: {ast.unparse(node)}"
                )


def test_the_runs_room_asks_once_how_an_environment_is_played():
    asked = [
        f"{file}:{node.lineno}"
        for file in (SOURCE / "runs").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
        if KINDS & set(re.findall(r"\w+", ast.unparse(node.args[1])))
    ]
    assert len(asked) <= 1, asked


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_public_functions_say_what_they_take(file):
    """Those with two or more parameters, but for a method that says in which contract its are."""
    lacking = [f"{f.lineno} {f.name}" for f in public(ast.parse(file.read_text())) if lacks_args(f)]
    assert not lacking


def functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def public(tree: ast.Module | ast.ClassDef) -> Iterator[Function]:
    """Functions and methods that others call; not those inside functions, which nobody sees."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node)
        elif isinstance(node, Function) and not node.name.startswith("_"):
            yield node


def lacks_args(function: Function) -> bool:
    a = function.args
    taken = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
    text = inspect.cleandoc(ast.get_docstring(function) or "")
    many = len([p for p in taken if p.arg not in ("self", "cls")]) > 1
    return many and "Args:" not in text and not text.startswith("See `")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in NAMED_TUPLES


def words_of_the_runs_room() -> Iterator[tuple[str, int, str]]:
    """Words of code, of its texts and of its comments, each with file and line."""
    for file in sorted((SOURCE / "runs").rglob("*.py")):
        for token in tokenize.generate_tokens(io.StringIO(file.read_text()).readline):
            for word in re.findall(r"\w+", token.string):
                yield str(file.relative_to(SOURCE)), token.start[0], word


def test_importing_the_package_imports_no_jax():
    code = "import sys, qflock; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
