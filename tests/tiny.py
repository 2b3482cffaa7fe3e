"""Small environments whose answers are known, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from qflock.core.spec import Box, Spec
from qflock.core.steps import TimeStep
from qflock.settings import registry


class EchoState(NamedTuple):
    wanted: Any
    step: Any


class Echo:
    """Every agent sees an action of its own and is paid 1/agents for doing it. The best return is `horizon`.

    Episodes are truncated at the horizon; with ``ends`` they terminate instead.
    """

    @dataclass(frozen=True)
    class Config:
        """Settings of Echo."""

        horizon: int = 4
        """Steps of an episode."""
        ends: bool = False
        """Whether the last step terminates the episode instead of truncating it."""

    def __init__(self, config: Config = Config()) -> None:
        self.config = config
        self.spec = Spec(
            "echo",
            2,
            3,
            3,
            6,
            config.horizon,
            0.9,
            (0.0, float(config.horizon)),
            action_names=("a", "b", "c"),
        )

    def reset(self, key: Any) -> tuple[EchoState, TimeStep]:
        state = EchoState(jax.random.randint(key, (2,), 0, 3), jnp.int32(0))
        return state, self._show(state, jnp.zeros(2))

    def step(self, key: Any, state: EchoState, actions: Any) -> tuple[EchoState, TimeStep]:
        reward = (actions == state.wanted) / 2.0
        after = EchoState(jax.random.randint(key, (2,), 0, 3), state.step + 1)
        return after, self._show(after, reward)

    def _show(self, state: EchoState, reward: Any) -> TimeStep:
        seen = jax.nn.one_hot(state.wanted, 3)
        over = state.step >= self.config.horizon
        ends = jnp.bool_(self.config.ends)
        legal = jnp.ones((2, 3), bool)
        solved = {"solved": over.astype(jnp.float32)}
        return TimeStep(
            seen,
            seen.ravel(),
            legal,
            legal.any(-1),
            reward.astype(jnp.float32),
            over & ends,
            over & ~ends,
            solved,
        )


class Mirror(Echo):
    """Echo with numbers: every agent sees one, and is paid 1/agents less their squared difference for it."""

    def __init__(self, config: Echo.Config = Echo.Config()) -> None:
        super().__init__(config)
        box = Box(1, (-1.0,), (1.0,), ("number",))
        low = -3.0 * config.horizon
        self.spec = Spec("mirror", 2, box, 3, 6, config.horizon, 0.9, (low, float(config.horizon)))

    def step(self, key: Any, state: EchoState, actions: Any) -> tuple[EchoState, TimeStep]:
        reward = (1 - jnp.square(actions[:, 0] - (state.wanted - 1))) / 2.0
        after = EchoState(jax.random.randint(key, (2,), 0, 3), state.step + 1)
        return after, self._show(after, reward)

    def _show(self, state: EchoState, reward: Any) -> TimeStep:
        return super()._show(state, reward)._replace(legal=jnp.ones((2, 0), bool))


def world(algorithm: str) -> type:
    """The one of both that an algorithm is for."""
    return Mirror if registry.kind_of_actions(algorithm) == "continuous" else Echo


class CountState(NamedTuple):
    episode: Any
    step: Any
    length: Any


class Count:
    """One agent; the observation is (episode number drawn at reset, step, length of this episode).

    Lengths vary from 1 to 3 with the episode; reward of step t is t + 1; odd episodes terminate, even
    ones are truncated. Every row tells where it belongs, so that a rollout can be checked row by row.
    """

    spec = Spec("count", 1, 2, 3, 3, 3)

    def reset(self, key: Any) -> tuple[CountState, TimeStep]:
        episode = jax.random.randint(key, (), 0, 10_000)
        state = CountState(episode, jnp.int32(0), episode % 3 + 1)
        return state, self._show(state, jnp.float32(0))

    def step(self, key: Any, state: CountState, actions: Any) -> tuple[CountState, TimeStep]:
        after = state._replace(step=state.step + 1)
        return after, self._show(after, after.step.astype(jnp.float32))

    def _show(self, state: CountState, reward: Any) -> TimeStep:
        seen = jnp.stack([state.episode, state.step, state.length]).astype(jnp.float32)
        over = state.step >= state.length
        odd = state.episode % 2 == 1
        legal = jnp.ones((1, 2), bool)
        return TimeStep(seen[None], seen, legal, legal.any(-1), reward[None], over & odd, over & ~odd, {})


class RecallState(NamedTuple):
    cue: Any
    step: Any


class Recall:
    """Two agents see a cue each at the first step, then nothing; at the last step each is paid 1/2 for naming
    its cue. An agent with a memory gets 1; one without 1/2 at best.
    """

    length = 3

    def __init__(self) -> None:
        self.spec = Spec("recall", 2, 2, 3, 4, self.length, 1.0, (0.0, 1.0), action_names=("left", "right"))

    def reset(self, key: Any) -> tuple[RecallState, TimeStep]:
        state = RecallState(jax.random.randint(key, (2,), 0, 2), jnp.int32(0))
        return state, self._show(state, jnp.zeros(2))

    def step(self, key: Any, state: RecallState, actions: Any) -> tuple[RecallState, TimeStep]:
        last = state.step == self.length - 1
        after = state._replace(step=state.step + 1)
        return after, self._show(after, jnp.where(last, (actions == state.cue) / 2.0, 0.0))

    def _show(self, state: RecallState, reward: Any) -> TimeStep:
        cue = jnp.where(state.step == 0, jax.nn.one_hot(state.cue, 2), 0.0)
        seen = jnp.concatenate([cue, jnp.broadcast_to(state.step / self.length, (2, 1))], 1)
        legal, no = jnp.ones((2, 2), bool), jnp.bool_(False)
        whole = jax.nn.one_hot(state.cue, 2).ravel()
        over = state.step >= self.length
        return TimeStep(seen, whole, legal, legal.any(-1), reward.astype(jnp.float32), over, no, {})
