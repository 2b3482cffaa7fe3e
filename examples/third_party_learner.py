"""Another library's learner on an environment of ours: Stable-Baselines3's PPO on GridWorld25v0.

    pip install 'qflock[zoo]' stable-baselines3
    python examples/third_party_learner.py --total_steps 200000 --grid_size 10

The bridge is `qflock.to_pettingzoo`. PPO knows single agents only, so every agent of every copy counts as an
environment of its own here: one policy, which all agents share, learns from all of them.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

import qflock


class AgentsSideBySide(VecEnv):
    """The agents of some PettingZoo parallel environments, each as one environment of Stable-Baselines3.

    Agents of a copy share its episodes: all of them must be alike and stay to the end. The agent's number
    joins its observation as a one-hot vector, so that one policy can play different parts.

    Args:
        copies: the environments; they are stepped one after the other.
        seed: of the first copy; the others count up from it.
    """

    def __init__(self, copies: list[Any], seed: int = 0) -> None:
        from gymnasium import spaces

        self._copies, self._seed = copies, seed
        self._agents = copies[0].possible_agents
        one = copies[0].observation_space(self._agents[0])
        seen = spaces.Box(-np.inf, np.inf, (one.shape[0] + len(self._agents),), np.float32)
        super().__init__(len(copies) * len(self._agents), seen, copies[0].action_space(self._agents[0]))
        self.returns: list[float] = []  # team returns of the episodes that have ended

    def _rows(self, seen: dict[str, np.ndarray]) -> np.ndarray:
        views = np.stack([seen[agent] for agent in self._agents]).astype(np.float32)
        return np.concatenate([views, np.eye(len(self._agents), dtype=np.float32)], 1)

    def reset(self) -> np.ndarray:
        """The first observations of all agents of all copies."""
        self._running = np.zeros(len(self._copies))
        return np.concatenate(
            [self._rows(copy.reset(seed=self._seed + i)[0]) for i, copy in enumerate(self._copies)]
        )

    def step_async(self, actions: np.ndarray) -> None:
        """Remember the actions until `step_wait`."""
        self._actions = actions.reshape(len(self._copies), -1)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict]]:
        """Step every copy. One that is over restarts, and its agents' infos keep the last observation."""
        seen, rewards, dones, infos = [], [], [], []
        for i, copy in enumerate(self._copies):
            chosen = dict(zip(self._agents, self._actions[i], strict=True))
            observations, paid, terminated, truncated, _ = copy.step(chosen)
            rows = self._rows(observations)
            self._running[i] += sum(paid.values())
            over = not copy.agents
            if over:
                cut = any(truncated.values()) and not any(terminated.values())
                infos += [{"terminal_observation": row, "TimeLimit.truncated": cut} for row in rows]
                rows = self._rows(copy.reset()[0])
                self.returns.append(float(self._running[i]))
                self._running[i] = 0.0
            else:
                infos += [{} for _ in self._agents]
            seen.append(rows)
            rewards += [paid[agent] for agent in self._agents]
            dones += [over] * len(self._agents)
        return np.concatenate(seen), np.array(rewards, np.float32), np.array(dones), infos

    def close(self) -> None:
        """Close every copy."""
        for copy in self._copies:
            copy.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the copy that each agent lives in."""
        return [getattr(self._copies[i // len(self._agents)], attr_name, None) for i in self._places(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the copies that agents live in."""
        for i in self._places(indices):
            setattr(self._copies[i // len(self._agents)], attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method of the copy that each agent lives in."""
        places = self._places(indices)
        return [getattr(self._copies[i // len(self._agents)], method_name)(*args, **kwargs) for i in places]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Nothing is wrapped."""
        return [False for _ in self._places(indices)]

    def _places(self, indices: Any) -> list[int]:
        return list(range(self.num_envs)) if indices is None else [int(i) for i in np.atleast_1d(indices)]


def train(total_steps: int, copies: int = 8, seed: int = 0, **settings: Any) -> tuple[PPO, AgentsSideBySide]:
    """Train PPO with one policy for all agents.

    Args:
        total_steps: environment steps, summed over copies.
        copies: environments side by side.
        seed: of the policy and the episodes.
        settings: of GridWorld25v0.

    Returns:
        The learner, and what it played in, with the team returns of its episodes.
    """
    worlds = [qflock.to_pettingzoo("gridworld25", **settings) for _ in range(copies)]
    agents = AgentsSideBySide(worlds, seed)
    learner = PPO("MlpPolicy", agents, n_steps=64, batch_size=256, gamma=0.95, seed=seed, device="cpu")
    learner.learn(total_steps * len(worlds[0].possible_agents))
    return learner, agents


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--total_steps", type=int, default=200_000)
    parser.add_argument("--grid_size", type=int, default=10)
    parser.add_argument("--max_steps", type=int, default=100)
    parser.add_argument("--num_envs", type=int, default=8)
    given = parser.parse_args()
    settings = {"grid_size": given.grid_size, "max_steps": given.max_steps}
    _, agents = train(given.total_steps, given.num_envs, **settings)
    tenth = max(len(agents.returns) // 10, 1)
    first, last = np.mean(agents.returns[:tenth]), np.mean(agents.returns[-tenth:])
    print(f"{len(agents.returns)} episodes; team return {first:.2f} at first, {last:.2f} at the end")


if __name__ == "__main__":
    main()
