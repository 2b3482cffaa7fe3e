"""Meeting at the lamp: agents on a line, each moving as far as it likes, must all stand under the lamp.

A template: change it into your own game. Train on it, look at it and check it with

    qflock check THIS_FILE:MyEnv
    qflock train ippo --env THIS_FILE:MyEnv --total_steps 400000

Every function works on ONE episode; the library runs thousands side by side (vmap) and compiles them (jit).
So a state is never changed in place, `if` on a value of the state becomes `jnp.where`, and whatever is
random is drawn from the key that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qflock.core import Box, Spec, TimeStep

NEAR = 0.25
"""How close to the lamp is under it."""


@dataclass(frozen=True)
class Config:
    """The settings: each is an option of `qflock train`, as in --env.length 15. All need a default."""

    agents: int = 2
    """How many agents."""
    length: float = 9.0
    """Of the line."""
    max_steps: int = 30
    """Steps after which an episode is cut off."""

    def __post_init__(self) -> None:
        if self.agents < 1 or self.length <= 0 or self.max_steps < 1:
            raise ValueError(f"agents and max_steps must be at least 1, length above 0; got {self}")


class State(NamedTuple):
    """Everything that the next step depends on. Arrays only."""

    places: Any  # (agents,) where each agent is
    lamp: Any  # () where the lamp is
    step: Any  # () steps taken


class MyEnv:
    """The environment: a `spec`, `reset` and `step`; `draw` and `references` are extras."""

    Config = Config
    State = State

    def __init__(self, config: Config = Config()) -> None:  # noqa: B008 (frozen)
        self.config = config
        numbers = 2 + config.agents - 1
        self.spec = Spec(
            name="my_env",
            agents=config.agents,
            action=Box(
                1, low=(-1.0,), high=(1.0,), names=("speed",)
            ),  # what each agent gives: bounded numbers
            observation=numbers,  # numbers that ONE agent sees
            state=numbers * config.agents,  # numbers that mixers and critics see while training
            horizon=config.max_steps,
            return_range=(-float(config.max_steps), 0.0),
            shared_reward=True,  # all are paid the same; else the team's reward is the sum over agents
        )

    def reset(self, key: Any) -> tuple[State, TimeStep]:
        """A fresh episode: places for the agents and the lamp, drawn from the key."""
        k_places, k_lamp = jax.random.split(key)  # one key for each thing that is random
        state = State(
            places=jax.random.uniform(k_places, (self.config.agents,), maxval=self.config.length),
            lamp=jax.random.uniform(k_lamp, (), maxval=self.config.length),
            step=jnp.int32(0),
        )
        return state, self._show(state, reward=jnp.float32(0), met=jnp.bool_(False))

    def step(self, key: Any, state: State, actions: Any) -> tuple[State, TimeStep]:
        """One joint action, numbers for each agent. Nothing here is random, so the key is not used.

        Args:
            key: of random numbers.
            state: before the step.
            actions: numbers ``(A, 1)``, inside their bounds.
        """
        del key
        places = jnp.clip(state.places + actions[:, 0], 0, self.config.length)
        after = State(places, state.lamp, state.step + 1)
        away = jnp.abs(places - state.lamp)
        met = (away < NEAR).all()
        reward = jnp.where(met, 0.0, -away.mean() / self.config.length)
        return after, self._show(after, reward, met)

    def _show(self, state: State, reward: Any, met: Any) -> TimeStep:
        """What the agents see of a state; the same shapes and types after reset and step."""
        agents, length = self.config.agents, self.config.length
        others = jnp.stack([jnp.roll(state.places, -i)[1:] for i in range(agents)])
        own = state.places[:, None]
        seen = jnp.concatenate([own, state.lamp - own, others - own], 1) / jnp.float32(length)
        return TimeStep(
            observation=seen,
            state=seen.reshape(-1),
            legal=jnp.ones((agents, 0), bool),  # a Box has no mask of legal actions
            active=jnp.ones(agents, bool),  # agents still in the episode
            reward=jnp.full(agents, reward),
            terminated=met,  # the task has ended: nothing comes after
            truncated=(state.step >= self.config.max_steps) & ~met,  # the clock ran out: something would
            measures={"solved": met.astype(jnp.float32)},  # logged, and shown by `qflock evaluate`
        )

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """A picture of one state, (height, width, 3) uint8: the lamp is yellow, agents are blue.

        Args:
            state: to draw.
            size: about how many pixels wide.
        """
        column = lambda place: int(99 * float(place) / self.config.length)
        picture = np.full((8 * (self.config.agents + 1), 100, 3), 240, np.uint8)
        picture[:8, column(state.lamp)] = (250, 200, 40)
        for row, place in enumerate(np.asarray(state.places).tolist(), 1):
            picture[8 * row : 8 * row + 8, column(place)] = (40, 90, 200)
        return picture.repeat(max(size // 100, 1), 0).repeat(max(size // 100, 1), 1)

    def references(self) -> dict[str, Any]:
        """Policies to compare with, the best one first. They may see the state."""

        def oracle(key: Any, state: State, now: TimeStep) -> Any:
            return jnp.clip(state.lamp - state.places, -1, 1)[:, None]

        return {"oracle": oracle}
