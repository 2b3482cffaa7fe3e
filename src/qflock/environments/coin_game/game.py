"""CoinGame-2: two agents on a 3 x 3 board gather coins, and should leave each other's alone.

A coin belongs to one of them. Whoever collects it is paid 1; its owner loses 2 where the other one
collects it. The rules are those of the published comparison of entangled critics (eQMARL, ICLR 2025;
after Lerer & Peysakhovich 2017 and Phan et al. 2022). The game is small enough to be solved exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Int8, Int32, PRNGKeyArray, UInt8

from qflock.core.environment import ReferencePolicy
from qflock.core.errors import UserError
from qflock.core.spec import Spec
from qflock.core.steps import TimeStep
from qflock.environments.coin_game import exact, picture
from qflock.environments.coin_game.references import optimal, own_coin

AGENTS, SIDE, CELLS = exact.AGENTS, exact.SIDE, exact.CELLS
ACTIONS = ("up", "down", "left", "right")  # y + 1, y - 1, x - 1, x + 1: y grows upwards
PLANES = ("self", "other", "own coin", "other's coin")


@dataclass(frozen=True)
class Config:
    """Settings of CoinGame-2; the defaults are the published ones.

    Raises:
        UserError: a setting is out of its range.
    """

    observation: Literal["full", "partial"] = "full"
    """partial hides where the other agent is."""
    max_steps: int = 50
    """Steps of an episode."""
    ending: Literal["truncated", "terminated"] = "truncated"
    """What the last step is to a learner. Published learners take it for the end of the task (terminated);
    but the game would go on, and nothing tells the agents the time."""

    def __post_init__(self) -> None:
        if self.observation not in ("full", "partial"):
            raise UserError(f"observation is {self.observation!r}; choose 'full' or 'partial'")
        if not 1 <= self.max_steps <= 10_000:
            raise UserError(f"max_steps is {self.max_steps}; choose 1 to 10000")
        if self.ending not in ("truncated", "terminated"):
            raise UserError(f"ending is {self.ending!r}; choose 'truncated' or 'terminated'")


class State(NamedTuple):
    """Where everything is, and what was collected so far."""

    agents: Int8[Array, "2 2"]  # (x, y)
    coin: Int8[Array, "2"]  # (x, y)
    owner: Int32[Array, ""]
    collected: Int32[Array, "2"]  # coins by each agent
    own: Int32[Array, "2"]  # of them, its own
    step: Int32[Array, ""]  # steps taken in this episode


class Environment:
    """CoinGame-2 as pure functions for one episode at a time. Of the sort `qflock.core.Exact`.

    Agents do not block each other, and walls stop them. An observation is planes of 9 cells, indexed
    ``[x][y]``: the agent itself, the other one (not where ``observation="partial"``), its own coin, the
    other's coin. The state is both observations, one after the other.

    Measures: ``coins``, collected by both together; ``own_coin_rate``, the share of them that was the
    collector's own, 0 without any.

    Args:
        config: settings; the published ones by default.
    """

    Config = Config
    State = State
    published = {  # noqa: RUF012
        "score": 25.67,
        "metric": "return_mean",
        "by": "eQMARL with Psi+ critics, full observation (ICLR 2025)",
    }

    def __init__(self, config: Config = Config()) -> None:  # noqa: B008 (frozen)
        self.config = config
        self._partial = config.observation == "partial"
        self._views = exact.views(self._partial)  # number of each agent's observation, by state
        seen = CELLS * (len(PLANES) - self._partial)
        self.spec = Spec(
            name="coin_game",
            agents=AGENTS,
            actions=len(ACTIONS),
            observation=seen,
            state=AGENTS * seen,
            horizon=config.max_steps,
            discount=0.99,
            return_range=(-float(config.max_steps), float(config.max_steps)),
            action_names=ACTIONS,
        )

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """Agents and coin on three distinct cells, and the owner, all uniform."""
        drawn = jax.random.randint(key, (), 0, CELLS * (CELLS - 1) * (CELLS - 2) * AGENTS)
        drawn, owner = drawn // AGENTS, drawn % AGENTS
        drawn, third = drawn // (CELLS - 2), drawn % (CELLS - 2)
        first, second = drawn // (CELLS - 1), drawn % (CELLS - 1)
        second = second + (second >= first)  # among the cells that are still free
        low, high = jnp.minimum(first, second), jnp.maximum(first, second)
        third = third + (third >= low)
        third = third + (third >= high)
        return self._start(jnp.stack([_place(first), _place(second)]), _place(third), owner)

    def place(self, agents: Any, coin: Any, owner: Any) -> tuple[State, TimeStep]:
        """Start from given cells.

        Args:
            agents: two cells ``(x, y)``, shape (2, 2); they may be one.
            coin: its cell, shape (2,); under an agent, it is collected only by a step that ends there.
            owner: the agent whose coin it is.

        Raises:
            UserError: other shapes, cells off the board, no such owner.
        """
        if not any(isinstance(given, Tracer) for given in (agents, coin, owner)):
            _check(np.asarray(agents), np.asarray(coin), np.asarray(owner))
        return self._start(jnp.asarray(agents, jnp.int8), jnp.asarray(coin, jnp.int8), jnp.int32(owner))

    def step(self, key: PRNGKeyArray, state: State, actions: Int[Array, "2"]) -> tuple[State, TimeStep]:
        """One joint action; an unknown action id means staying. ``key`` decides where a coin jumps.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``, or ``(A, size)`` of a Box.
        """
        chosen = actions[:, None] == jnp.arange(len(ACTIONS))
        moved = state.agents + (chosen[:, :, None] * exact.MOVES).sum(1, dtype=jnp.int8)
        agents = jnp.clip(moved, 0, SIDE - 1)
        on = (agents == state.coin).all(-1)
        owns = jnp.arange(AGENTS) == state.owner
        reward = on.astype(jnp.float32) - 2.0 * (owns & on[::-1])
        bits = jax.random.bits(key, dtype=jnp.uint32).astype(jnp.int32)
        cell = (SIDE * state.coin[0] + state.coin[1] + 1 + (bits & 7)) % CELLS  # one of the 8 others
        after = State(
            agents,
            jnp.where(on.any(), _place(cell), state.coin),
            jnp.where(on.any(), (bits >> 3) & 1, state.owner),
            state.collected + on,
            state.own + (on & owns),
            state.step + 1,
        )
        return after, self._show(after, reward)

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """A picture, about ``size`` pixels wide, with a caption line: (height, width, 3) uint8 RGB.

        A coin has its owner's colour.

        Args:
            state: one unbatched state, on the host.
            size: about how many pixels wide.
        """
        return picture.draw(state, size)

    def references(self) -> dict[str, ReferencePolicy]:
        """The exact optimum, which sees the state and the time; then one by each agent's own observation."""
        return {"oracle": optimal(self.config.max_steps), "own_coin": own_coin}

    def optimum(self) -> float:
        """The best expected undiscounted team return, by dynamic programming: 27.3675 for 50 steps."""
        return exact.solve(self.config.max_steps).value

    def observations(self) -> UInt8[Array, "N O"]:
        """Every observation that an agent can have: 1,458, or 162 where it is partial."""
        counts = (CELLS,) * (len(PLANES) - 1 - self._partial) + (AGENTS,)
        numbers = np.unravel_index(np.arange(self._views.max() + 1), counts)
        *cells, others = numbers
        planes = np.zeros((len(others), self.spec.observation // CELLS, CELLS), np.uint8)
        every = np.arange(len(others))
        for plane, at in enumerate(cells[:-1]):
            planes[every, plane, at] = 1
        planes[every, len(cells) - 1 + others, cells[-1]] = 1
        return jnp.asarray(planes.reshape(len(others), -1))

    def exact_return(
        self, probabilities: Float[Array, "*B 2 N 4"], discount: float | Float[Array, ""] = 1.0
    ) -> Float[Array, "*B"]:
        """The expected team return, over starts, coins and actions; see `qflock.core.Exact`.

        Args:
            probabilities: policies as tables, ``(..., A, N, U)``.
            discount: of rewards, in [0, 1].
        """
        return exact.value(*self._chances(probabilities), self.config.max_steps, discount)

    def exact_visits(self, probabilities: Float[Array, "*B 2 N 4"]) -> Float[Array, "*B 2 N"]:
        """How often each agent is expected to act on each observation in an episode."""
        own, other = self._chances(probabilities)
        counts = exact.visits(own, other, self.config.max_steps).reshape(exact.STATES, *own.shape[3:])
        by_view = [jax.ops.segment_sum(counts, view, probabilities.shape[-2]) for view in self._views]
        return jnp.moveaxis(jnp.stack(by_view), (0, 1), (-2, -1))

    def _chances(self, probabilities: Float[Array, "*B 2 N 4"]) -> tuple[Array, Array]:
        """Each agent's chances of actions in every state, (81, 18, 4, *B)."""
        table = jnp.moveaxis(probabilities, (-3, -2, -1), (0, 1, 2))
        shape = (exact.PAIRS, exact.COINS, len(ACTIONS), *table.shape[3:])
        first, second = (table[i, view].reshape(shape) for i, view in enumerate(self._views))
        return first, second

    def _start(
        self, agents: Int8[Array, "2 2"], coin: Int8[Array, "2"], owner: Int32[Array, ""]
    ) -> tuple[State, TimeStep]:
        none = jnp.zeros(AGENTS, jnp.int32)
        state = State(agents, coin, owner, none, none, jnp.int32(0))
        return state, self._show(state, jnp.zeros(AGENTS))

    def _show(self, state: State, reward: Float[Array, "2"]) -> TimeStep:
        seen = self._observe(state)
        over = state.step >= self.config.max_steps
        ends = self.config.ending == "terminated"
        coins = state.collected.sum().astype(jnp.float32)
        return TimeStep(
            observation=seen,
            state=seen.reshape(-1),
            legal=jnp.ones((AGENTS, len(ACTIONS)), bool),
            active=jnp.ones(AGENTS, bool),
            reward=reward,
            terminated=over & ends,
            truncated=over & (not ends),
            measures={"own_coin_rate": state.own.sum() / jnp.maximum(coins, 1), "coins": coins},
        )

    def _observe(self, state: State) -> UInt8[Array, "2 O"]:
        here = jax.vmap(_plane)(state.agents)
        owns = (jnp.arange(AGENTS) == state.owner)[:, None]
        shining = _plane(state.coin)
        agents = [here] if self._partial else [here, here[::-1]]
        return jnp.concatenate([*agents, owns * shining, ~owns * shining], 1)


def _place(cell: Int[Array, ""]) -> Int8[Array, "2"]:
    return jnp.stack([cell // SIDE, cell % SIDE]).astype(jnp.int8)


def _plane(cell: Int8[Array, "2"]) -> UInt8[Array, "9"]:
    return (jnp.arange(CELLS) == SIDE * cell[0] + cell[1]).astype(jnp.uint8)


def _check(agents: np.ndarray, coin: np.ndarray, owner: np.ndarray) -> None:
    for name, cells, shape in (("agents", agents, (AGENTS, 2)), ("coin", coin, (2,))):
        if cells.shape != shape or cells.dtype.kind not in "iu":
            raise UserError(f"{name}: {cells.tolist()}; give whole-numbered cells (x, y): shape {shape}")
        if (cells < 0).any() or (cells >= SIDE).any():
            raise UserError(f"{name}: {cells.tolist()} leaves the board; x and y run from 0 to {SIDE - 1}")
    if owner.shape != () or owner.dtype.kind not in "iu" or int(owner) not in range(AGENTS):
        raise UserError(f"owner: {owner.tolist()}; give 0 or 1, the agent whose coin it is")
