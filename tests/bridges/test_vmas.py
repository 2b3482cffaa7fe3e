"""VMAS's scenarios, where VMAS is installed; and what is said where it is not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import qflock
from qflock.bridges.host.workers import Workers
from qflock.core.errors import UserError
from qflock.core.spec import Box, Choices
from qflock.playing.conformance import findings
from qflock.runs.train import runner
from qflock.settings import config

needs_vmas = pytest.mark.skipif(importlib.util.find_spec("vmas") is None, reason="needs vmas")


def test_vmas_is_said_to_be_missing_where_it_is() -> None:
    if importlib.util.find_spec("vmas") is None:
        with pytest.raises(UserError, match=r"vmas cannot be imported .*: pip install vmas$"):
            qflock.make("vmas:balance")


@needs_vmas
def test_a_scenario_keeps_its_promises() -> None:
    env = qflock.make("vmas:balance", n_agents=2, max_steps=12, workers="serial")
    assert (env.spec.agents, env.spec.horizon) == (2, 12)
    assert env.spec.action == Box(2, (-1.0,) * 2, (1.0,) * 2)
    assert findings(env) == []
    discrete = qflock.make("vmas:transport", continuous_actions=False, max_steps=5, workers="serial")
    assert isinstance(discrete.spec.action, Choices)
    assert findings(discrete) == []


@needs_vmas
def test_names_and_settings_that_are_not_there() -> None:
    with pytest.raises(UserError, match="unknown VMAS scenario 'balanse'; did you mean 'balance'"):
        qflock.make("vmas:balanse")
    with pytest.raises(UserError, match="n_agents"):
        qflock.make("vmas:balance", n_agent=2)


@needs_vmas
def test_a_batch_plays_as_single_copies_do() -> None:
    """The same seeds and actions, in a batch of four and alone; the physics round a little otherwise."""
    env = qflock.make("vmas:navigation", n_agents=2, max_steps=4, workers="serial")
    draw, streams = np.random.default_rng(0), np.arange(4)
    actions = draw.uniform(-1, 1, (10, 4, 2, 2)).astype(np.float32)
    with Workers(env, 4) as workers:
        together = [workers.start(streams), *(workers.tick(joint) for joint in actions)]
    for at in streams:
        with Workers(env, 1) as worker:
            alone = [worker.start(streams[at : at + 1]), *(worker.tick(x[at : at + 1]) for x in actions)]
        for mine, theirs in zip(together, alone, strict=True):
            np.testing.assert_allclose(mine.observation[at], theirs.observation[0], atol=1e-5)
            np.testing.assert_allclose(mine.reward[at], theirs.reward[0], atol=1e-5)
            assert mine.truncated[at] == theirs.truncated[0]


@pytest.mark.slow
@needs_vmas
def test_a_run_in_worker_processes(tmp_path: Path) -> None:
    """It is trained, resumed and scored; MASAC, whose replay holds its actions."""
    values = {"num_envs": 8, "num_steps": 4, "total_steps": 320, "log_interval": 80, "final_episodes": 8}
    values |= {"hidden": (8,), "min_buffer_size": 32, "buffer_capacity": 128, "batch_size": 16}
    values |= {"env": "vmas:navigation", "env.n_agents": 2, "env.max_steps": 10, "env.worker_count": 2}
    run = Path(
        runner.train(config.resolve("masac", overrides={**values, "run_dir": tmp_path / "run"}), quiet=True)[
            "run"
        ]
    )
    assert runner.resume(run, total_steps=640)["env_steps"] >= 640
    assert set(qflock.evaluate(run, episodes=3)["references"]) == {"random"}
