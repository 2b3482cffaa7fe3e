"""Files beside a user's own that are named as libraries are run by nothing that a command starts."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qflock.machine import children
from tests.experiments.conftest import LEARNER, RUN, Write
from tests.marks import IN_CI

NAMES = ("optax", "equinox", "random", "jax", "pickle", "gymnasium")
OWN = Path(__file__).parents[1] / "bridges" / "files" / "orchard.py"
RAY = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is an extra")
LAUNCHERS = [
    {"processes": 1},
    {"slurm": {"cluster": "local", "timeout_min": 10}},
    pytest.param({"ray": {"num_cpus": 1}}, marks=RAY),
]
pytestmark = [*IN_CI]


@pytest.fixture
def poisoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder: files that leave a mark where they are imported, and one of the user's own."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write('{name} ')\n")
    shutil.copy(OWN, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", ".")])
    yield tmp_path
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()


def qflock(*words: str) -> None:
    """The installed command, which has no working folder on its path."""
    done = children.run("qflock", *words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_cells_and_what_is_exported_from_them(write: Write, launcher: dict) -> None:
    if "processes" in launcher:
        pytest.importorskip("jax2onnx")
    file = write(seeds=[0], methods=[{"algorithm": "iql", **LEARNER}], launcher=launcher)
    qflock("experiment", str(file), "--quiet", "--trust")
    results = json.loads(Path("runs/tiny/results.json").read_text())
    assert [cell["state"] for cell in results["cells"]] == ["done"]
    if "processes" in launcher:
        qflock("export", "runs/tiny/cells/iql-echo", "--to", "onnx", "--trust")


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_an_environment_of_the_users_own_in_it_goes_on_working(write: Write, launcher: dict) -> None:
    pytest.importorskip("pettingzoo")
    environments = [{"name": "pettingzoo:orchard", "label": "orchard", "bridge_worker_count": 1}]
    methods = [{"algorithm": "iql", **LEARNER}]
    run = RUN | {"total_steps": 128, "log_interval": 64, "final_episodes": 2, "eval_episodes": 2}
    file = write(seeds=[0], environments=environments, methods=methods, run=run, launcher=launcher)
    qflock("experiment", str(file), "--quiet", "--trust")
