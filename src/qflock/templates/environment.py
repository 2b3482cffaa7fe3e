"""Meeting at the lamp: agents on a line of cells must all stand under the lamp at the same time.

A template: change it into your own game. Train on it, look at it and check it with

    qflock check THIS_FILE:MyEnv
    qflock train qmix --env THIS_FILE:MyEnv --total_steps 400000

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

from qflock.core import Spec, TimeStep

ACTIONS = ("left", "stay", "right")
STEP_COST = 0.01


@dataclass(frozen=True)
class Config:
    """The settings: each is an option of `qflock train`, as in --env.cells 15. All need a default."""

    agents: int = 2
    """How many agents."""
    cells: int = 9
    """Cells of the line."""
    max_steps: int = 30
    """Steps after which an episode is cut off."""

    def __post_init__(self) -> None:
        if self.agents < 1 or self.cells < 2 or self.max_steps < 1:
            raise ValueError(f"agents and max_steps must be at least 1, cells at least 2; got {self}")


class State(NamedTuple):
    """Everything that the next step depends on. Arrays only."""

    places: Any  # (agents,) the cell of each agent
    lamp: Any  # () the lamp's cell
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
            actions=len(ACTIONS),
            observation=numbers,  # numbers that ONE agent sees
            state=numbers * config.agents,  # numbers that mixers and critics see while training
            horizon=config.max_steps,
            return_range=(-STEP_COST * config.max_steps, 1.0),
            shared_reward=True,  # all are paid the same; else the team's reward is the sum over agents
            action_names=ACTIONS,
        )

    def reset(self, key: Any) -> tuple[State, TimeStep]:
        """A fresh episode: cells for the agents and the lamp, drawn from the key."""
        k_places, k_lamp = jax.random.split(key)  # one key for each thing that is random
        state = State(
            places=jax.random.randint(k_places, (self.config.agents,), 0, self.config.cells),
            lamp=jax.random.randint(k_lamp, (), 0, self.config.cells),
            step=jnp.int32(0),
        )
        return state, self._show(state, reward=jnp.float32(0), met=jnp.bool_(False))

    def step(self, key: Any, state: State, actions: Any) -> tuple[State, TimeStep]:
        """One joint action, an integer for each agent. Nothing here is random, so the key is not used.

        Args:
            key: of random numbers.
            state: before the step.
            actions: integers ``(A,)``.
        """
        del key
        places = jnp.clip(state.places + actions - 1, 0, self.config.cells - 1)
        after = State(places, state.lamp, state.step + 1)
        met = (places == state.lamp).all()
        reward = met.astype(jnp.float32) - STEP_COST
        return after, self._show(after, reward, met)

    def _show(self, state: State, reward: Any, met: Any) -> TimeStep:
        """What the agents see of a state; the same shapes and types after reset and step."""
        agents, cells = self.config.agents, self.config.cells
        others = jnp.stack([jnp.roll(state.places, -i)[1:] for i in range(agents)])
        own = state.places[:, None]
        seen = jnp.concatenate([own, state.lamp - own, others - own], 1) / jnp.float32(cells)
        return TimeStep(
            observation=seen,
            state=seen.reshape(-1),
            legal=jnp.ones((agents, len(ACTIONS)), bool),  # at least one action for each agent
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
        cell = max(size // self.config.cells, 2)
        picture = np.full((self.config.agents + 1, self.config.cells, 3), 240, np.uint8)
        picture[0, int(state.lamp)] = (250, 200, 40)
        for row, place in enumerate(np.asarray(state.places).tolist(), 1):
            picture[row, place] = (40, 90, 200)
        return picture.repeat(cell, 0).repeat(cell, 1)

    def references(self) -> dict[str, Any]:
        """Policies to compare with, the best one first. They may see the state."""

        def oracle(key: Any, state: State, now: TimeStep) -> Any:
            return 1 + jnp.sign(state.lamp - state.places)

        return {"oracle": oracle}
