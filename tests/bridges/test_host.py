"""PettingZoo and Gymnasium: what a copy shows, how workers end, and a run on the host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium")
pytest.importorskip("pettingzoo")

import gymnasium

import qflock
from qflock.bridges.host.gymnasium_copy import Copy as GymnasiumCopy
from qflock.bridges.host.pettingzoo_copy import Copy as PettingZooCopy
from qflock.bridges.host.workers import Workers
from qflock.core.errors import UserError
from qflock.core.steps import TimeStep
from qflock.playing import host_rollout
from qflock.runs.train import runner
from qflock.settings import config

FAKES = "tests.bridges.fakes"
WALK = f"{FAKES}:Walk"
TINY = {
    "num_envs": 4,
    "num_steps": 4,
    "row_length": 4,
    "hidden": (8,),
    "buffer_capacity": 512,
    "min_buffer_size": 32,
    "batch_size": 16,
    "train_frequency": 16,
    "log_interval": 64,
    "eval_episodes": 6,
    "final_episodes": 6,
    "state_interval": 0,
}


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Any:
    gymnasium.register("Walk-v0", entry_point=WALK, max_episode_steps=6)
    yield
    gymnasium.registry.pop("Walk-v0")


def shown(copy: Any, actions: list[list[int]], seed: int = 0) -> list[TimeStep]:
    """The time steps of a row of joint actions, the reset's first."""
    rows = [copy.reset(seed), *(copy.step(np.array(joint)) for joint in actions)]
    return [TimeStep(*row, measures={}) for row in rows]


def test_agents_of_different_sizes_are_padded_and_leave() -> None:
    copy = PettingZooCopy(FAKES, {"max_cycles": 4, "leaves": 2, "state": "own"})
    assert (copy.agents, copy.action.count, copy.observation, copy.state) == (2, 4, 3, 5)
    rows = shown(copy, [[3, 1], [2, 1], [1, 0], [0, 0]])
    assert rows[0].legal.tolist() == [[True] * 4, [False, True, False, False]]
    np.testing.assert_allclose(rows[1].observation, [[0.1, 0.1, 0.1], [0, 1, 0]], rtol=1e-6)
    assert rows[1].reward.tolist() == [3, 1]
    assert rows[2].active.tolist() == [True, False]
    assert rows[3].reward.tolist() == [1, 0]
    assert rows[3].legal.tolist() == [[True] * 4, [True, False, False, False]]
    assert [bool(r.truncated) for r in rows] == [False] * 4 + [True]
    assert not any(r.terminated for r in rows)
    np.testing.assert_allclose(rows[4].observation[0], 0.4, rtol=1e-6)  # the last view is kept


def test_an_episode_that_all_agents_leave_is_terminated() -> None:
    copy = PettingZooCopy(FAKES, {"max_cycles": 3, "cut": False, "state": "own"})
    rows = shown(copy, [[0, 1]] * 3)
    assert [bool(r.terminated) for r in rows] == [False, False, False, True]
    assert not any(r.truncated for r in rows)


def test_gymnasium_tells_the_task_from_the_clock_and_keeps_the_last_view() -> None:
    clock = shown(GymnasiumCopy("Walk-v0", {"max_steps": 3}), [[0], [1], [2]], seed=5)
    assert clock[-1].truncated
    assert not clock[-1].terminated
    assert clock[-1].observation.tolist() == [[5, 3]]
    assert [r.reward.item() for r in clock] == [0, 1, 2, 3]  # its first action has number 1
    assert clock[0].legal.tolist() == [[True, True, False]]
    task = shown(GymnasiumCopy("Walk-v0", {"max_steps": 3, "ends": 3}), [[0]] * 3)
    assert task[-1].terminated
    assert not task[-1].truncated


@pytest.mark.parametrize("workers", ["serial", "threads", "processes"])
def test_workers_show_the_same_whatever_they_are(workers: str) -> None:
    env = qflock.make("gymnasium:CartPole-v1", max_steps=3, workers=workers, worker_count=2)
    with Workers(env, 3) as many:
        rows = [many.start(np.array([1, 2, 3]))]
        rows += [many.tick(np.array([[0], [1], [0]])) for _ in range(4)]
        processes = [getattr(w, "_process", None) for w in many._workers]
    assert rows[0].observation.shape == (3, 1, 4)
    assert [r.truncated.tolist() for r in rows] == [[False] * 3] * 3 + [[True] * 3, [False] * 3]
    same = qflock.make("gymnasium:CartPole-v1", max_steps=3, workers="serial")
    with Workers(same, 3) as one:
        wanted = [one.start(np.array([1, 2, 3]))]
        wanted += [one.tick(np.array([[0], [1], [0]])) for _ in range(4)]
    for a, b in zip(rows, wanted, strict=True):
        np.testing.assert_array_equal(a.observation, b.observation)
    assert all(p is None or p.poll() == 0 for p in processes), "processes have ended by themselves"


def hosted(target: str, **settings: Any) -> Any:
    return qflock.make(f"gymnasium:{target}", **settings)


@pytest.mark.parametrize("workers", ["serial", "threads"])
def test_what_an_environment_raises_is_one_line(workers: str) -> None:
    env = hosted("Walk-v0", fails_at=2, workers=workers)
    with Workers(env, 2) as many:
        many.start(np.array([1, 2]))
        many.tick(np.ones((2, 1), int))
        with pytest.raises(UserError, match="ZeroDivisionError: the floor is gone"):
            many.tick(np.ones((2, 1), int))


def test_a_flow_counts_and_keeps_every_row() -> None:
    env = hosted("Walk-v0", workers="serial", max_steps=3)
    flow = host_rollout.Flow(Workers(env, 2), env.spec, 1, 2, np.array([1, 2]))
    act = lambda memory, first, now, tick: (memory, np.full((1, 2, 1), tick % 2), ())
    _, rows, tally, episodes = flow.collect(act, (), 6)
    flow.close()
    steps = rows.timestep.observation[0, :, 0, 0, 1].tolist()
    assert steps == [0, 1, 2, 3, 0, 1, 2]
    assert rows.first[0, :, 0].tolist() == [True, False, False, False, True, False, False]
    assert rows.timestep.truncated[0, :, 0].tolist() == [False, False, False, True, False, False, False]
    assert (tally.env_steps, tally.episodes, tally.length) == ([10], [2], [6])
    assert tally.episode_return.tolist() == [8.0]  # 1 + 2 + 1 for each of two copies
    assert tally.discounted[0] == pytest.approx(2 * (1 + 2 * 0.99 + 0.99**2))
    assert episodes.length[0, 2].tolist() == [3, 3]


def test_an_evaluation_plays_each_episode_once_and_whole() -> None:
    import jax

    env = hosted("Walk-v0", workers="serial", max_steps=5)
    act = lambda memory, first, now, place: (memory, np.zeros((len(first), 1), int))
    with Workers(env, 32) as workers:
        scores = host_rollout.play(workers, env.spec, act, lambda copies: (), jax.random.key(0), 40)
    assert scores.length.tolist() == [5] * 40
    assert scores.episode_return.tolist() == [5.0] * 40


def settings(folder: Path, **changes: Any) -> Any:
    values = {"env": "gymnasium:CartPole-v1", "env.workers": "serial", "run_dir": folder, **TINY, **changes}
    return config.resolve("qmix", overrides=values)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_run_logs_evaluates_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = runner.train(settings(tmp_path / "run", total_steps=200, eval_interval=100), quiet=True)
    run = Path(summary["run"])
    assert {"random"} == set(summary["references"])
    assert summary["per_seed"][0]["episodes"] == 6
    log = (run / "training_log.csv").read_text().splitlines()
    assert len(log) >= 4
    assert (run / "models" / "final_model.safetensors").is_file()
    again = runner.resume(run, total_steps=300)
    assert again["env_steps"] >= 300
    assert "resuming is not exact" in "".join(capsys.readouterr())
    scored = qflock.evaluate(run, episodes=3)
    assert set(scored["references"]) == {"random"}
    assert qflock.load(run).act(np.zeros((1, 4), np.float32)).shape == (1,)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_seeds_side_by_side_and_rows_for_episodes(tmp_path: Path) -> None:
    summary = runner.train(
        settings(tmp_path / "run", total_steps=120, eval_interval=0, seeds=2, log_episodes=True), quiet=True
    )
    rows = (Path(summary["run"]) / "training_log.csv").read_text().splitlines()
    assert len(summary["per_seed"]) == 2
    assert len(rows) > 5


@pytest.mark.slow
@pytest.mark.ci_slow
def test_ctrl_c_saves_and_leaves_no_process(tmp_path: Path) -> None:
    """A run in a process of its own, with worker processes, is told to stop in the middle."""
    run = tmp_path / "run"
    options = {k: v for k, v in TINY.items() if k != "hidden"}
    words = [w for name, value in options.items() for w in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "qflock", "train", "qmix", "--env", "gymnasium:CartPole-v1", *words]
    command += [
        "--hidden",
        "8",
        "--env.worker_count",
        "2",
        "--run_dir",
        str(run),
        "--total_steps",
        "100000000",
    ]
    process = subprocess.Popen(
        [*command, "--quiet"], stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ}
    )
    log = run / "training_log.csv"
    try:
        while not (log.is_file() and log.read_text().count("\n") > 2):
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.2)
        workers = children(process.pid)
        assert len(workers) == 2
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "the state is saved" in said
    assert list((run / "state").glob("*.safetensors"))
    assert not [pid for pid in workers if alive(pid)]
    assert json.loads((run / "configs" / "hparams.json").read_text())["settings"]["env"]["worker_count"] == 2


def children(pid: int) -> list[int]:
    """Process ids of a process's children (Linux)."""
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    if not listing.is_file():
        pytest.skip("the system does not list children")
    return [int(word) for word in listing.read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_that_dies_is_one_line() -> None:
    env = qflock.make("gymnasium:CartPole-v1", worker_count=1)
    with Workers(env, 1) as many:
        many.start(np.array([1]))
        many._workers[0]._process.kill()
        many._workers[0]._process.wait()
        with pytest.raises(UserError, match="has ended by itself"):
            many.tick(np.zeros((1, 1), int))


def test_refusals() -> None:
    with pytest.raises(UserError, match="is its package installed"):
        qflock.make("pettingzoo:nowhere.land_v0")
    with pytest.raises(UserError, match="module without parallel_env"):
        qflock.make("pettingzoo:json")
    with pytest.raises(UserError, match="worker_count is -1"):
        qflock.make("gymnasium:CartPole-v1", worker_count=-1)
    with pytest.raises(UserError, match="CartPol"):
        qflock.make("gymnasium:CartPol-v1")
    env = qflock.make("gymnasium:CartPole-v1")
    with pytest.raises(UserError, match="no pure function"):
        env.step(None, None, None)
