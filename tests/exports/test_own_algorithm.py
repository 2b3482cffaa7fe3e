"""The algorithm that docs/adding.md writes down goes home in every format, as the page says."""

import importlib.util
from pathlib import Path

import pytest

from qflock.exports import writing
from qflock.exports.reading import load_exported
from tests.docs.test_snippets import ROOT, blocks
from tests.exports.test_formats import assert_acts, assert_same
from tests.marks import IN_CI

NEEDS = {"numpy": (), "torch": ("torch",), "onnx": ("jax2onnx", "onnxruntime"), "safetensors": ()}


@pytest.fixture(scope="module")
def reinforce(run_of, tmp_path_factory):
    """A run of REINFORCE, written to a file as a reader of the page would."""
    path = tmp_path_factory.mktemp("page") / "reinforce.py"
    (block,) = [b for b in blocks(ROOT / "docs" / "adding.md") if b.file == path.name]
    path.write_text(block.text)
    return run_of(str(path), "two_step")


@pytest.mark.parametrize("to", [pytest.param(to, marks=IN_CI if to == "onnx" else ()) for to in NEEDS])
def test_it_goes_home(to, reinforce, tmp_path):
    if not all(importlib.util.find_spec(name) for name in NEEDS[to]):
        pytest.skip(f"needs {', '.join(NEEDS[to])}")
    path, loaded = reinforce
    done = writing.export(path, to, tmp_path / f"policy{writing.SUFFIX[to]}", seed=4)
    assert done["difference"] < 1e-5
    assert done["about"]["choice"] == {"kind": "policy", "operator": None}
    exported = load_exported(Path(done["files"][0]))
    assert_same(exported, loaded)
    assert_acts(exported, loaded)
