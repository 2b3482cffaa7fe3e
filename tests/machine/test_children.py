"""Python that qflock starts takes no module from the working folder, and neither does what that starts."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qflock.machine import children

ROOT = Path(__file__).parents[2]
STARTERS = {"src/qflock/machine/children.py"}
"""What may start Python."""
OTHERS = {"src/qflock/machine/device.py", "src/qflock/machine/checkout.py", "benchmarks/peer.py"}
OTHERS |= {"src/qflock/evidence/dash/maker.py", "benchmarks/peer_boxes.py"}
"""What starts other programs: nvidia-smi, git, and scripts of another library in its own checkout. The last
is a server's, which waits for its child, `children.command`, beside its answers."""
WAYS = {"Popen", "run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}
OF_OS = ("system", "popen", "exec", "spawn", "posix_spawn", "fork")
MODULES = {"multiprocessing", "asyncio", "pty", "pexpect", "sh", "runpy"}
NAMES = {"ProcessPoolExecutor", "create_subprocess_exec", "create_subprocess_shell"}
TRIED = """
import random, numpy, subprocess, sys
if sys.argv[1:]:
    for how in (["-c", "import random, numpy"], ["-m", "tried"]):
        subprocess.run([sys.executable, *how], check=True)
"""


@pytest.fixture
def poisoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with files that are named as libraries are and leave a mark where they are run."""
    for name in ("optax", "random", "equinox", "numpy"):
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r} + '\\n')\n"
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", ".")])
    yield tmp_path
    ran = tmp_path / "ran"
    assert not ran.exists(), f"these were run: {ran.read_text().split()}"


@pytest.mark.usefixtures("poisoned")
def test_a_child_and_its_children_import_nothing_from_the_working_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path_factory.mktemp("elsewhere")
    (place / "tried.py").write_text(TRIED)
    monkeypatch.setattr(sys, "path", [*sys.path, str(place)])
    children.run("tried", "and its children", check=True)


@pytest.mark.usefixtures("poisoned")
def test_what_a_library_starts_imports_nothing_from_it_either() -> None:
    before = dict(os.environ)
    with children.kept_safe():
        subprocess.run([sys.executable, "-c", "import random"], check=True)
    assert dict(os.environ) == before


@pytest.mark.parametrize("said", ["", "1"])
def test_the_users_own_word_about_the_path_is_kept(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", said)
    with children.kept_safe():
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ["PYTHONSAFEPATH"] == said


def test_a_child_finds_modules_where_its_parent_found_them(
    poisoned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an environment's module in the working folder was: after all that is installed."""
    (poisoned / "my_world.py").write_text("import random, numpy\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(poisoned)])
    children.run("my_world", check=True)


def started(source: str) -> list[str]:
    """What in a program starts another one."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            module = getattr(node, "module", None) or ""
            found += [name for name in [module, *names] if name.partition(".")[0] in MODULES or name in NAMES]
            if module == "subprocess":
                found += [name for name in names if name in WAYS]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            where, what = node.value.id, node.attr
            if (where == "subprocess" and what in WAYS) or (where == "os" and what.startswith(OF_OS)):
                found.append(f"{where}.{what}")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nsubprocess.run([])",
        "from subprocess import Popen",
        "import os\nos.execv('', [])",
        "import os\nos.posix_spawn('', [], {})",
        "import multiprocessing as m",
        "from multiprocessing.pool import Pool",
        "from concurrent.futures import ProcessPoolExecutor",
    ],
)
def test_the_walk_below_sees_a_start(source: str) -> None:
    assert started(source)


def test_no_other_file_starts_a_program() -> None:
    files = [
        path for folder in ("src", "scripts", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))
    ]
    assert len(files) > 200
    found = {str(path.relative_to(ROOT)): started(path.read_text()) for path in files}
    annotations = {"subprocess.Popen"}  # of a type, in the launchers
    elsewhere = {
        name: ways
        for name, ways in found.items()
        if ways and name not in STARTERS | OTHERS and not set(ways) <= annotations
    }
    assert elsewhere == {}
    assert all(found[name] for name in STARTERS | OTHERS), "a file that starts nothing needs no exception"


def test_only_its_own_file_names_the_python_to_start() -> None:
    """``sys.executable`` stands elsewhere only where it is shown, and in what submitit is told."""
    named = {
        str(path.relative_to(ROOT))
        for folder in ("src", "scripts", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if "sys.executable" in path.read_text()
    }
    assert named == STARTERS | {
        "src/qflock/commands/doctor.py",
        "src/qflock/experiments/clusters.py",
        "benchmarks/peer.py",
    }
