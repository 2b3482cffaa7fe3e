"""The notebooks run from top to bottom, and are kept with the outputs that the site shows."""

from __future__ import annotations

import json

import pytest

from tests.docs import notebooks
from tests.marks import IN_CI

ALL = pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_four_and_the_start_page_links_to_them():
    names = [path.stem for path in notebooks.NOTEBOOKS]
    assert names == ["fair_comparison", "first_policy", "own_environment", "quantum"]
    assert "notebooks/index" in (notebooks.FOLDER.parent / "index.md").read_text()
    listed = (notebooks.FOLDER / "index.md").read_text()
    assert all(f"({name}.ipynb)" in listed for name in names)


@ALL
def test_a_notebook_is_kept_with_whole_outputs(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert len(outputs) >= 4
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert path.stat().st_size < 1_500_000


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=IN_CI, id=path.stem) for path in notebooks.NOTEBOOKS]
)
def test_a_notebook_runs(path, tmp_path):
    for package in ("nbclient", "nbformat", "ipykernel"):
        pytest.importorskip(package)
    assert notebooks.executed(path, tmp_path).cells
