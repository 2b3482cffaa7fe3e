"""Training states and weights: the newest whole one is found, the others are let go."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from qflock.files import tensors
from qflock.files.storage import CannotWrite, DamagedFile, write_text
from qflock.runs import checkpoint, folder
from qflock.runs.folder import RunFolder


def run_folder(path: Path, name: str) -> RunFolder:
    """A run as far as checkpoints look at it: its folders, and hparams.json with an ``id``."""
    run = RunFolder(path / name)
    for part in ("configs", "models", "state"):
        (run.path / part).mkdir(parents=True)
    facts = {"schema": 1, "id": name}
    write_text(run.hparams, json.dumps({**facts, "sha256": folder._checksum(facts)}))
    return run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return run_folder(tmp_path, "mine")


def state(update: int) -> dict[str, Any]:
    return {"weight": jnp.full((3,), float(update)), "key": jax.random.key(update)}


def save(run: RunFolder, *updates: int) -> None:
    for update in updates:
        checkpoint.save_state(run, state(update), {"update": update, "logs": [update * 10, 7], "best": None})


def states(run: RunFolder) -> list[int]:
    return sorted(int(path.name[6:18]) for path in run.state.iterdir())


def found(run: RunFolder) -> tuple[int, list[str]]:
    saved = checkpoint.newest_state(run, state(0))
    assert saved is not None
    update = saved.position["update"]
    np.testing.assert_array_equal(saved.state["weight"], state(update)["weight"])
    assert saved.state["key"] == state(update)["key"]
    assert saved.position == {"update": update, "logs": [update * 10, 7], "best": None}
    return update, saved.warnings


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def path_of(run: RunFolder, update: int) -> Path:
    return run.state / f"state-{update:012d}.safetensors"


def test_without_a_state_there_is_none(run: RunFolder) -> None:
    assert checkpoint.newest_state(run, state(0)) is None


def test_the_newest_two_are_kept(run: RunFolder) -> None:
    save(run, 9, 10, 100, 1000)
    assert states(run) == [100, 1000]
    assert found(run) == (1000, [])


def test_the_same_update_can_be_saved_again(run: RunFolder) -> None:
    save(run, 5, 10, 10)
    assert states(run) == [5, 10]


def test_a_damaged_newest_state_is_passed_over_and_told(run: RunFolder) -> None:
    save(run, 10, 20)
    damage(path_of(run, 20))
    update, warnings = found(run)
    assert update == 10
    assert len(warnings) == 1
    assert "state-000000000020.safetensors is damaged" in warnings[0]
    # the run goes on from 10: the damaged one must not stand before what it saves next
    save(run, 15)
    assert states(run) == [10, 15]
    assert found(run) == (15, [])


def test_no_whole_state_is_an_error_and_not_a_new_start(run: RunFolder) -> None:
    save(run, 10, 20)
    damage(path_of(run, 10))
    damage(path_of(run, 20))
    with pytest.raises(
        DamagedFile, match=r"no training state in .* can be used: .*20.safetensors is damaged"
    ):
        checkpoint.newest_state(run, state(0))


def test_a_state_of_other_shapes_is_named(run: RunFolder) -> None:
    save(run, 10)
    with pytest.raises(DamagedFile, match=r"'weight' as float32\[3\], not float32\[4\]"):
        checkpoint.newest_state(run, {**state(0), "weight": jnp.zeros(4)})


def test_swapped_and_foreign_states_are_found(run: RunFolder, tmp_path: Path) -> None:
    save(run, 10, 20)
    shutil.copy(path_of(run, 10), path_of(run, 20))
    update, warnings = found(run)
    assert update == 10
    assert "holds another update than its name says" in warnings[0]
    other = run_folder(tmp_path, "other")
    save(other, 30)
    shutil.copy(path_of(other, 30), path_of(run, 30))
    update, warnings = found(run)
    assert update == 10
    assert "belongs to another run" in warnings[0]


def test_weights_are_no_training_state(run: RunFolder) -> None:
    path = checkpoint.save_weights(run, "final_model", state(3), {"update": 3})
    shutil.copy(path, path_of(run, 3))
    with pytest.raises(DamagedFile, match="can be used"):
        checkpoint.newest_state(run, state(0))


def test_a_failure_while_saving_keeps_both_states(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    save(run, 10, 20)

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(CannotWrite, match=r"No space left on device; free some space"):
            save(run, 30)
    assert states(run) == [10, 20]
    assert found(run) == (20, [])


def test_left_overs_of_a_killed_save_are_removed(run: RunFolder) -> None:
    left = run.state / ".state-000000000007.safetensors.abc.partial"
    left.mkdir()
    (left / "half").write_bytes(b"x")
    save(run, 10)
    assert os.listdir(run.state) == ["state-000000000010.safetensors"]


def test_weights_say_what_they_are(run: RunFolder) -> None:
    path = checkpoint.save_weights(
        run, "checkpoint_ep100", state(1), {"algorithm": "qmix", "sizes": {"agents": 4}}
    )
    assert path == run.models / "checkpoint_ep100.safetensors"
    assert tensors.load_metadata(path) == {"kind": "weights", "algorithm": "qmix", "sizes": {"agents": 4}}


@hypothesis_settings(max_examples=30)
@given(episodes=st.sets(st.integers(0, 10**7), max_size=8), keep=st.integers(0, 9))
def test_retention(tmp_path_factory: pytest.TempPathFactory, episodes: set[int], keep: int) -> None:
    run = RunFolder(tmp_path_factory.mktemp("run"))
    run.models.mkdir()
    others = {
        "final_model.safetensors",
        "best_model_weights.safetensors",
        "checkpoint_ep.safetensors",
        "mine.txt",
    }
    for name in (*others, *(f"checkpoint_ep{episode}.safetensors" for episode in episodes)):
        (run.models / name).touch()
    checkpoint.retain(run, keep)
    kept = sorted(episodes, reverse=True)[: keep or None]
    assert set(os.listdir(run.models)) == others | {f"checkpoint_ep{episode}.safetensors" for episode in kept}


def test_states_take_at_most_the_bytes_they_may_but_the_newest_and_what_is_needed_stay(
    run: RunFolder,
) -> None:
    position = lambda update: {"update": update, "logs": [0, 0], "best": None}
    size = checkpoint.save_state(run, state(1), position(1)).stat().st_size
    for update in (2, 3, 4):
        checkpoint.save_state(run, state(update), position(update), keep=[1], wanted=[2])
    assert states(run) == [1, 2, 3, 4]
    checkpoint.save_state(run, state(5), position(5), keep=[1], wanted=[2], most=3.5 * size)
    assert states(run) == [1, 2, 5]  # the spare one goes first
    checkpoint.save_state(run, state(6), position(6), keep=[1], wanted=[2], most=2.5 * size)
    assert states(run) == [1, 6]
    checkpoint.save_state(run, state(7), position(7), keep=[1], most=1)
    assert states(run) == [1, 7]
