"""The example of a third-party learner: it runs, and its vector of agents keeps true last observations."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pettingzoo")
pytest.importorskip("stable_baselines3")

import qflock
from examples.third_party_learner import AgentsSideBySide, train
from tests.tiny import Echo


def test_agents_are_environments_and_last_observations_are_kept() -> None:
    worlds = [qflock.to_pettingzoo(Echo(Echo.Config(horizon=2))) for _ in range(2)]
    agents = AgentsSideBySide(worlds, seed=3)
    seen = agents.reset()
    assert seen.shape == (4, 5)
    assert seen[:, 3:].tolist() == [[1, 0], [0, 1]] * 2
    wanted = seen[:, :3].argmax(1)
    seen, rewards, dones, infos = agents.step(wanted)
    assert rewards.tolist() == [0.5] * 4
    assert not dones.any()
    wrong = (seen[:, :3].argmax(1) + 1) % 3
    seen, rewards, dones, infos = agents.step(wrong)
    assert dones.all()
    assert all(info["TimeLimit.truncated"] for info in infos)
    assert agents.returns == [1.0, 1.0]
    last = np.stack([info["terminal_observation"] for info in infos])
    assert last.shape == seen.shape
    assert not np.array_equal(last, seen), "a copy has restarted, and its last observation was kept"


@pytest.mark.slow
@pytest.mark.ci_slow
def test_ppo_learns_on_gridworld25() -> None:
    learner, agents = train(600, copies=4, grid_size=4, max_steps=20)
    assert learner.num_timesteps >= 600 * 4
    assert len(agents.returns) >= 20
    assert np.isfinite(agents.returns).all()
    before = learner.policy.state_dict()
    assert all(bool(np.isfinite(x.numpy()).all()) for x in before.values())
