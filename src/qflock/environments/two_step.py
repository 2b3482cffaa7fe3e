"""The two-step game: the first agent picks one of two tables, then both agents play it.

Table 2A pays 7 whatever they do, 2B pays ``[[0, 1], [1, 8]]``. A sum of the agents' values sees less
than 7 in 2B and stays with 2A; a monotone mixer can say 8 exactly. Source: Rashid et al. 2018,
section 5.1 and table 1.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.environment import ReferencePolicy
from qflock.core.environment import State as AnyState
from qflock.core.spec import Spec
from qflock.core.steps import TimeStep
from qflock.environments._tables import picture

AGENTS, ACTIONS = 2, ("A", "B")
PLACES = START, AFTER_A, AFTER_B = 0, 1, 2
PAYOFFS = np.array([[[7, 7], [7, 7]], [[0, 1], [1, 8]]], np.float32)  # of 2A and 2B
BEST = float(PAYOFFS.max())


class State(NamedTuple):
    """Where the game stands."""

    place: Int[Array, ""]  # of PLACES; the last table played where the game is over
    actions: Int[Array, "2"]  # the newest choices; zeros before the first
    over: Bool[Array, ""]


class Environment:
    """The two-step game as pure functions. Everybody sees the place as a one-hot vector, zeros at the end."""

    State = State
    published = {"score": 8.0, "metric": "return_mean", "by": "QMIX, Rashid et al. 2018"}  # noqa: RUF012

    def __init__(self) -> None:
        self.spec = Spec(
            name="two_step",
            agents=AGENTS,
            actions=len(ACTIONS),
            observation=len(PLACES),
            state=len(PLACES),
            horizon=2,
            return_range=(float(PAYOFFS.min()), BEST),
            shared_reward=True,
            action_names=ACTIONS,
        )

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """Before the first choice; always the same."""
        del key
        state = State(jnp.int32(START), jnp.zeros(AGENTS, jnp.int32), jnp.bool_(False))
        return state, _timestep(state, jnp.float32(0))

    def step(self, key: PRNGKeyArray, state: State, actions: Int[Array, "2"]) -> tuple[State, TimeStep]:
        """First agent 0's choice of a table, then a cell of it, paid to both; unknown actions mean B.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``, or ``(A, size)`` of a Box.
        """
        del key
        chosen = (actions != 0).astype(jnp.int32)
        starts = state.place == START
        paid = jnp.asarray(PAYOFFS)[jnp.maximum(state.place - AFTER_A, 0), chosen[0], chosen[1]]
        place = jnp.where(starts, AFTER_A + chosen[0], state.place)
        after = State(place, chosen, ~starts)
        return after, _timestep(after, jnp.where(starts, 0.0, paid))

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """Both tables, the one not played pale, and the chosen cell: (height, width, 3) uint8 RGB.

        Args:
            state: one unbatched state, on the host.
            size: about how many pixels wide.
        """
        place, actions, over = int(state.place), np.asarray(state.actions).tolist(), bool(state.over)
        panels = [
            picture.Panel(
                f"2{ACTIONS[i]}",
                ACTIONS,
                table,
                (actions[0], actions[1]) if over and place == at else None,
                span=(0.0, BEST),
                pale=place not in (START, at),
            )
            for i, (at, table) in enumerate(zip((AFTER_A, AFTER_B), PAYOFFS, strict=True))
        ]
        left = "agent 0 picks a table" if place == START else f"agent 0 picked 2{ACTIONS[place - AFTER_A]}"
        paid = f"payoff {PAYOFFS[(place - AFTER_A, *actions)]:g}, best {BEST:g}" if over else ""
        return picture.draw(panels, size, left, paid)

    def references(self) -> dict[str, ReferencePolicy]:
        """Both always B, which ends at 8; and both always A, which ends at 7 for certain."""

        def oracle(key: PRNGKeyArray, state: AnyState, timestep: TimeStep) -> Int[Array, "2"]:
            return jnp.ones(AGENTS, jnp.int32)

        def safe(key: PRNGKeyArray, state: AnyState, timestep: TimeStep) -> Int[Array, "2"]:
            return jnp.zeros(AGENTS, jnp.int32)

        return {"oracle": oracle, "safe": safe}


def _timestep(state: State, paid: Float[Array, ""]) -> TimeStep:
    seen = jnp.where(state.over, 0.0, jax.nn.one_hot(state.place, len(PLACES)))
    return TimeStep(
        observation=jnp.broadcast_to(seen, (AGENTS, len(PLACES))),
        state=seen,
        legal=jnp.ones((AGENTS, len(ACTIONS)), bool),
        active=jnp.ones(AGENTS, bool),
        reward=jnp.full(AGENTS, paid, jnp.float32),
        terminated=state.over,
        truncated=jnp.bool_(False),
        measures={"solved": (state.over & (paid >= BEST)).astype(jnp.float32)},
    )
