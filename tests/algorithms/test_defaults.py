"""What a learner does without a preset and without a setting: the first thing that its users see."""

import pytest

from qflock.algorithms import pqn_vdn, qmix
from qflock.core.errors import UserError
from qflock.runs.train import runner
from qflock.settings import config
from tests.marks import IN_CI

QUIET = {"eval_interval": 0, "save_interval": 0, "device": "cpu"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("qmix", marks=IN_CI),
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("qplex", "wqmix")),
    ],
)
def test_the_two_step_game_is_solved_by_defaults_in_50_000_steps(name, tmp_path):
    """8, not the safe 7: the mixer's reason to be (Rashid et al. 2018)."""
    wanted = {"env": "two_step", "total_steps": 50_000, "seeds": 5, "run_dir": tmp_path / "run", **QUIET}
    summary = runner.train(config.resolve(name, overrides=wanted), quiet=True)
    assert [row["return_mean"] for row in summary["per_seed"]] == [8.0] * 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pqn_iql", "pqn_vdn"])
def test_learners_without_replay_or_memory_end_above_random(name, tmp_path):
    """Boards that a memoryless team never solves pay -0.5 a food and step: squared, they drown all else."""
    wanted = {
        "env": "gridworld25",
        "network": "mlp",
        "last_action": False,
        "total_steps": 300_000,
        "seeds": 5,
    }
    settings = config.from_mapping({"algorithm": name, **wanted, **QUIET})  # no preset
    settings = config.resolve(name, overrides={**config.to_mapping(settings), "run_dir": tmp_path / "run"})
    summary = runner.train(settings, quiet=True)
    random = summary["references"]["random"]["discounted_mean"]
    assert min(row["discounted_mean"] for row in summary["per_seed"]) > random


@pytest.mark.parametrize(("num_envs", "num_steps", "steps"), [(128, 8, 8), (4, 8, 1), (16, 12, 2), (1, 8, 1)])
def test_gradient_steps_fit_any_number_of_copies(num_envs, num_steps, steps):
    config = qmix.Config(num_envs=num_envs, num_steps=num_steps, row_length=4)
    assert config.gradient_steps == steps


@pytest.mark.parametrize(
    ("num_envs", "num_steps", "steps"), [(128, 32, 16), (32, 12, 4), (2, 4, 2), (6, 8, 3)]
)
def test_a_rollout_is_four_minibatches_or_more_small_ones(num_envs, num_steps, steps):
    assert pqn_vdn.Config(num_envs=num_envs, num_steps=num_steps).gradient_steps == steps


def test_a_pace_that_is_asked_for_divides_the_rows():
    assert qmix.Config(train_frequency=64).gradient_steps == 16
    with pytest.raises(UserError, match="train_frequency 100 does not divide num_envs x num_steps = 1024"):
        qmix.Config(train_frequency=100)
