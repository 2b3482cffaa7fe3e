"""The library from Python, from training to acting, on a small board."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import qflock
from qflock.core.errors import UserError
from qflock.files import csv_log, tensors

SMALL = {
    "seeds": 2,
    "total_steps": 4_000,
    "log_interval": 1_000,
    "eval_interval": 2_000,
    "eval_episodes": 8,
    "final_episodes": 16,
    "num_envs": 16,
    "num_steps": 8,
    "hidden": (16,),
    "buffer_capacity": 4096,
    "min_buffer_size": 128,
    "batch_size": 64,
    "train_frequency": 128,
    "env.grid_size": 5,
    "env.max_steps": 20,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api") / "run"
    return qflock.train("qmix", "gridworld25", run_dir=folder, quiet=True, **SMALL)


def test_a_run_leaves_what_it_promises(trained):
    run = Path(trained["run"])
    for name in ("configs/hparams.json", "configs/config.yaml", "training_log.csv", "evaluation.csv"):
        assert (run / name).is_file()
    for name in ("final_model", "best_model_weights"):
        assert (run / "models" / f"{name}.safetensors").is_file()
    assert Image.open(run / "training_plots.png").size[0] > 1000
    assert Image.open(run / "animation.gif").n_frames > 1
    assert json.loads((run / "summary.json").read_text())["over_seeds"] == trained["over_seeds"]
    columns = list(csv_log.read(run / "training_log.csv"))
    assert columns[:10] == [
        "seed",
        "env_step",
        "episode",
        "episode_return",
        "episode_return_undiscounted",
        "episode_length",
        "epsilon",
        "loss",
        "td_error",
        "q_value",
    ]
    evaluated = list(csv_log.read(run / "evaluation.csv"))
    assert evaluated[:9] == [
        "seed",
        "env_step",
        "episodes",
        "return_mean",
        "return_std",
        "return_min",
        "return_max",
        "discounted_mean",
        "length_mean",
    ]
    assert "solved" in evaluated


def test_scores_stand_beside_the_references(trained):
    assert list(trained["references"]) == ["oracle", "greedy_neighbour", "greedy", "random"]
    assert (
        trained["references"]["oracle"]["discounted_mean"]
        > trained["references"]["random"]["discounted_mean"]
    )
    assert len(trained["per_seed"]) == 2
    assert trained["over_seeds"]["episodes"] == 32


@pytest.mark.slow
@pytest.mark.ci_slow
def test_evaluating_again_gives_the_same_scores(trained):
    again = qflock.evaluate(trained["run"], episodes=16)
    assert again["per_seed"] == trained["per_seed"]
    assert again["references"] == trained["references"]
    larger = qflock.evaluate(trained["run"], episodes=4, environment={"grid_size": 7})
    assert larger["per_seed"] != again["per_seed"]
    sampled = qflock.evaluate(trained["run"], episodes=16, sample=True)
    assert sampled["mode"] == "sample"


def test_evaluation_reads_nothing_but_the_policy(trained, monkeypatch):
    """Decentralised execution: neither mixer nor critic is even loaded."""
    asked = []
    real = tensors._read
    monkeypatch.setattr(
        tensors, "_read", lambda path, wanted=None: asked.append(wanted) or real(path, wanted)
    )
    qflock.evaluate(trained["run"], episodes=4)
    assert len(asked) == 1
    assert asked[0]
    assert all(name.startswith("policy.") for name in asked[0])


def test_a_loaded_policy_acts_as_the_run_does(trained):
    policy = qflock.load(trained["run"], seed=1)
    env = qflock.make("gridworld25", grid_size=5, max_steps=20)
    _, now = env.place([[0, 0], [4, 0], [0, 4], [4, 4]], [[1, 1], [3, 1], [1, 3], [3, 3]])
    actions = policy.act(np.asarray(now.observation))
    assert actions.shape == (4,)
    assert set(actions.tolist()) <= set(range(6))
    np.testing.assert_array_equal(actions, policy.act(np.asarray(now.observation)))
    changed = np.asarray(now.observation).copy()
    changed[1:] = 3  # what the others see does not reach agent 0
    assert policy.act(changed)[0] == actions[0]
    only = np.zeros((4, 6), bool)
    only[:, 2] = True
    np.testing.assert_array_equal(policy.act(np.asarray(now.observation), only), [2, 2, 2, 2])


def test_mistakes_are_told_in_one_line(trained):
    with pytest.raises(UserError, match=r"observations have shape \(3, 18\)"):
        qflock.load(trained["run"]).act(np.zeros((3, 18)))
    with pytest.raises(UserError, match="the run has no seed 9"):
        qflock.load(trained["run"], seed=9)
    with pytest.raises(UserError, match="did you mean 'final_model'"):
        qflock.evaluate(trained["run"], checkpoint="final_modl")
    with pytest.raises(UserError, match=r"did you mean 'env\.grid_size'"):
        qflock.evaluate(trained["run"], environment={"gridsize": 5})
    with pytest.raises(UserError, match="did you mean 'lr'"):
        qflock.train("qmix", "gridworld25", lrr=1)
