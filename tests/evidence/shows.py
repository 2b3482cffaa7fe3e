"""Episodes to show that nobody played: a square that walks over a small board, with numbers made up."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflock.core.spec import Box, Spec
from qflock.core.steps import TimeStep
from qflock.evidence.replay.recording import Recording
from qflock.evidence.replay.show import Show

AGENTS, ACTIONS, STEPS = 4, ("stay", "up", "down", "left", "right", "<b>collect</b>"), 12


class Painter:
    """An environment that can only be drawn; a state is the square's place."""

    spec = Spec("painted", AGENTS, len(ACTIONS), 3, 3, STEPS, action_names=ACTIONS)

    def draw(self, state: int, size: int = 500) -> np.ndarray:
        """A board with the square on it."""
        picture = np.full((size // 8, size // 6, 3), (250, 248, 240), np.uint8)
        picture[10:26, 2 + 4 * state : 14 + 4 * state] = (0, 114, 178)
        return picture


def show(episodes: int = 3, seed: int = 0, title: str = "painted", weights: bool = True) -> Show:
    """Episodes of `STEPS` steps that pay 1 at every third step; agent 3 sleeps at the first step."""
    return Show(Painter(), title, "made up", [recording(seed + at, weights) for at in range(episodes)])


def recording(seed: int, weights: bool = True) -> Recording:
    """One of them."""
    random = np.random.default_rng(seed)
    values: Any = random.normal(size=(STEPS, AGENTS, len(ACTIONS)))
    legal = np.ones((STEPS + 1, AGENTS, len(ACTIONS)), bool)
    legal[2, 1, 0] = False
    active = np.ones((STEPS + 1, AGENTS), bool)
    active[0, 3] = False
    steps = np.arange(STEPS + 1)
    timestep = TimeStep(
        observation=np.zeros((STEPS + 1, AGENTS, 3)),
        state=np.zeros((STEPS + 1, 3)),
        legal=legal,
        active=active,
        reward=np.tile((steps % 3 == 0)[:, None] / AGENTS, AGENTS),
        terminated=steps == STEPS,
        truncated=steps < 0,
        measures={"solved": (steps == STEPS).astype(float)},
    )  # type: ignore[arg-type]
    shares = random.uniform(0.1, 1, (STEPS, AGENTS)) if weights else None
    return Recording(list(range(STEPS + 1)), timestep, values.argmax(-1), values, shares)


def show_of_numbers() -> Show:
    """An episode whose agents give two numbers each, with means 0.25 and deviations 0.5."""
    one, env = recording(0, weights=False), Painter()
    box = Box(2, (-1.0, 0.0), (1.0, 4.0), ("turn", "<b>push</b>"))
    env.spec = Spec("painted", AGENTS, box, 3, 3, STEPS)
    actions = np.tile(np.array([0.5, 1.0]), (STEPS, AGENTS, 1))
    values = np.tile(np.array([0.25, 0.25, 0.5, 0.5]), (STEPS, AGENTS, 1))
    timestep = one.timestep._replace(legal=np.ones((STEPS + 1, AGENTS, 0), bool))  # type: ignore[arg-type]
    return Show(env, "painted", "made up", [one._replace(timestep=timestep, actions=actions, values=values)])
