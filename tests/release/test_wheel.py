"""What is released: the source archive and the wheel, and the wheel at work where nothing else is installed.

The environments have the core's dependencies alone, once at the lower bounds of pyproject.toml and once as
`requirements.txt` locks them. CI leaves the second out: its other tests have these versions. Building and
installing need a package index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

import qflock
from tests.release.requirements import ROOT, lowest

pytestmark = pytest.mark.slow
LOWEST_PYTHON = "3.11"
"""The Python that has wheels of the lowest versions; newer ones may lack some."""
RUNS = {"qmix": "two_step", "ippo": "coin_game"}
FOLDERS = ("benchmarks", "configs", "docs", "examples", "experiments", "scripts")
PICTURES = {".png", ".gif", ".jpg", ".jpeg", ".svg", ".mp4", ".webp"}


class Release(NamedTuple):
    """The two files that are published."""

    source: Path
    wheel: Path


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    """What a command prints; where it fails, the test says what it printed last."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "QFLOCK_TRUST")}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**clean, **more}, capture_output=True, text=True
    )
    assert done.returncode == 0, (
        f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return done.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Built as one does it: the archive from the checkout, the wheel from the archive."""
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("dist")
    run(
        sys.executable,
        "-m",
        "build",
        "--outdir",
        out,
        ROOT,
        cwd=out,
        PYTHONPATH=os.environ.get("PYTHONPATH", ""),
    )
    (source,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return Release(source, wheel)


@pytest.fixture(scope="module", params=[pytest.param("lowest", marks=pytest.mark.ci_slow), "locked"])
def home(request: pytest.FixtureRequest, release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose ``venv`` has the wheel and what its core depends on, and nothing else."""
    python = sys.executable
    if request.param == "lowest" and sys.version_info[:2] != (3, 11):
        python = shutil.which(f"python{LOWEST_PYTHON}")
        if python is None:
            pytest.skip(f"no Python {LOWEST_PYTHON}, for which the lowest versions have wheels")
    folder = tmp_path_factory.mktemp(request.param)
    held = ROOT / "requirements.txt"
    if request.param == "lowest":
        held = folder / "requirements-lowest.txt"
        held.write_text("\n".join(lowest()) + "\n")
    run(python, "-m", "venv", "venv", cwd=folder)
    pip = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    run(*pip, "-c", held, release.wheel, cwd=folder)
    return folder


@pytest.mark.ci_slow
def test_the_archive_has_what_building_and_testing_need_and_no_results(release: Release) -> None:
    with tarfile.open(release.source) as archive:
        names = [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]
    code = {str(p.relative_to(ROOT)) for p in (ROOT / "src").rglob("*.py")}
    files = (
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "PKG-INFO",
        "pyproject.toml",
    )
    assert code | set(files) | {"requirements.txt", "requirements-dev.txt", "tests/conftest.py"} <= set(names)
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders <= {".ci", ".github", "src", "tests", *FOLDERS}
    assert not [name for name in names if name.startswith(("results/", "benchmarks/results/"))]
    assert not [name for name in names if Path(name).suffix in PICTURES]
    assert release.source.stat().st_size < 2_000_000


@pytest.mark.ci_slow
def test_the_wheel_has_the_package_and_all_that_it_reads(release: Release) -> None:
    with zipfile.ZipFile(release.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    source = ROOT / "src"
    kept = [p for p in source.rglob("*") if p.is_file() and p.suffix != ".pyc" and ".egg-info" not in str(p)]
    assert names == {str(p.relative_to(source)) for p in kept}
    assert "qflock/py.typed" in names
    for kind in (
        "pages/report.html",
        "pages/replay.js",
        "presets/qmix-gridworld25.yaml",
        "templates/environment.py",
    ):
        assert any(name.endswith(kind) for name in names), kind


def test_the_wheel_trains_judges_reports_and_exports(home: Path) -> None:
    program, python = home / "venv" / "bin" / "qflock", home / "venv" / "bin" / "python"
    quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "QFLOCK_CACHE": str(home / "cache")}
    do = lambda *words: run(program, *words, cwd=home, **quick)
    assert do("--version") == f"qflock {qflock.__version__}\n"
    report = json.loads(do("doctor", "--json"))
    assert report["problems"] == []
    assert report["trained"]["env_steps"] > 0
    for algorithm, environment in RUNS.items():
        folder = f"runs/{algorithm}"
        do("train", algorithm, "--env", environment, "--total_steps", "2000", "--run_dir", folder)
        scores = json.loads(do("evaluate", folder, "--episodes", "64", "--json"))
        assert scores["over_seeds"]["episodes"] == 64
        assert "random" in scores["references"]
        do("export", folder, "--to", "numpy", "-o", f"home/{algorithm}.npz")
        do("export", folder, "--to", "safetensors", "-o", f"home/{algorithm}.safetensors")
    do("report", *(f"runs/{name}" for name in RUNS), "-o", "report.html")
    page = (home / "report.html").read_text()
    assert all(name in page for name in RUNS)
    assert f"qflock {qflock.__version__}" in page
    play = "import sys; sys.path.insert(0, 'home'); from numpy_policy import NumpyPolicy; "
    play += "print(NumpyPolicy.load('home/qmix.npz').about['made_by'], 'jax' in sys.modules)"
    assert run(python, "-c", play, cwd=home) == f"qflock {qflock.__version__} False\n"
