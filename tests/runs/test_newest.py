"""A run that still trains can be evaluated and watched: its newest state, and it is said of which step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.evidence.replay import show as showing
from qflock.files import tensors
from qflock.runs import checkpoint, evaluation, newest, policy
from qflock.runs.folder import RunFolder, open_run
from qflock.runs.train import runner
from qflock.settings import config

SMALL: dict[str, Any] = {"num_envs": 4, "num_steps": 8, "hidden": (8,), "buffer_capacity": 64, "seeds": 2}
SMALL |= {"batch_size": 8, "min_buffer_size": 8, "train_frequency": 32, "mixer_embed": 4, "mixer_hyper": 4}
SMALL |= {
    "total_steps": 320,
    "log_interval": 160,
    "final_episodes": 4,
    "eval_interval": 0,
    "state_interval": 0,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    runner.train(config.resolve("qmix", overrides={"env": "two_step", "run_dir": path, **SMALL}), quiet=True)
    return path


@pytest.fixture
def training(finished: Path, tmp_path: Path) -> RunFolder:
    """The run as it was before it ended: its states, and no final weights."""
    import shutil

    shutil.copytree(finished, tmp_path / "run")
    run = open_run(tmp_path / "run")
    run.final_model.unlink()
    run.summary.unlink()
    return run


def same(one: Any, other: Any) -> bool:
    leaves = [jax.tree.leaves(tree) for tree in (one, other)]
    return len(leaves[0]) == len(leaves[1]) > 0 and all(map(np.array_equal, *leaves))


def test_the_newest_of_a_finished_run_are_its_final_weights(finished: Path) -> None:
    (first, *others) = newest.weights(open_run(finished))
    assert (first.name, first.words, first.env_steps) == ("final", "final weights", 320)
    assert {one.name for one in others} == {"state"}


def test_a_state_gives_the_policy_and_the_mixer_that_the_final_weights_have(
    finished: Path, training: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[str] = []
    load = tensors.load
    monkeypatch.setattr(
        tensors, "load", lambda path, like, **how: (wanted.extend(like), load(path, like, **how))[1]
    )
    found = policy.load(training.path, "newest")
    assert not [name for name in wanted if "replay" in name]  # gigabytes that nobody asked for
    final = policy.load(finished)
    assert found.weights.words == "newest state, of step 320"
    assert found.seeds == final.seeds == [0, 1]
    assert same(found.parameters, final.parameters)
    assert same(found.weights.read(found.learner, "training"), final.weights.read(final.learner, "training"))


def test_a_state_that_is_gone_by_now_is_passed_over(training: RunFolder) -> None:
    found = newest.weights(training)
    first, second = (one.env_steps for one in found[:2])
    assert first == 320 > second
    (training.path / found[0].file).unlink()
    learner = policy.load(training.path, "newest").learner
    assert newest.read(found, learner, "policy")[0].env_steps == second


def test_later_checkpoints_go_before_older_states_and_the_best_weights_are_not_the_newest(
    training: RunFolder,
) -> None:
    for name, step in (("checkpoint_ep9", 400), ("best_model_weights", 500)):
        checkpoint.save_weights(
            training, name, {"x": np.ones(1)}, {"seeds": [0, 1], "env_steps": [step, step + 5]}
        )
    assert [one.words for one in newest.weights(training)][:2] == [
        "checkpoint_ep9 weights, of step 400",
        "newest state, of step 320",
    ]


def test_scores_say_which_step_they_are_of(finished: Path, training: RunFolder) -> None:
    now = evaluation.evaluate_run(training.path, episodes=8)
    assert (now["checkpoint"], now["env_steps"]) == ("state", 320)
    then = evaluation.evaluate_run(finished, episodes=8)
    assert (then["checkpoint"], then["env_steps"]) == ("final", 320)
    assert now["over_seeds"] == then["over_seeds"]


def test_what_is_shown_says_which_step_it_is_of(
    training: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["watch", str(training.path), "-o", str(tmp_path / "play.html")]) == 0
    out, err = capsys.readouterr()
    assert "newest state, of step 320" in err
    assert out == f"wrote {tmp_path / 'play.html'}\n"
    with pytest.warns(UserWarning, match="newest state"):
        assert "newest state, of step 320, greedy play" in showing.episodes(training.path).about


def test_a_run_without_any_says_what_to_do(training: RunFolder) -> None:
    for path in training.state.iterdir():
        path.unlink()
    with pytest.raises(
        UserError, match="has no weights yet; if nothing trains it, go on with: qflock resume "
    ):
        newest.weights(training)
    with pytest.raises(UserError, match="has no weights yet"):
        newest.weights(training, "final")
