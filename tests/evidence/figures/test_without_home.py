"""Figures without a home folder, as in many containers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["figures.style", "comparison.figures"])
def test_nothing_is_said_about_a_cache_of_others(module: str, tmp_path: Path) -> None:
    places = {"HOME": "/proc/self/nohome", "TMPDIR": str(tmp_path)}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL"))}
    program = [sys.executable, "-c", f"import qflock.evidence.{module}"]
    done = subprocess.run(program, env={**inherited, **places}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_said_about_a_cache_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from matplotlib import font_manager

    import qflock.evidence.figures.style  # noqa: F401

    font_manager.json_dump(font_manager.fontManager, str(tmp_path / "nowhere" / "fonts.json"))
    assert caplog.records == []
