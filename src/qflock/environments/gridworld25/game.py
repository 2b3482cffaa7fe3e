"""GridWorld25v0: four agents gather four foods on a grid, exactly as in published results.

Every agent and every food has a cell ``(x, y)``; y grows downwards. Conflicts between moves are
settled in one pass, so an agent may enter the cell of one that was blocked: two agents can end on
one cell. Published results have this, and so do we.

Source of the rules: the environment ``GridWorld25v0`` behind published QMIX, MADQN and
policy-gradient scores; recorded episodes of it replay exactly (see the tests).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Int, Int8, PRNGKeyArray

from qflock.core.environment import ReferencePolicy
from qflock.core.errors import UserError
from qflock.core.spec import Entities, Spec
from qflock.core.steps import TimeStep
from qflock.environments._canvas import Canvas, agent_colour, apple, disc
from qflock.environments.gridworld25 import symmetries
from qflock.environments.gridworld25.boards import distinct
from qflock.environments.gridworld25.references import greedy, greedy_neighbour, oracle

AGENTS = FOODS = 4
ACTIONS = ("stay", "up", "down", "left", "right", "collect")
COLLECT = ACTIONS.index("collect")
MOVES = np.array([(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)], np.int8)  # by action id
NEIGHBOUR = (1, 0, 0, 1)  # the one other agent that each agent sees
SLOTS = 3  # foods that each agent sees
TURNED = symmetries.action_table(MOVES, len(ACTIONS))
LEFT_OVER = -0.5  # paid to every agent for every food that remains when the clock runs out
OBSERVATION = 18  # itself, its neighbour, three foods and a last empty record, three numbers each


@dataclass(frozen=True)
class Config:
    """Settings of GridWorld25v0; the defaults are the published ones.

    Raises:
        UserError: a setting is out of its range.
    """

    grid_size: int = 25
    """Cells along each side of the grid."""
    max_steps: int = 200
    """Steps after which an episode is cut off."""
    layout: Literal["random", "fixed"] = "random"
    """random draws new cells at every reset (published as mode_1), fixed draws them once (mode_2)."""
    layout_seed: int = 0
    """Seed of the one start that layout=fixed returns to at every reset."""
    collisions: bool = True
    """Whether agents block each other. Without, they pass through each other and share a food that several
    reach at once: the idealisation behind the published bounds."""

    def __post_init__(self) -> None:
        if not 3 <= self.grid_size <= 128:
            raise UserError(
                f"grid_size is {self.grid_size}: {AGENTS} agents and {FOODS} foods need a cell each and "
                "coordinates fit in 8 bits; choose 3 to 128"
            )
        if self.max_steps < 1:
            raise UserError(f"max_steps is {self.max_steps}; choose 1 or more")
        if self.layout not in ("random", "fixed"):
            raise UserError(f"layout is {self.layout!r}; choose 'random' or 'fixed'")


class State(NamedTuple):
    """Where everything is. Eaten foods keep their cell."""

    agents: Int8[Array, "4 2"]  # (x, y)
    foods: Int8[Array, "4 2"]  # (x, y)
    remaining: Bool[Array, "4"]
    step: Int[Array, ""]  # steps taken in this episode


class Environment:
    """GridWorld25v0 as pure functions for one episode at a time.

    Args:
        config: settings; the published ones by default.
    """

    Config = Config
    State = State
    symmetries = len(symmetries.SYMMETRIES)
    published = {"score": 1.62, "by": "the best figure found in print, on one fixed layout"}  # noqa: RUF012

    def __init__(self, config: Config = Config()) -> None:  # noqa: B008 (frozen)
        self.config = config
        extent = float(config.grid_size - 1)
        eyes = Entities(own=0, others=(3, 6, 9, 12), coordinates=2, present=2, extent=extent)
        self.spec = Spec(
            name="gridworld25",
            agents=AGENTS,
            actions=len(ACTIONS),
            observation=OBSERVATION,
            state=AGENTS * OBSERVATION,
            horizon=config.max_steps,
            discount=0.95,
            return_range=(AGENTS * FOODS * LEFT_OVER, float(FOODS)),
            action_names=ACTIONS,
            observation_entities=(eyes,),
            state_entities=tuple(
                replace(eyes, own=base, others=tuple(base + at for at in eyes.others))
                for base in range(0, AGENTS * OBSERVATION, OBSERVATION)
            ),
        )

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """Agents and foods on 8 distinct cells, uniformly; with ``layout="fixed"`` always the same."""
        if self.config.layout == "fixed":
            key = jax.random.key(self.config.layout_seed)
        size = self.config.grid_size
        cells = jnp.stack(distinct(key, AGENTS + FOODS, size * size))
        places = jnp.stack([cells % size, cells // size], -1).astype(jnp.int8)
        return self._start(places[:AGENTS], places[AGENTS:])

    def place(self, agents: Any, foods: Any) -> tuple[State, TimeStep]:
        """Start from given cells.

        Args:
            agents: four cells ``(x, y)``, shape (4, 2); cells may be shared.
            foods: four cells ``(x, y)``, shape (4, 2); one under an agent is eaten by the first step.

        Raises:
            UserError: not four whole cells, or one off the grid.
        """
        if not isinstance(agents, Tracer) and not isinstance(foods, Tracer):
            _check_cells("agents", agents, self.config.grid_size)
            _check_cells("foods", foods, self.config.grid_size)
        return self._start(jnp.asarray(agents, jnp.int8), jnp.asarray(foods, jnp.int8))

    def step(self, key: PRNGKeyArray, state: State, actions: Int[Array, "4"]) -> tuple[State, TimeStep]:
        """One joint action; an unknown action id means staying. ``key`` is not used: nothing is random.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``, or ``(A, size)`` of a Box.
        """
        del key
        agents, targets = state.agents, self._targets(state, actions)
        if self.config.collisions:
            agents = jnp.where(_blocked(agents, targets)[:, None], agents, targets)
        else:
            agents = targets
        on_food = _same_cell(agents, state.foods) & state.remaining  # (agent, food)
        remaining = state.remaining & ~on_food.any(0)
        left = remaining.sum(dtype=jnp.float32)
        step = state.step + 1
        truncated = (step >= self.config.max_steps) & (left > 0)
        paid = on_food.astype(jnp.float32)  # to every agent on the food's cell
        if not self.config.collisions:
            paid = paid / jnp.maximum(paid.sum(0), 1)
        reward = paid.sum(1) + jnp.where(truncated, LEFT_OVER * left, 0.0)
        after = State(agents, state.foods, remaining, step)
        return after, _timestep(after, reward, left == 0, truncated)

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """A picture, about ``size`` pixels wide, with a caption line: (height, width, 3) uint8 RGB.

        Args:
            state: one unbatched state, on the host.
            size: about how many pixels wide.
        """
        canvas = Canvas(self.config.grid_size, self.config.grid_size, size)
        agents, foods = np.asarray(state.agents).tolist(), np.asarray(state.foods)
        left = foods[np.asarray(state.remaining)].tolist()
        for food in left:
            canvas.stamp(apple, food)
        for i, cell in enumerate(agents):
            together = [j for j in range(AGENTS) if agents[j] == cell]
            canvas.stamp(disc, cell, agent_colour(i), str(i), share=(together.index(i), len(together)))
        canvas.caption(f"step {int(state.step)}", f"foods left: {len(left)}")
        return canvas.array()

    def references(self) -> dict[str, ReferencePolicy]:
        """The all-seeing planner, then two policies that use each agent's own observation only."""
        return {"oracle": oracle, "greedy_neighbour": greedy_neighbour, "greedy": greedy}

    def turned(self, which: Int[Array, ""], timestep: TimeStep) -> TimeStep:
        """As `core.environment.Symmetric`: the board's eight symmetries.

        Args:
            which: number of the symmetry.
            timestep: unbatched.
        """
        observation, state = (
            symmetries.records(which, x, self.config.grid_size - 1)
            for x in (timestep.observation, timestep.state)
        )
        return timestep._replace(observation=observation, state=state)

    def turned_actions(self, which: Int[Array, ""], actions: Int[Array, "4"]) -> Int[Array, "4"]:
        """As `core.environment.Symmetric`.

        Args:
            which: number of the symmetry.
            actions: of all agents, ``(A,)``.
        """
        known = (actions >= 0) & (actions < len(ACTIONS))
        table = jnp.asarray(TURNED, actions.dtype)[which]
        return jnp.where(known, table[jnp.where(known, actions, 0)], actions)

    def turned_state(self, which: Int[Array, ""], state: State) -> State:
        """As `core.environment.Symmetric`.

        Args:
            which: number of the symmetry.
            state: unbatched.
        """
        agents, foods = (
            symmetries.cells(which, x, self.config.grid_size - 1) for x in (state.agents, state.foods)
        )
        return state._replace(agents=agents, foods=foods)

    def _start(self, agents: Int8[Array, "4 2"], foods: Int8[Array, "4 2"]) -> tuple[State, TimeStep]:
        state = State(agents, foods, jnp.ones(FOODS, bool), jnp.int32(0))
        return state, _timestep(state, jnp.zeros(AGENTS), jnp.bool_(False), jnp.bool_(False))

    def _targets(self, state: State, actions: Int[Array, "4"]) -> Int8[Array, "4 2"]:
        """The cell that each agent wants to stand on; its own where it stays."""
        chosen = actions[:, None] == jnp.arange(len(MOVES))
        moved = state.agents + (chosen[:, :, None] * MOVES).sum(1, dtype=jnp.int8)
        inside = ((moved >= 0) & (moved < self.config.grid_size)).all(-1)
        away = jnp.abs(state.agents[:, None] - state.foods).astype(jnp.int16).sum(-1)
        near = (away == 1) & state.remaining
        earlier = jnp.tril(jnp.ones((FOODS, FOODS), bool), -1)
        first = near & ~(near[:, None, :] & earlier).any(-1)  # the first such food in food order
        food = (first[:, :, None] * state.foods).sum(1, dtype=jnp.int8)
        collects = (actions == COLLECT) & near.any(-1)
        moves = jnp.where(inside[:, None], moved, state.agents)
        return jnp.where(collects[:, None], food, moves)


def _same_cell(first: Int8[Array, "4 2"], second: Int8[Array, "4 2"]) -> Bool[Array, "4 4"]:
    return (first[:, None] == second).all(-1)


def _blocked(old: Int8[Array, "4 2"], targets: Int8[Array, "4 2"]) -> Bool[Array, "4"]:
    """Agents that must stay: two that would change places, and all that want one cell."""
    others = ~jnp.eye(AGENTS, dtype=bool)
    wants = _same_cell(targets, old)
    return (((wants & wants.T) | _same_cell(targets, targets)) & others).any(1)


def _timestep(state: State, reward: Array, terminated: Array, truncated: Array) -> TimeStep:
    observation = _observe(state)
    left = state.remaining.sum(dtype=jnp.float32)
    return TimeStep(
        observation=observation,
        state=observation.reshape(-1),
        legal=jnp.ones((AGENTS, len(ACTIONS)), bool),
        active=jnp.ones(AGENTS, bool),
        reward=reward,
        terminated=terminated,
        truncated=truncated,
        measures={"solved": (left == 0).astype(jnp.float32), "foods_left": left},
    )


def _observe(state: State) -> Int8[Array, "4 18"]:
    """What each agent sees: itself, its neighbour, three foods and an empty record.

    The published slots, of agent i among m remaining foods, come to: slot k shows remaining food
    ``(i + k) mod m`` if k < m, and nothing otherwise.
    """
    left = state.remaining.sum(dtype=jnp.int8)
    rank = jnp.cumsum(state.remaining, dtype=jnp.int8) - 1  # place in the list of remaining foods
    agent = jnp.arange(AGENTS, dtype=jnp.int8)[:, None]
    slot = jnp.arange(SLOTS, dtype=jnp.int8)
    shown = (agent + slot) % jnp.maximum(left, 1)
    seen = (shown[:, :, None] == rank) & state.remaining & (slot < left)[:, None]  # (agent, slot, food)
    flag = jnp.ones((AGENTS, 1), jnp.int8)
    foods = jnp.concatenate([state.foods, flag], 1)
    agents = jnp.concatenate([state.agents, flag], 1)
    slots = (seen[..., None] * foods).sum(2, dtype=jnp.int8).reshape(AGENTS, -1)
    neighbours = jnp.stack([agents[i] for i in NEIGHBOUR])
    return jnp.concatenate([agents, neighbours, slots, jnp.zeros((AGENTS, 3), jnp.int8)], 1)


def _check_cells(name: str, given: Any, size: int) -> None:
    cells = np.asarray(given)
    if cells.shape != (AGENTS, 2) or cells.dtype.kind not in "iu":
        raise UserError(f"{name} are {given}; give four cells (x, y) of whole numbers: shape (4, 2)")
    if (cells < 0).any() or (cells >= size).any():
        raise UserError(f"{name} {cells.tolist()} leave the grid; x and y run from 0 to {size - 1}")
