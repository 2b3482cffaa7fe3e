"""A memory between runs: the best never falls, damage is found and kept aside, one writer at a time."""

from __future__ import annotations

import importlib.util
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflock.algorithms.qmarl import history, memory
from qflock.algorithms.qmarl.distillation import Verdict, accept_exact
from qflock.core.errors import UserError
from qflock.files import tensors
from qflock.files.storage import CannotWrite

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
STEP = {"step": 1, "best": 2.0, "mean": 1.5, "acceptance": 0.3, "sigma": 0.1, "beta": 50.0, "seconds": 0.7}


def weights(value=0.0, size=3):
    return {"angles": jnp.full((2, size), value, jnp.float32), "scale": jnp.ones(())}


def opened(folder, **changed):
    of = {"environment": "coin_game", "policy": "circuit", "like": weights(), "settings": {"layers": 5}}
    return memory.opened(folder, **{**of, **changed})


def one_run(folder, score, value, seed=0):
    """A run that finds one candidate, judged against the best exactly."""
    with opened(folder) as held:
        held.begin({"beta": 50}, seed, NOW)
        held.record(**STEP)
        verdict = accept_exact(score, held.best.score) if held.best else None
        return held.offer(weights(value), score, verdict), held.messages


def test_three_runs_on_one_memory(tmp_path):
    folder = tmp_path / "deep" / "memory"
    assert [one_run(folder, *run) for run in ((10.0, 1.0), (9.0, 2.0), (12.0, 3.0))] == [
        (True, []),
        (False, []),
        (True, []),
    ]
    with opened(folder) as held:
        assert held.best.score == 12
        np.testing.assert_array_equal(held.best.parameters["angles"], 3.0)
        first, second, third = held.runs
        assert held.best.run == third["id"]
    assert [run["parent"] for run in (first, second, third)] == [None, first["id"], first["id"]]
    assert {run["configuration_hash"] for run in held.runs} == {history.digest({"beta": 50})}
    assert first["steps"] == [STEP]
    assert first["started"].startswith("2024-05-01T")
    assert [run["offers"][0]["accepted"] for run in held.runs] == [True, False, True]
    assert third["offers"][0] == {"accepted": True, "gain": 2.0, "bound": 2.0, "rule": "exact", "score": 12.0}


@settings(max_examples=10)
@given(st.lists(st.floats(-50, 50) | st.just(float("nan")), min_size=1, max_size=6))
def test_the_best_never_falls(tmp_path_factory, scores):
    folder = tmp_path_factory.mktemp("memory")
    best = -np.inf
    for score in scores:
        one_run(folder, score, 0.5)
        with opened(folder) as held:
            now = held.best.score if held.best else -np.inf
        assert now >= best
        best = now
    assert best == max([s for s in scores if not np.isnan(s)], default=-np.inf)


def test_the_published_fields_are_in_the_file(tmp_path):
    one_run(tmp_path, 1.0, 1.0, seed=7)
    found = json.loads((tmp_path / "training_history.json").read_text())
    assert found["schema"] == 1
    assert found["of"]["environment"] == "coin_game"
    (run,) = found["runs"]
    assert {"configuration_hash", "seed", "parent", "steps"} <= set(run)
    assert run["seed"] == 7
    (step,) = run["steps"]
    assert {"step", "best", "mean", "acceptance", "sigma", "beta", "seconds"} == set(step)


def test_numbers_of_every_sort_go_into_the_history(tmp_path):
    with opened(tmp_path) as held:
        held.begin({"path": Path("a"), "layers": (1, 2)}, 0)
        row = {**STEP, "mean": jnp.float32(1.5), "best": float("nan"), "sigma": {"angles": np.float64(0.25)}}
        held.record(**row, ess=np.arange(2))
        with pytest.raises(TypeError, match="cannot be said in JSON"):
            held.record(**STEP, more=object())
    with opened(tmp_path) as held:
        (step,) = held.runs[0]["steps"]
    assert step == {**STEP, "best": None, "sigma": {"angles": 0.25}, "ess": [0, 1]}
    assert held.runs[0]["settings"] == {"path": "a", "layers": [1, 2]}


@pytest.mark.parametrize(
    "verdict", [Verdict(False, 1.0, -0.1, "paired"), Verdict(False, -1.0, -1.0, "exact")]
)
def test_only_an_accepted_candidate_replaces_the_best(tmp_path, verdict):
    one_run(tmp_path, 10.0, 1.0)
    before = (tmp_path / memory.WEIGHTS).read_bytes()
    with opened(tmp_path) as held:
        held.begin({}, 1)
        with pytest.raises(ValueError, match="a verdict against the best is needed"):
            held.offer(weights(2.0), 11.0)
        assert not held.offer(weights(2.0), 11.0, verdict)
        assert not held.offer(weights(np.nan), 99.0, Verdict(True, 89.0, 80.0, "paired"))
        assert held.best.score == 10
    assert (tmp_path / memory.WEIGHTS).read_bytes() == before


def test_details_stand_beside_the_weights(tmp_path):
    with opened(tmp_path) as held:
        run = held.begin({}, 0)
        held.record(**{**STEP, "step": 40})
        held.offer(weights(), 3.0, details={"algorithm": "qmarl"})
    about = tensors.load_metadata(tmp_path / memory.WEIGHTS)
    assert about["kind"] == "weights"
    assert (about["algorithm"], about["run"], about["step"], about["score"]) == ("qmarl", run, 40, 3.0)


def test_nothing_is_recorded_before_a_run_begins(tmp_path):
    with opened(tmp_path) as held, pytest.raises(ValueError, match="call begin first"):
        held.record(**STEP)
    assert not (tmp_path / memory.HISTORY).exists()


@pytest.mark.parametrize("name", [memory.WEIGHTS, memory.HISTORY])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_file_is_moved_aside_and_named(tmp_path, name, damage):
    one_run(tmp_path, 10.0, 1.0)
    path = tmp_path / name
    whole = path.read_bytes()
    middle = len(whole) - 100
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    broken = {"truncated": whole[: len(whole) // 2], "flipped": flipped, "empty": b""}[damage]
    path.write_bytes(broken)
    accepted, (message,) = one_run(tmp_path, 5.0, 2.0)
    aside = tmp_path / f"{path.stem}.damaged-1{path.suffix}"
    assert aside.read_bytes() == broken, "kept as it was"
    assert f"{path} is damaged" in message
    assert aside.name in message
    assert "\n" not in message
    with opened(tmp_path) as held:
        assert held.messages == []
        if name == memory.WEIGHTS:
            assert accepted, "there is no best any more"
            assert len(held.runs) == 2
        else:
            assert held.best.score == 10, "the weights are whole"
            assert len(held.runs) == 1
    path.write_bytes(broken)
    assert "damaged-2" in one_run(tmp_path, 5.0, 2.0)[1][0], "nothing that was kept is overwritten"


def test_edited_histories_are_damaged(tmp_path):
    one_run(tmp_path, 10.0, 1.0)
    path = tmp_path / memory.HISTORY
    found = json.loads(path.read_text())
    found["runs"][0]["steps"][0]["best"] = 27.0
    path.write_text(json.dumps(found))
    assert "was edited" in one_run(tmp_path, 11.0, 1.0)[1][0]


def test_a_newer_history_is_left_alone(tmp_path):
    one_run(tmp_path, 10.0, 1.0)
    path = tmp_path / memory.HISTORY
    text = path.read_text().replace('"schema": 1', '"schema": 2')
    path.write_text(text)
    with pytest.raises(UserError, match="is of version 2, this qflock reads 1; update qflock"):
        one_run(tmp_path, 11.0, 1.0)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"environment": "chsh"}, "of circuit on coin_game, not of circuit on chsh; choose another"),
        ({"policy": "mlp"}, "of circuit on coin_game, not of mlp on coin_game"),
        ({"like": weights(size=4)}, "circuit on coin_game with other settings or sizes"),
        ({"settings": {"layers": 6}}, "with other settings or sizes"),
    ],
)
@pytest.mark.parametrize("missing", [memory.WEIGHTS, memory.HISTORY])
def test_the_memory_of_another_policy_is_refused(tmp_path, changed, message, missing):
    one_run(tmp_path, 10.0, 1.0)
    (tmp_path / missing).unlink()
    with pytest.raises(UserError, match=message), opened(tmp_path, **changed):
        pass
    assert not list(tmp_path.glob("*damaged*"))


def test_default_folders_differ_by_what_is_remembered():
    make = lambda *x, **more: memory.default_folder(*x, **more)
    base = make("coin_game", "circuit", weights(), {"layers": 5})
    assert base == make("coin_game", "circuit", weights(9.0), {"layers": 5})
    assert base.parent == Path("runs/memory")
    assert base.name.startswith("coin_game-circuit-")
    others = [
        make("chsh", "circuit", weights(), {"layers": 5}),
        make("coin_game", "mlp", weights(), {"layers": 5}),
        make("coin_game", "circuit", weights(size=4), {"layers": 5}),
        make("coin_game", "circuit", weights(), {"layers": 6}),
        make("my env.py:Env", "circuit", weights()),
    ]
    assert len({base, *others}) == 6
    assert others[-1].name.startswith("Env-")


def test_one_writer_at_a_time(tmp_path):
    busy = f"{tmp_path} is being written by process {os.getpid()}"
    with opened(tmp_path), pytest.raises(UserError, match=busy), opened(tmp_path):
        pass
    with opened(tmp_path) as held:
        assert held.best is None


def test_folders_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="is a file; choose a folder with --memory"),
        opened(tmp_path / "file"),
    ):
        pass
    if os.geteuid():
        tmp_path.chmod(0o500)
        with pytest.raises(CannotWrite, match="with --memory"), opened(tmp_path / "new"):
            pass


def test_a_full_disk_leaves_the_old_best(tmp_path, monkeypatch):
    one_run(tmp_path, 10.0, 1.0)

    def full(*_, **__):
        raise CannotWrite("cannot write it; choose a folder that you may write, with --run-dir")

    with opened(tmp_path) as held:
        held.begin({}, 1)
        monkeypatch.setattr(tensors, "save", full)
        with pytest.raises(CannotWrite, match="with --memory"):
            held.offer(weights(2.0), 11.0, accept_exact(11.0, 10.0))
        assert held.best.score == 10
    with opened(tmp_path) as held:
        assert held.best.score == 10


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_weights_for_pytorch_follow_the_best(tmp_path):
    import torch

    for score, value in ((10.0, 1.0), (9.0, 2.0), (12.0, 3.0)):
        one_run(tmp_path, score, value)
        found = torch.load(tmp_path / memory.TORCH, weights_only=True)
        assert found["score"] == max(10.0, score)
        expected = 3.0 if score == 12 else 1.0
        np.testing.assert_array_equal(found["parameters"]["angles"].numpy(), np.full((2, 3), expected))
        assert found["parameters"]["scale"].shape == ()
