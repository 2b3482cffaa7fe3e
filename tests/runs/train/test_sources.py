"""Runs of a learner whose experience is stepped, recorded, or its own: logs, resumes and summaries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.files import csv_log, tensors
from qflock.runs import policy
from qflock.runs.train import feeds, footprint, programs, runner
from qflock.runs.train.program import RunState
from qflock.settings import config
from qflock.settings.config import Settings
from tests.marks import IN_CI

HERE = Path(__file__).parent
TOY, TEAMS = str(HERE / "toy.py"), str(HERE / "several_teams.py")
ECHO = str(HERE.parents[1] / "tiny.py") + ":Echo"
RUN = {
    "total_steps": 960,
    "log_interval": 64,
    "eval_interval": 320,
    "eval_episodes": 8,
    "final_episodes": 8,
    "state_interval": 0,
    "seeds": 2,
    "seed": 3,
}
SOURCES = [pytest.param("rollout", marks=IN_CI), "dataset", pytest.param("own", marks=IN_CI)]


def settings(folder: Path, algorithm: str = TOY, env: str = ECHO, **changes: Any) -> Settings:
    """Of a run in a folder."""
    return config.resolve(algorithm, overrides={**RUN, "env": env, "run_dir": folder, **changes})


def rows(run: Path, log: str = "training_log") -> dict[str, np.ndarray]:
    return csv_log.read(run / f"{log}.csv")


@pytest.mark.parametrize("source", SOURCES)
def test_a_run_that_goes_on_equals_one_that_never_stopped(source: str, tmp_path: Path) -> None:
    whole, short = tmp_path / "whole", tmp_path / "short"
    summary = runner.train(settings(whole, source=source), quiet=True)
    runner.train(settings(short, source=source, total_steps=320), quiet=True)
    runner.resume(short, total_steps=960, quiet=True)
    for log in ("training_log.csv", "evaluation.csv"):
        assert (whole / log).read_bytes() == (short / log).read_bytes()
    for name in ("final_model", "best_model_weights"):
        one, other = (tensors.load_arrays(run / "models" / f"{name}.safetensors") for run in (whole, short))
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])
    assert summary["execution"] == "decentralised"
    assert summary["over_seeds"]["return_mean"] > 3.0 > summary["references"]["random"]["return_mean"]
    logged = rows(whole)
    assert set(logged["seed"]) == {3, 4}
    assert len(rows(whole, "evaluation")["solved"]) == 2 * 4  # the final one as well
    assert "circuit_evaluations" not in summary  # the column is there for Own, but no circuit is


def test_recorded_sequences_are_learnt_from_and_are_no_part_of_the_state(tmp_path: Path) -> None:
    run = tmp_path / "run"
    runner.train(settings(run, source="dataset"), quiet=True)
    logged = rows(run)
    assert logged["env_step"][logged["seed"] == 3].tolist() == [64 * n for n in range(1, 16)]
    assert not logged["episode"].any()
    assert np.isnan(logged["episode_return"]).all()
    assert np.isnan(logged["solved"]).all()
    assert np.isfinite(logged["loss"]).all()
    state = tensors.load_arrays(sorted((run / "state").glob("*.safetensors"))[-1])
    assert sum(array.size for array in state.values()) < 100  # tables of 18 numbers, and keys


def test_a_dataset_may_count_updates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counting = {"unit": "updates", "total_steps": 6, "log_interval": 2, "eval_interval": 0}
    runner.train(settings(tmp_path / "run", source="dataset", **counting))
    assert rows(tmp_path / "run")["env_step"].tolist() == [2, 2, 4, 4, 6, 6]
    shown = capsys.readouterr().err
    assert "2 of 6 updates (33 %)" in shown
    made = programs.build(settings(tmp_path / "other", source="dataset", **counting))
    shapes = jax.eval_shape(made.init, np.zeros(2, np.uint32))
    assert footprint.of_seed(made, shapes).dataset > 0
    assert "execution decentralised" in shown


def test_draws_are_uniform_over_the_sequences() -> None:
    """Every recorded sequence is as likely, and each seed draws its own."""
    env = programs.build(settings(Path("unused"), source="dataset")).env
    made = programs.build(settings(Path("unused"), source="dataset", num_envs=3200)).learner
    rows = made.source.rows
    rows = rows._replace(actions=jnp.broadcast_to(jnp.arange(32)[:, None], rows.actions.shape))
    count = lambda state, rows, key: (state, {"drawn": jnp.bincount(rows.actions[0, :, 0], length=32)})
    learner = made._replace(source=made.source._replace(rows=rows), learn=count)
    feed = feeds.build(env, learner, "toy", False)
    drawn = lambda key: feed.update(RunState(0.0, (), key), feed.data)[1].metrics["drawn"]
    one, other = (np.asarray(drawn(jax.random.key(n))) for n in (0, 1))
    assert one.sum() == 3200
    assert (one != other).any()
    assert 31 < ((one - 100.0) ** 2 / 100).sum() + 25 < 90  # chi squared of 31 degrees of freedom


def test_a_learners_own_limit_gives_way_to_new_total_steps(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert runner.train(settings(run, source="own", n_updates=4), quiet=True)["env_steps"] < 200
    assert runner.resume(run, total_steps=640, quiet=True)["env_steps"] >= 640
    assert config.read_yaml(run / "configs" / "config.yaml").learner.n_updates == 0


@pytest.mark.parametrize("source", ["dataset", "own"])
def test_episodes_of_their_own_rows_need_copies(source: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="log_episodes is not for"):
        runner.train(settings(tmp_path / "run", source=source, log_episodes=True), quiet=True)
    assert not (tmp_path / "run").exists()


def test_hooks_are_opened_before_the_folder_and_closed_after_the_end(tmp_path: Path) -> None:
    notes, run = tmp_path / "notes", tmp_path / "run"
    made = settings(run, notes=str(notes), total_steps=320)
    assert runner.train(made, quiet=True)["chunks"] == len(rows(run)["seed"]) // 2
    assert notes.read_text().splitlines() == ["opened for toy.py on Echo", "start", "end of run", "closed"]
    notes.unlink()
    summary = runner.resume(run, total_steps=640, quiet=True)
    assert summary["chunks"] == len(rows(run)["seed"]) // 2
    opened, goes_on, *rest = notes.read_text().splitlines()
    assert opened == "opened for toy.py on Echo"
    assert goes_on.startswith("goes on from ")
    assert rest == ["end of run", "closed"]


def test_the_best_weights_are_kept_by_the_learners_merit(tmp_path: Path) -> None:
    run = tmp_path / "run"
    runner.train(settings(run, merit="length_mean"), quiet=True)
    kept = tensors.load_metadata(run / "models" / "best_model_weights.safetensors")
    assert kept["env_steps"][0] < 400  # every length is 4: the first evaluation is never beaten
    with pytest.raises(UserError, match=r"unknown column of an evaluation .* did you mean 'solved'"):
        runner.train(settings(tmp_path / "never", merit="solve"), quiet=True)


def test_every_team_has_columns(tmp_path: Path) -> None:
    run, env = tmp_path / "run", f"{HERE / 'toy.py'}:Rivals"
    summary = runner.train(settings(run, TEAMS, env), quiet=True)
    evaluated, logged = rows(run, "evaluation"), rows(run)
    assert (evaluated["team1_return_mean"][-2:] > evaluated["return_mean"][-2:]).all()
    ended = np.isfinite(logged["episode_return"])
    assert ended.any()
    assert (np.isfinite(logged["team1_episode_return"]) == ended).all()
    assert logged["team1_episode_return_undiscounted"][-1] > logged["episode_return_undiscounted"][-1]
    assert summary["over_seeds"]["return_mean"] <= 2.0 < summary["over_seeds"]["team1_return_mean"]
    runner.train(settings(tmp_path / "each", TEAMS, env, log_episodes=True), quiet=True)
    assert set(np.unique(2 * rows(tmp_path / "each")["team1_episode_return_undiscounted"])) <= set(range(9))


def test_several_teams_are_refused_for_a_learner_of_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"toy\.py trains one team; rivals has 2"):
        runner.train(settings(tmp_path / "run", env=f"{HERE / 'toy.py'}:Rivals"), quiet=True)


def test_a_box_of_actions(tmp_path: Path) -> None:
    run = tmp_path / "run"
    summary = runner.train(settings(run, env=f"{HERE / 'toy.py'}:Aim", final_episodes=2048), quiet=True)
    # 3 (2 - E|u - 1/2| - E|u + 1/2|), u uniform in [-1, 1]: both are 5/8
    assert summary["references"]["random"]["return_mean"] == pytest.approx(2.25, abs=0.1)
    assert summary["per_seed"][0]["return_std"] < 1e-5  # greedy: the same numbers at every step
    about = tensors.load_metadata(run / "models" / "final_model.safetensors")
    assert about["sizes"]["actions"]["size"] == 2
    acting = policy.load_policy(run)
    assert acting.act(np.ones((1, 1))).shape == (1, 2)
    assert json.loads((run / "summary.json").read_text())["execution"] == "decentralised"


@pytest.mark.parametrize("source", [pytest.param("rollout", marks=IN_CI), "dataset"])
def test_environments_in_workers(source: str, tmp_path: Path) -> None:
    pytest.importorskip("gymnasium")
    run, each = tmp_path / "run", source == "rollout"
    walk = {"env": "gymnasium:CartPole-v1", "env.workers": "serial", "total_steps": 256, "log_interval": 32}
    made = settings(run, source=source, log_episodes=each, eval_interval=32, **walk)
    summary = runner.train(made, quiet=True)
    assert set(summary["references"]) == {"random"}
    assert len(summary["per_seed"]) == 2
    assert summary["env_steps"] >= 256
    assert set(rows(run)["seed"]) == {3, 4}
    assert len(rows(run, "evaluation")["return_mean"]) >= 2
    assert runner.resume(run, total_steps=320, quiet=True)["env_steps"] >= 320


def test_what_a_host_environment_cannot(tmp_path: Path) -> None:
    pytest.importorskip("gymnasium")
    walk = {"env": "gymnasium:CartPole-v1", "env.workers": "serial"}
    with pytest.raises(UserError, match=r"plays by itself, inside one compiled program; .* cannot"):
        programs.build(settings(tmp_path, source="own", **walk))
    with pytest.raises(UserError, match="uses one device and one process; leave devices at 1"):
        programs.build(settings(tmp_path, source="dataset", devices=2, **walk))


SHARED = """
import sys
from pathlib import Path
from tests.runs.train.test_sources import runner, settings
for devices, seeds in ((1, 2), (2, 2), (1, 1), (2, 1)):
    folder = Path(sys.argv[1]) / f"{seeds} on {devices}"
    shared = {"source": "dataset", "total_steps": 192, "devices": devices, "seeds": seeds}
    runner.train(settings(folder, **shared), quiet=True)
"""


@pytest.mark.slow
@pytest.mark.ci_slow
def test_devices_share_a_dataset(tmp_path: Path) -> None:
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-c", SHARED, str(tmp_path)]
    subprocess.run(command, env={**os.environ, **flags}, check=True, cwd=HERE.parents[2])
    for seeds in (2, 1):
        one, two = (
            tensors.load_arrays(tmp_path / f"{seeds} on {devices}" / "models" / "final_model.safetensors")
            for devices in (1, 2)
        )
        for name in one:
            np.testing.assert_allclose(one[name], two[name], rtol=1e-4, atol=1e-5)
