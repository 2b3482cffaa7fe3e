"""Every experiment that is shipped can be planned: its names, settings and ranges are those of the code."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from qflock.commands import main

FILES = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_its_cells_can_be_listed(file, tmp_path, monkeypatch):
    if "jaxmarl:" in file.read_text() and find_spec("jaxmarl") is None:
        pytest.skip("needs jaxmarl")
    monkeypatch.chdir(tmp_path)
    assert main(["experiment", str(file), "--dry_run"]) == 0
    assert not (tmp_path / "runs").exists()
