"""ForestUAV: UAVs cover a forest under partial observation and limited communication.

Source of the rules: the environment behind the published quantum-inspired controller QIO-MARL;
recorded episodes of it replay exactly (see the tests). A cell is ``(row, column)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.environment import ReferencePolicy
from qflock.core.errors import UserError
from qflock.core.spec import Spec
from qflock.core.steps import TimeStep
from qflock.environments.forest_uav import picture
from qflock.environments.forest_uav.references import lawn_mower

ACTIONS = ("stay", "up", "down", "left", "right")
MOVES = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)], np.int32)  # (row, column) by action id
CROWDED = -0.25  # paid for every cell that holds more than one agent
PERCENT = 95  # coverage, in percent, that counts as solved


@dataclass(frozen=True)
class Config:
    """Settings of ForestUAV; the defaults are the published ones.

    Raises:
        UserError: a setting is out of its range.
    """

    grid_size: int = 20
    """Cells along each side of the forest."""
    n_agents: int = 10
    """UAVs."""
    obs_radius: int = 2
    """A UAV sees a square of 2 x obs_radius + 1 cells around itself."""
    episode_len: int = 200
    """Steps after which an episode is cut off; it never ends before."""
    comm_budget: float = 0.1
    """Chance of each UAV in each step to learn where all others are; 0 takes this out of the observation."""
    observe_coverage: bool = False
    """Add to the observation which of the seen cells were visited. Without it, a UAV with no memory cannot
    tell where the team has been."""

    def __post_init__(self) -> None:
        if not 2 <= self.grid_size <= 1024:
            raise UserError(f"grid_size is {self.grid_size}; choose 2 to 1024")
        if not 1 <= self.n_agents <= self.grid_size**2:
            raise UserError(
                f"n_agents is {self.n_agents}: each needs a cell of its own; choose 1 to {self.grid_size**2}"
            )
        if not 0 <= self.obs_radius <= self.grid_size:
            raise UserError(f"obs_radius is {self.obs_radius}; choose 0 to {self.grid_size} (grid_size)")
        if self.episode_len < 1:
            raise UserError(f"episode_len is {self.episode_len}; choose 1 or more")
        if not 0 <= self.comm_budget <= 1:
            raise UserError(f"comm_budget is {self.comm_budget}, a probability; choose 0 to 1")


class State(NamedTuple):
    """Where everything is. Cells under agents at the start count as not visited."""

    agents: Int[Array, "A 2"]  # (row, column)
    vegetation: Float[Array, "G G"]
    visited: Bool[Array, "G G"]
    heard: Bool[Array, "A"]  # who has just learnt where the others are
    reached: Int[Array, ""]  # step at which 95 % were first visited; episode_len + 1 while they are not
    step: Int[Array, ""]  # steps taken in this episode


class Environment:
    """ForestUAV as pure functions for one episode at a time.

    An agent's reward is its part of the team's: agents that stand on a cell together share what the
    cell pays, so the sum over agents is the published team reward.

    Measures: ``coverage``, the share of cells visited; ``solved``, 1 where it is 0.95 or more;
    ``steps_to_95``, the step at which it was first so, and ``episode_len + 1`` while it never was.

    Args:
        config: settings; the published ones by default.
    """

    Config = Config
    State = State

    def __init__(self, config: Config = Config()) -> None:  # noqa: B008 (frozen)
        self.config = config
        agents, cells = config.n_agents, config.grid_size**2
        seen = (2 * config.obs_radius + 1) ** 2
        messages = 2 * (agents - 1) + 1 if config.comm_budget > 0 else 0
        self._needed = -(-PERCENT * cells // 100)  # visited cells that count as solved
        self.spec = Spec(
            name="forest_uav",
            agents=agents,
            actions=len(ACTIONS),
            observation=seen * (2 if config.observe_coverage else 1) + 2 + messages,
            state=2 * cells + 2 * agents + 1,
            horizon=config.episode_len,
            discount=0.99,
            return_range=(CROWDED * (agents // 2) * config.episode_len, float(cells)),
            action_names=ACTIONS,
        )

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """Agents on distinct cells, vegetation in [0, 1), both uniform; nothing visited."""
        k_cells, k_vegetation, k_heard = jax.random.split(key, 3)
        size = self.config.grid_size
        cells = _distinct(k_cells, self.config.n_agents, size * size)
        return self._start(
            k_heard,
            jnp.stack([cells // size, cells % size], -1),
            jax.random.uniform(k_vegetation, (size, size)),
        )

    def place(self, key: PRNGKeyArray, agents: Any, vegetation: Any) -> tuple[State, TimeStep]:
        """Start from given cells and densities.

        Args:
            key: for the messages of the first observation.
            agents: cells ``(row, column)``, shape (n_agents, 2); cells may be shared.
            vegetation: densities, shape (grid_size, grid_size).

        Raises:
            UserError: other shapes, cells off the grid, densities that are no finite numbers.
        """
        if not isinstance(agents, Tracer) and not isinstance(vegetation, Tracer):
            _check(self.config, np.asarray(agents), np.asarray(vegetation))
        return self._start(key, jnp.asarray(agents, jnp.int32), jnp.asarray(vegetation, jnp.float32))

    def step(self, key: PRNGKeyArray, state: State, actions: Int[Array, "A"]) -> tuple[State, TimeStep]:
        """One joint action; an unknown action id means staying. ``key`` decides who hears the others.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``, or ``(A, size)`` of a Box.
        """
        chosen = actions[:, None] == jnp.arange(len(MOVES))
        moved = state.agents + (chosen[:, :, None] * MOVES).sum(1)
        agents = jnp.clip(moved, 0, self.config.grid_size - 1)
        row, column = agents[:, 0], agents[:, 1]
        together = (agents[:, None] == agents).all(-1).sum(1)  # agents on each agent's cell
        pays = jnp.where(state.visited[row, column], 0.0, 1.0) + jnp.where(together > 1, CROWDED, 0.0)
        visited = state.visited.at[row, column].set(True)
        step = state.step + 1
        done = visited.sum() >= self._needed
        after = State(
            agents,
            state.vegetation,
            visited,
            self._listen(key),
            jnp.where(done, jnp.minimum(state.reached, step), state.reached),
            step,
        )
        return after, self._show(after, pays / together)

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """A picture, about ``size`` pixels wide, with a caption line: (height, width, 3) uint8 RGB.

        Darker green is denser vegetation; covered cells are golden; lines lead to a UAV that hears
        the others.

        Args:
            state: one unbatched state, on the host.
            size: about how many pixels wide.
        """
        return picture.draw(state, size)

    def references(self) -> dict[str, ReferencePolicy]:
        """The lawn-mower: every agent sweeps its own strip. It sees the state."""
        return {"lawn_mower": lawn_mower}

    def _start(
        self, key: PRNGKeyArray, agents: Int[Array, "A 2"], vegetation: Float[Array, "G G"]
    ) -> tuple[State, TimeStep]:
        visited = jnp.zeros(vegetation.shape, bool)
        reached = jnp.int32(self.config.episode_len + 1)
        state = State(agents, vegetation, visited, self._listen(key), reached, jnp.int32(0))
        return state, self._show(state, jnp.zeros(self.config.n_agents))

    def _listen(self, key: PRNGKeyArray) -> Bool[Array, "A"]:
        if self.config.comm_budget == 0:
            return jnp.zeros(self.config.n_agents, bool)
        return jax.random.uniform(key, (self.config.n_agents,)) < self.config.comm_budget

    def _show(self, state: State, reward: Float[Array, "A"]) -> TimeStep:
        agents = self.config.n_agents
        covered = state.visited.sum()
        return TimeStep(
            observation=self._observe(state),
            state=jnp.concatenate(
                [
                    state.visited.ravel().astype(jnp.float32),
                    state.vegetation.ravel(),
                    state.agents.ravel() / jnp.float32(self.config.grid_size - 1),
                    1 - state.step[None] / jnp.float32(self.config.episode_len),
                ]
            ),
            legal=jnp.ones((agents, len(ACTIONS)), bool),
            active=jnp.ones(agents, bool),
            reward=reward,
            terminated=jnp.bool_(False),
            truncated=state.step >= self.config.episode_len,
            measures={
                "solved": (covered >= self._needed).astype(jnp.float32),
                "coverage": covered / jnp.float32(state.visited.size),
                "steps_to_95": state.reached.astype(jnp.float32),
            },
        )

    def _observe(self, state: State) -> Float[Array, "A O"]:
        """The crop around each agent, its cell, then the options that are on."""
        last = self.config.grid_size - 1
        reach = np.arange(-self.config.obs_radius, self.config.obs_radius + 1)
        rows, columns = (jnp.clip(state.agents[:, k, None] + reach, 0, last) for k in (0, 1))
        crop = lambda plane: plane[rows[:, :, None], columns[:, None, :]].reshape(len(state.agents), -1)
        parts = [crop(state.vegetation), state.agents / jnp.float32(last)]
        if self.config.observe_coverage:
            parts.append(crop(state.visited).astype(jnp.float32))
        if self.config.comm_budget > 0:
            parts.append(_messages(state, last))
        return jnp.concatenate(parts, -1)


def _messages(state: State, last: int) -> Float[Array, "A M"]:
    """What each agent hears: its team-mates' offsets in order of their index, and a flag; or zeros."""
    agents = len(state.agents)
    offset = (state.agents - state.agents[:, None]) / jnp.float32(last)  # (observer, other)
    others = np.array([[j for j in range(agents) if j != i] for i in range(agents)], int).reshape(agents, -1)
    offsets = jnp.take_along_axis(offset, jnp.asarray(others)[:, :, None], 1).reshape(agents, -1)
    return jnp.where(state.heard[:, None], jnp.concatenate([offsets, jnp.ones((agents, 1))], 1), 0.0)


def _distinct(key: PRNGKeyArray, count: int, among: int) -> Int[Array, "N"]:
    """``count`` distinct integers below ``among``, every ordered choice equally likely.

    Number k is drawn as a place among the ``among - k`` integers that are still free: no sort and no
    permutation of the grid, for a reset is paid in every step. (A remainder of 32 random bits
    favours no cell by more than ``among / 2**32``.)
    """
    free = among - jnp.arange(count, dtype=jnp.uint32)
    places = (jax.random.bits(key, (count,), jnp.uint32) % free).astype(jnp.int32)
    order = jnp.arange(count)

    def draw(taken: Array, place: Array) -> tuple[Array, Array]:
        cell = place + (taken - order <= place).sum()  # `taken` rises; so many taken ones come before
        before = taken < cell
        later = jnp.concatenate([cell[None], taken[:-1]])
        return jnp.where(before, taken, jnp.maximum(later, cell)), cell

    return jax.lax.scan(draw, jnp.full(count, 2 * among + count, jnp.int32), places)[1]


def _check(config: Config, agents: np.ndarray, vegetation: np.ndarray) -> None:
    size = config.grid_size
    if agents.shape != (config.n_agents, 2) or agents.dtype.kind not in "iu":
        raise UserError(
            f"agents have shape {agents.shape} and type {agents.dtype}; "
            f"give whole-numbered cells (row, column): shape ({config.n_agents}, 2)"
        )
    if (agents < 0).any() or (agents >= size).any():
        raise UserError(f"agents {agents.tolist()} leave the grid; rows and columns run from 0 to {size - 1}")
    if vegetation.shape != (size, size) or vegetation.dtype.kind not in "iuf":
        raise UserError(f"vegetation has shape {vegetation.shape}; give numbers of shape ({size}, {size})")
    if not np.isfinite(vegetation).all():
        raise UserError("vegetation has entries that are not finite numbers")
