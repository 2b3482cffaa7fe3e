"""Training states and weights of earlier versions: their leaves had other names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qflock.files import tensors
from qflock.files.storage import DamagedFile


def test_names_of_earlier_versions_are_known(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    numbers = dict(zip("abcd", np.arange(4, dtype=np.float32), strict=True))
    stored = {
        "learner": {
            "online": {"beside": {"w": numbers["a"]}},
            "target": {"beside": {"w": numbers["b"]}, "agents": numbers["c"]},
            "target_due": numbers["d"],
        }
    }
    tensors.save(path, stored, {})
    target = {"weights": {"auxiliary": {"w": numbers["b"]}, "agents": numbers["c"]}, "due": numbers["d"]}
    wanted = {"learner": {"online": {"auxiliary": {"w": numbers["a"]}}, "target": target}}
    assert tensors.load(path, wanted)[0] == wanted
    no_target = {"learner": {"online": wanted["learner"]["online"], "target": ()}}
    assert tensors.load(path, no_target)[0] == no_target
    assert tensors.load(path, {"learner": {"target": target}}, part=True)[0] == {
        "learner": {"target": target}
    }
    with pytest.raises(DamagedFile, match=r"has no 'learner.other'"):
        tensors.load(path, {"learner": wanted["learner"] | {"other": numbers["a"]}})
    with pytest.raises(DamagedFile, match=r"has 'learner.online.beside.w', which is not wanted"):
        tensors.load(path, {"learner": {"target": target}})
