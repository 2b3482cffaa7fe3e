"""``qflock export``: what is typed, what is told."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import qflock
from qflock.commands import main


@pytest.fixture
def run(run_of, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return run_of("qmix", "gridworld25")[0]


def test_the_default_goes_into_the_run(run, capsys):
    assert main(["export", str(run)]) == 0
    out = capsys.readouterr().out
    file = run / "export" / "qmix-gridworld25-seed3.npz"
    assert file.is_file()
    assert f"wrote {file}\nwrote {run}/export/numpy_policy.py\n" in out
    assert "qmix on gridworld25, seed 3: 4 agents, each from 18 numbers to one of 6 actions" in out
    assert "checked: its outputs differ" in out


def test_as_json(run, capsys):
    assert (
        main(["export", str(run), "--to", "safetensors", "-o", "new/my.safetensors", "--seed=5", "--json"])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == ["new/my.safetensors"]
    assert told["about"]["seed"] == 5
    assert Path("new/my.safetensors").is_file()


def test_from_python(run, tmp_path):
    done = qflock.export(run, "safetensors", str(tmp_path / "p.safetensors"), seed=4)
    policy = qflock.load_exported(done["files"][0])
    seen = np.arange(72).reshape(4, 18) % 25
    np.testing.assert_array_equal(policy.act(seen), qflock.load(run, seed=4).act(seen))


@pytest.mark.parametrize(
    ("typed", "piece"),
    [
        ("--to tensorflow", "tensorflow"),
        ("--seed 9", "the run has no seed 9; it has [3, 4, 5]"),
        ("--checkpoint bst", "unknown checkpoint"),
        ("-o policy.pt", "ends in .npz"),
        ("-o taken/policy.npz", "cannot write taken"),
    ],
)
def test_bad_input(typed, piece, run, capsys):
    Path("taken").write_text("a file")
    assert main(["export", str(run), *typed.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert piece in err


@pytest.mark.parametrize("to", ["torch", "onnx"])
def test_a_missing_package_is_one_line(to, run, capsys, monkeypatch):
    for name in ("torch", "jax2onnx"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["export", str(run), "--to", to]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"pip install 'qflock[{to}]'" in err


def test_help(capsys):
    assert main(["export", "--help"]) == 0
    assert "usage: qflock export RUN" in capsys.readouterr().out
