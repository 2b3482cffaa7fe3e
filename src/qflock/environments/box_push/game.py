"""BoxPush: agents with a 7 x 7 view push boxes onto goals; heavy boxes need two of them in line.

Source of the rules: qflock's own specification (docs/environments/box_push.md); what a cell looks like
is MiniGrid's encoding. A cell is ``(x, y)``, y downwards; a direction is MiniGrid's: 0 right,
1 down, 2 left, 3 up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt8

from qflock.core.environment import ReferencePolicy
from qflock.core.errors import UserError
from qflock.core.spec import Codes, Spec
from qflock.core.steps import TimeStep
from qflock.environments.box_push import boards, picture, rules, view
from qflock.environments.box_push.references import greedy
from qflock.environments.box_push.rules import ACTIONS
from qflock.environments.box_push.view import VIEW, codes

LIGHT_PAYS, HEAVY_PAYS, STEP_COSTS = 1.0, 5.0, 0.01
MOST_BOXES = 3  # four light ones could start as a block that nobody can push apart
CLOCK = 20  # parts of an episode that the state tells apart


@dataclass(frozen=True)
class Config:
    """Settings of BoxPush.

    Raises:
        UserError: a setting is out of its range.
    """

    grid_size: int = 10
    """Cells along each side of the grid, the walls around it included."""
    n_agents: int = 2
    """Agents."""
    n_light: int = 2
    """Boxes that one agent can push."""
    n_heavy: int = 1
    """Boxes that two agents must push, one behind the other."""
    occlusion: bool = True
    """Walls hide what is behind them. Without, everything outside the board looks like wall."""
    max_steps: int = 200
    """Steps after which an episode is cut off."""
    start_near: int = 0
    """For a curriculum: boxes start at most so many cells, along each axis, from a goal, and agents at most
    one more from the last box. 0 draws them all over the board: the task itself."""
    start_lined: float = 0.0
    """For a curriculum: the probability with which each of the first two agents starts at its place in the
    line that can push the last box (a heavy one if there is any) towards its goal."""
    shaped_reward: float = 0.0
    """For a curriculum: paid for every cell that a box comes nearer to the nearest open goal, and taken back
    when it moves away. 0 is the task itself."""

    def __post_init__(self) -> None:
        boxes = self.n_light + self.n_heavy
        if not 6 <= self.grid_size <= 64:
            raise UserError(f"grid_size is {self.grid_size}; choose 6 to 64")
        if not 2 <= self.n_agents <= 4:
            raise UserError(f"n_agents is {self.n_agents}; choose 2 to 4")
        if self.n_light < 0 or self.n_heavy < 0 or not 1 <= boxes <= MOST_BOXES:
            raise UserError(
                f"n_light is {self.n_light} and n_heavy {self.n_heavy}; choose 1 to {MOST_BOXES} boxes in all"
            )
        room = max(0, self.grid_size - 2 * boards.HEAVY_GAP)
        if boxes > boards.lattice(self.grid_size) ** 2 or self.n_heavy > room**2:
            raise UserError(
                f"grid_size is {self.grid_size}: too small for {self.n_light} light and {self.n_heavy} heavy"
            )
        if self.max_steps < 1:
            raise UserError(f"max_steps is {self.max_steps}; choose 1 or more")
        if self.start_near < 0:
            raise UserError(f"start_near is {self.start_near}; choose 0 or more")
        if not 0 <= self.start_lined <= 1:
            raise UserError(f"start_lined is {self.start_lined}; choose a probability, 0 to 1")
        if not 0 <= self.shaped_reward < float("inf"):
            raise UserError(f"shaped_reward is {self.shaped_reward}; choose 0 or more")


class State(NamedTuple):
    """Where everything is. Light boxes come first."""

    agents: Int[Array, "A 2"]  # (x, y)
    directions: Int[Array, "A"]
    boxes: Int[Array, "B 2"]  # (x, y)
    home: Bool[Array, "B"]  # on a goal, to stay
    goals: Int[Array, "B 2"]  # (x, y)
    step: Int[Array, ""]  # steps taken in this episode


class Environment:
    """BoxPush as pure functions for one episode at a time.

    An observation is a view of 7 x 7 cells, three bytes each, by row, column and channel (see
    `_box_push_view.view`); the state is every cell inside the walls in the same form, then each
    agent's column, row and direction, then the time in twentieths of an episode.

    Measures: ``solved``, 1 where all boxes are home; ``boxes_home``, how many are; ``heavy_home``, how
    many heavy ones.

    Args:
        config: settings; the specified ones by default.
    """

    Config = Config
    State = State

    def __init__(self, config: Config = Config()) -> None:  # noqa: B008 (frozen)
        self.config = config
        boxes, inner = config.n_light + config.n_heavy, config.grid_size - 2
        self._heavy = np.arange(boxes) >= config.n_light
        self._pays = np.where(self._heavy, HEAVY_PAYS, LIGHT_PAYS).astype(np.float32)
        farthest = config.shaped_reward * boxes * 2 * (inner - 1)
        at, turns = tuple(range(1, inner + 1)), tuple(range(4))
        self.spec = Spec(
            name="box_push",
            agents=config.n_agents,
            actions=len(ACTIONS),
            observation=3 * VIEW**2,
            state=3 * inner**2 + 3 * config.n_agents + 1,
            horizon=config.max_steps,
            discount=0.99,
            return_range=(
                -STEP_COSTS * config.max_steps - farthest,
                float(self._pays.sum()) - STEP_COSTS + farthest,
            ),
            shared_reward=True,
            action_names=ACTIONS,
            observation_codes=(Codes(0, VIEW**2, codes(config.n_agents, whole=False)),),
            state_codes=(
                Codes(0, inner**2, codes(config.n_agents, whole=True)),
                Codes(3 * inner**2, config.n_agents, (at, at, turns)),
            ),
            observation_scale=10.0,
            state_scale=10.0,
        )

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """A board that can be solved, drawn at random (see `_box_push_boards`)."""
        c = self.config
        agents, directions, *rest = boards.board(
            key, c.grid_size, c.n_agents, c.n_light, c.n_heavy, c.start_near
        )
        if c.start_lined:
            line = jax.random.fold_in(key, 1)  # beside the draws of the board itself
            agents, directions = boards.line_up(line, c.grid_size, c.start_lined, agents, directions, *rest)
        return self._start(agents, directions, *rest)

    def place(self, agents: Any, directions: Any, boxes: Any, goals: Any) -> tuple[State, TimeStep]:
        """Start from given cells, solvable or not.

        Args:
            agents: cells ``(x, y)``, shape (n_agents, 2), 1 to grid_size - 2.
            directions: 0 right, 1 down, 2 left, 3 up; shape (n_agents,).
            boxes: cells, light boxes first, shape (n_light + n_heavy, 2).
            goals: cells, as many as boxes. Only agents may stand on goals.

        Raises:
            UserError: wrong shapes, a cell in the walls, or two things on one cell.
        """
        given = (agents, directions, boxes, goals)
        if not any(isinstance(x, Tracer) for x in given):
            _check(self.config, *(np.asarray(x) for x in given))
        return self._start(*(jnp.asarray(x, jnp.int32) for x in given))

    def step(self, key: PRNGKeyArray, state: State, actions: Int[Array, "A"]) -> tuple[State, TimeStep]:
        """One joint action; an unknown action id means staying. ``key`` is not used: nothing is random.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``, or ``(A, size)`` of a Box.
        """
        del key
        agents, directions, boxes = rules.move(self.config.grid_size, self._heavy, *state[:4], actions)
        on_goal = (boxes[:, None] == state.goals).all(-1).any(1)
        after = State(agents, directions, boxes, state.home | on_goal, state.goals, state.step + 1)
        paid = ((after.home & ~state.home) * self._pays).sum() - STEP_COSTS
        if self.config.shaped_reward:
            paid = paid + self.config.shaped_reward * (_away(state) - _away(after))
        return after, self._show(after, paid)

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """A picture, about ``size`` pixels wide, with a caption line: (height, width, 3) uint8 RGB.

        Tinted cells are those that agents see; a lit goal is open; a box with a green edge is home.

        Args:
            state: one unbatched state, on the host.
            size: about how many pixels wide.
        """
        return picture.draw(state, self.config.grid_size, self._heavy, size)

    def references(self) -> dict[str, ReferencePolicy]:
        """Greedy pushing of one box after another by agents that see everything."""
        return {"greedy": greedy(self.config.grid_size, self._heavy)}

    def _start(self, agents: Array, directions: Array, boxes: Array, goals: Array) -> tuple[State, TimeStep]:
        state = State(agents, directions, boxes, jnp.zeros(len(boxes), bool), goals, jnp.int32(0))
        return state, self._show(state, jnp.float32(0))

    def _show(self, state: State, paid: Float[Array, ""]) -> TimeStep:
        c = self.config
        seen = view.view(c.grid_size, self._heavy, c.occlusion, *state[:5])
        solved = state.home.all()
        return TimeStep(
            observation=seen,
            state=self._whole(state),
            legal=jnp.ones((c.n_agents, len(ACTIONS)), bool),
            active=jnp.ones(c.n_agents, bool),
            reward=jnp.full(c.n_agents, paid, jnp.float32),
            terminated=solved,
            truncated=(state.step >= c.max_steps) & ~solved,
            measures={
                "solved": solved.astype(jnp.float32),
                "boxes_home": state.home.sum(dtype=jnp.float32),
                "heavy_home": (state.home & self._heavy).sum(dtype=jnp.float32),
            },
        )

    def _whole(self, state: State) -> UInt8[Array, "S"]:
        cells = view.plane(self.config.grid_size, self._heavy, *state[:5])
        poses = jnp.concatenate([state.agents, state.directions[:, None]], 1).ravel()
        clock = state.step * CLOCK // self.config.max_steps
        return jnp.concatenate([cells, poses.astype(jnp.uint8), clock.astype(jnp.uint8)[None]])


def _away(state: State) -> Float[Array, ""]:
    """Steps from every box that is not home to the nearest goal without a box, summed."""
    steps = jnp.abs(state.boxes[:, None] - state.goals).sum(-1)
    filled = ((state.boxes[:, None] == state.goals).all(-1) & state.home[:, None]).any(0)
    nearest = jnp.where(filled, jnp.iinfo(jnp.int32).max, steps).min(1)
    return jnp.where(state.home, 0, nearest).sum().astype(jnp.float32)


def _check(
    config: Config, agents: np.ndarray, directions: np.ndarray, boxes: np.ndarray, goals: np.ndarray
) -> None:
    many = config.n_light + config.n_heavy
    for name, cells, count in (
        ("agents", agents, config.n_agents),
        ("boxes", boxes, many),
        ("goals", goals, many),
    ):
        if cells.shape != (count, 2) or cells.dtype.kind not in "iu":
            raise UserError(
                f"{name} are {cells.tolist()}; give whole-numbered cells (x, y): shape ({count}, 2)"
            )
        if (cells < 1).any() or (cells > config.grid_size - 2).any():
            raise UserError(
                f"{name} {cells.tolist()} stand in walls; x and y run from 1 to {config.grid_size - 2}"
            )
    if directions.shape != (config.n_agents,) or not np.isin(directions, range(4)).all():
        raise UserError(f"directions are {directions.tolist()}; give {config.n_agents} of 0, 1, 2, 3")
    for first, second in ((agents, boxes), (boxes, goals)):
        cells = [tuple(cell) for cell in (*first.tolist(), *second.tolist())]
        if len(set(cells)) < len(cells):
            raise UserError(f"two things stand on one of the cells {cells}; only agents may stand on goals")
