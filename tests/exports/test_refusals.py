"""What cannot be exported or read is told in one line; networks of one's own go home as far as they can."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.exports import description, reading, writing
from qflock.exports.reading import load_exported
from qflock.files.storage import DamagedFile
from tests.exports.test_formats import assert_same

NET = """
import equinox as eqx
import jax
class Net(eqx.Module):
    one: eqx.nn.Linear
    two: eqx.nn.Linear
    def __init__(self, inputs, outputs, *, key):
        a, b = jax.random.split(key)
        self.one, self.two = eqx.nn.Linear(inputs, 8, key=a), eqx.nn.Linear(8, outputs, key=b)
    def __call__(self, x):
        return self.two(jax.numpy.tanh(self.one(x)))
"""


@pytest.mark.parametrize("suffix", [".npz", ".pt"])
def test_a_small_file_that_is_large_unpacked_is_refused(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "UNPACKED", 2**20)
    path = tmp_path / f"policy{suffix}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("weights.npy", bytes(2**20 + 1))
    with pytest.raises(DamagedFile, match="is 1,048,577 bytes unpacked; a policy has at most 1,048,576"):
        load_exported(path)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_network_of_ones_own(run_of, tmp_path):
    (tmp_path / "own.py").write_text(NET)
    path, loaded = run_of("qmix", "gridworld25", network=f"{tmp_path}/own.py:Net")
    for to in ("numpy", "torch"):
        with pytest.raises(
            UserError, match=r"the network Net cannot be exported to .*, which knows mlp, gru and circuit"
        ):
            writing.export(path, to, tmp_path / f"policy{writing.SUFFIX[to]}")
    done = writing.export(path, "safetensors", tmp_path / "policy.safetensors")
    assert done["difference"] is None
    with pytest.raises(UserError, match="it has the weights alone"):
        load_exported(tmp_path / "policy.safetensors")
    pytest.importorskip("jax2onnx")
    pytest.importorskip("onnxruntime")
    writing.export(path, "onnx", tmp_path / "policy.onnx", seed=4)
    assert_same(load_exported(tmp_path / "policy.onnx"), loaded)


def test_a_description_that_is_not_the_policy_is_noticed(run_of, tmp_path, monkeypatch):
    path, _ = run_of("qmix", "gridworld25")
    real = description._input
    monkeypatch.setattr(description, "_input", lambda spec, stage: {**real(spec, stage), "worth": 8.1})
    with pytest.raises(UserError, match="it is more than its network and declaration say"):
        writing.export(path, "numpy", tmp_path / "policy.npz")
    assert not (tmp_path / "policy.npz").exists()


def test_mistakes_are_told_in_one_line(run_of, tmp_path):
    path, _ = run_of("qmix", "gridworld25")
    with pytest.raises(UserError, match="the run has no seed 9"):
        writing.export(path, "numpy", tmp_path / "policy.npz", seed=9)
    with pytest.raises(UserError, match=r"ends in \.npz"):
        writing.export(path, "numpy", tmp_path / "policy.pt")
    (tmp_path / "numpy_policy.py").write_text("print('mine')")
    with pytest.raises(UserError, match=r"numpy_policy\.py is there and not ours"):
        writing.export(path, "numpy", tmp_path / "policy.npz")
    assert (tmp_path / "numpy_policy.py").read_text() == "print('mine')"
    with pytest.raises(UserError, match="no file"):
        load_exported(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"PK nonsense")
    with pytest.raises(DamagedFile, match="damaged"):
        load_exported(tmp_path / "bad.npz")
    np.savez(tmp_path / "other.npz", about=np.array(json.dumps({"format": "else"})))
    with pytest.raises(UserError, match="a policy of format 'else'"):
        load_exported(tmp_path / "other.npz")
    (tmp_path / "bad.txt").touch()
    with pytest.raises(UserError, match="unknown sort of exported policy"):
        load_exported(tmp_path / "bad.txt")
    policy = load_exported(writing.export(path, "safetensors", Path(tmp_path) / "p.safetensors")["files"][0])
    with pytest.raises(ValueError, match=r"observations have shape \(3, 18\)"):
        policy.act(np.zeros((3, 18)))
