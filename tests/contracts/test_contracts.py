"""The contracts carry what comes next: a Box, a joint policy, a dataset, several teams.

Each learner is under 100 lines and goes through whole runs: logs, evaluation, weights, resuming.
"""

import csv
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qflock
from qflock.core import Box, Spec
from qflock.core.errors import UserError
from qflock.playing import execution
from tests.contracts import games, gaussian, rivals
from tests.marks import IN_CI
from tests.tiny import Echo

HERE = Path(__file__).parent
QUIET = {"quiet": True, "eval_interval": 0, "save_interval": 0, "final_episodes": 256}


def path_of(name: str) -> str:
    return str(HERE / f"{name}.py")


@pytest.mark.parametrize("name", ["gaussian", "in_turn", "cloning", "rivals"])
def test_each_learner_is_under_a_hundred_lines(name):
    assert len((HERE / f"{name}.py").read_text().splitlines()) < 100


@pytest.mark.parametrize("head", ["gaussian", pytest.param("beta", marks=IN_CI)])
def test_a_policy_gradient_learns_continuous_actions(head, tmp_path):
    env = f"{path_of('games')}:Quadratic"
    settings = {"head": head, "total_steps": 120_000, "log_interval": 20_000, **QUIET}
    summary = qflock.train(path_of("gaussian"), env, run_dir=tmp_path / "run", **settings)
    assert summary["execution"] == "decentralised"
    score, random = (x["return_mean"] for x in (summary["over_seeds"], summary["references"]["random"]))
    assert random < -3.0  # two agents, numbers of [-2, 3] against wishes of [-1, 2]: -2 * (25/12 + 9/12)
    assert score > -0.1
    policy = qflock.load(tmp_path / "run")
    wanted = np.array([[0.5], [-0.5]])
    np.testing.assert_allclose(policy.act(wanted), wanted, atol=0.4)


def test_a_joint_policy_finds_what_independent_ones_miss(tmp_path):
    settings = {"total_steps": 60_000, "log_interval": 10_000, **QUIET}
    summary = qflock.train(path_of("in_turn"), "matrix_game", run_dir=tmp_path / "run", **settings)
    assert summary["execution"] == "centralised"
    assert summary["over_seeds"]["return_mean"] == 8.0  # the optimum
    with pytest.raises(UserError, match="cannot be exported"):
        qflock.export(tmp_path / "run", "numpy")


def test_a_learner_from_recorded_rows_trains_evaluates_and_resumes(tmp_path):
    env = f"{HERE.parent / 'tiny.py'}:Echo"
    settings = {"log_interval": 2_560, **QUIET}
    once = qflock.train(path_of("cloning"), env, run_dir=tmp_path / "once", total_steps=12_800, **settings)
    assert once["over_seeds"]["return_mean"] == pytest.approx(4.0)  # what the recorded player earns
    rows = list(csv.DictReader((tmp_path / "once" / "training_log.csv").open()))
    assert [int(row["env_step"]) for row in rows] == [2_560 * n for n in range(1, 6)]
    assert all(row["episode"] == "0" and row["episode_return"] == "" for row in rows)
    qflock.train(path_of("cloning"), env, run_dir=tmp_path / "part", total_steps=5_120, **settings)
    qflock.resume(tmp_path / "part", total_steps=12_800, quiet=True)
    bits = [(tmp_path / name / "training_log.csv").read_bytes() for name in ("once", "part")]
    assert bits[0] == bits[1]


def test_two_teams_with_opposite_rewards(tmp_path):
    env = f"{path_of('games')}:Rivals"
    settings = {"total_steps": 4_096, "log_interval": 1_024, **QUIET}
    summary = qflock.train(path_of("rivals"), env, run_dir=tmp_path / "run", **settings)
    scores = summary["over_seeds"]
    assert scores["team1_return_mean"] == -scores["return_mean"]
    random = summary["references"]["random"]
    assert random["return_mean"] == pytest.approx(0.0, abs=0.2)
    assert random["team1_discounted_mean"] == -random["discounted_mean"]
    with pytest.raises(UserError, match=r"qmix .* one team"):
        qflock.train("qmix", env, run_dir=tmp_path / "other", **settings)


def test_each_team_climbs_its_own_reward():
    """Agent 1 mostly chooses 1: agent 0 is drawn to 1, and agent 1, whose rival does too, away."""
    learner = rivals.build(rivals.Config(num_envs=4096), games.Rivals())
    start = rivals.TrainState(jnp.array([[0.0, 1.0], [0.0, 1.0]]))
    from qflock.playing import rollout

    env = games.Rivals()
    flow = rollout.start(env, learner.policy.start(), jax.random.key(0), 4096)
    explore = lambda *x: learner.source.explore(start, *x)
    rows = rollout.collect(env, explore, learner.policy.start(), flow, jax.random.key(1), 2)[1]
    change = learner.learn(start, rows, jax.random.key(2))[0].weights - start.weights
    assert change[0, 1] > 0 > change[0, 0]
    assert change[1, 0] > 0 > change[1, 1]


def test_decentralised_is_so_by_construction():
    env = games.Quadratic()
    policy = gaussian.build(gaussian.Config(), env).policy
    assert execution.kind(policy) == "decentralised"
    tampered = policy._replace(act=lambda *x: policy.act(*x))
    assert execution.kind(tampered) == "drawn together"
    assert execution.kind(policy._replace(alone=None)) == "centralised"


def test_a_box_is_refused_by_name_where_choices_are_needed(tmp_path):
    env = f"{path_of('games')}:Quadratic"
    for name in ("qmix", "qio", "qmarl", "eqmarl"):
        with pytest.raises(UserError, match=r"quadratic has continuous actions, a Box of 1 numbers.*ippo"):
            qflock.train(name, env, run_dir=tmp_path / name, total_steps=100, **QUIET)
        assert not (tmp_path / name).exists()


def test_a_spec_says_its_actions():
    assert Echo().spec.actions == 3
    assert Echo().spec.action.names == ("a", "b", "c")
    assert Spec("x", 1, actions=4, action_names=("n", "e", "s", "w")).action_names == ("n", "e", "s", "w")
    assert Spec("x", 1, Box(2, [-1, -1], [1, 1])).masked == 0
    with pytest.raises(TypeError, match="a Spec needs an action"):
        Spec("x", 1)
    with pytest.raises(UserError, match="must be finite"):
        Box(1, [0.0], [float("inf")])
    with pytest.raises(UserError, match="must rise"):
        Box(1, [1.0], [1.0])
    with pytest.raises(UserError, match="2 low and 1 high bounds"):
        Box(2, [0.0, 0.0], [1.0])
    with pytest.raises(UserError, match="teams of x"):
        Spec("x", 2, 3, teams=(0, 2))
