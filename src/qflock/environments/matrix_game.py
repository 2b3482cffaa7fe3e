"""One-step matrix games: all agents choose at once, the team is paid a cell of a table, and it ends.

Small, but hard for value factorisation: in ``qtran`` and ``climbing`` the best joint action is
surrounded by the worst, so that agents which average over the others' choices stay away from it.
Sources: ``qtran``, Son et al. 2019, table 1 (its "non-monotonic matrix"); ``climbing`` and
``penalty``, Claus & Boutilier 1998, figures 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.environment import ReferencePolicy
from qflock.core.environment import State as AnyState
from qflock.core.errors import UserError
from qflock.core.spec import Spec
from qflock.core.steps import TimeStep
from qflock.environments._tables import payoffs, picture


@dataclass(frozen=True)
class Config:
    """Settings of a matrix game.

    Raises:
        UserError: no such table, or one that is none.
    """

    payoff: str = "qtran"
    """The table: qtran, climbing, penalty, xor, your own as text, "[[1, 0], [0, 1]]", with one list inside
    another for each agent, or a .json, .yaml or .csv file of it."""
    penalty: float = -100.0
    """What payoff=penalty pays where the agents choose its two opposite corners; 0 or less."""

    def __post_init__(self) -> None:
        if not -1e30 < self.penalty <= 0:
            raise UserError(f"penalty is {self.penalty}; it must be a finite number, 0 or less")
        if not payoffs.is_name(self.payoff):
            # The table itself, so that a run needs no file of the user's to be repeated or evaluated.
            object.__setattr__(self, "payoff", payoffs.to_text(payoffs.read(self.payoff)))

    def table(self) -> np.ndarray:
        """The payoffs, float32, one axis for each agent."""
        if payoffs.is_name(self.payoff):
            return payoffs.named(self.payoff, self.penalty)
        return payoffs.read(self.payoff)


class State(NamedTuple):
    """What was chosen; zeros before."""

    actions: Int[Array, "A"]
    over: Bool[Array, ""]


class Environment:
    """A matrix game as pure functions. Everybody always sees the number 1, and so does the mixer.

    Agents may have different numbers of actions: those that an agent lacks are never legal.

    Args:
        config: settings; QTRAN's table by default.
    """

    Config = Config
    State = State
    published = {"score": 8.0, "by": "QTRAN on payoff=qtran, Son et al. 2019"}  # noqa: RUF012

    def __init__(self, config: Config = Config()) -> None:  # noqa: B008 (frozen)
        self.config = config
        self.table = config.table()
        counts = self.table.shape
        self.spec = Spec(
            name="matrix_game",
            agents=len(counts),
            actions=max(counts),
            observation=1,
            state=1,
            horizon=1,
            return_range=(float(self.table.min()), float(self.table.max())),
            shared_reward=True,
            action_names=tuple(str(action) for action in range(max(counts))),
        )

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """The moment before the choice; always the same."""
        del key
        state = State(jnp.zeros(self.spec.agents, jnp.int32), jnp.bool_(False))
        return state, self._timestep(state, jnp.float32(0))

    def step(self, key: PRNGKeyArray, state: State, actions: Int[Array, "A"]) -> tuple[State, TimeStep]:
        """Pay the chosen cell to every agent, and end. An unknown action counts as the nearest known one.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``, or ``(A, size)`` of a Box.
        """
        del key, state
        chosen = jnp.clip(actions, 0, np.array(self.table.shape) - 1).astype(jnp.int32)
        after = State(chosen, jnp.bool_(True))
        return after, self._timestep(after, jnp.asarray(self.table)[tuple(chosen)])

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """The table with the chosen cell, (height, width, 3) uint8 RGB; of more than two agents, the part
        of the table that the others' choices leave.

        Args:
            state: one unbatched state, on the host.
            size: about how many pixels wide.
        """
        actions, over = np.asarray(state.actions).tolist(), bool(state.over)
        table = self.table[(slice(None), slice(None), *actions[2:])]
        chosen = (actions[0], actions[1]) if over else None
        panel = picture.Panel("", self.spec.action_names, table, chosen, self.spec.return_range)
        others = [f"agent {i}: {action}" for i, action in enumerate(actions[2:], start=2)]
        left = ", ".join(others) or "rows: agent 0, columns: agent 1"
        right = f"payoff {self.table[tuple(actions)]:g}, best {self.table.max():g}" if over else ""
        return picture.draw([panel], size, left, right)

    def references(self) -> dict[str, ReferencePolicy]:
        """The best joint action (the first of equals), told to everybody."""
        best = np.array(np.unravel_index(self.table.argmax(), self.table.shape), np.int32)

        def oracle(key: PRNGKeyArray, state: AnyState, timestep: TimeStep) -> Int[Array, "A"]:
            return jnp.asarray(best)

        return {"oracle": oracle}

    def _timestep(self, state: State, paid: Float[Array, ""]) -> TimeStep:
        agents, actions = self.spec.agents, self.spec.actions
        best = paid >= self.table.max()
        return TimeStep(
            observation=jnp.ones((agents, 1)),
            state=jnp.ones(1),
            legal=jnp.asarray(np.arange(actions) < np.array(self.table.shape)[:, None]),
            active=jnp.ones(agents, bool),
            reward=jnp.full(agents, paid, jnp.float32),
            terminated=state.over,
            truncated=jnp.bool_(False),
            measures={"solved": (best & state.over).astype(jnp.float32)},
        )
