"""A tiny algorithm and a tiny world, as registry entries and as a user's files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import qflock.algorithms
import qflock.environments
from qflock.settings import config

FILES = Path(__file__).parent / "files"
WORLD = FILES / "environments" / "tiny_world.py"


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """`tiny` and `tiny_world` are in the registry, no preset is, and the current folder is empty."""
    for package in (qflock.algorithms, qflock.environments):
        package.__path__.append(str(FILES / package.__name__.rpartition(".")[2]))
    (tmp_path / "presets").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(config, "PRESETS", tmp_path / "presets")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "100")
    yield
    for package in (qflock.algorithms, qflock.environments):
        package.__path__.pop()
    for name in ("qflock.algorithms.tiny", "qflock.environments.tiny_world"):
        sys.modules.pop(name, None)
