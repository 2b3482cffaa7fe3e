"""What is seen of a BoxPush board, in MiniGrid's encoding of a cell by type, colour and state.

Nothing is gathered from a grid: every piece is put where it belongs by comparing its place with the
numbers of the cells, which a processor does for many cells at once.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt8

from qflock.environments.box_push.rules import ahead

VIEW = 7  # cells along each side of an agent's view
MIDDLE = VIEW // 2
UNSEEN, EMPTY, WALL, BOX, GOAL, AGENT = 0, 1, 2, 7, 8, 10  # types, MiniGrid's numbers
GREEN, YELLOW, GREY = 1, 4, 5  # colours: of goals, of light boxes, of walls and heavy boxes
HOME = 1  # state of a box that is home; an agent's state is its direction


def codes(n_agents: int, whole: bool) -> tuple[tuple[int, ...], ...]:
    """What to tell apart of a cell's type, colour and state; a plain empty cell is none of it.

    Args:
        whole: of the state, which has neither walls nor unseen cells, and tells of agents elsewhere.
    """
    if whole:
        return (BOX, GOAL, AGENT), (YELLOW, GREY), (HOME,)
    agents = tuple(range(1, n_agents))
    return (UNSEEN, WALL, BOX, GOAL, AGENT), (*agents, YELLOW, GREY), (1, 2, 3)


def _packed(kind: int, colour: int = 0) -> int:
    """Type and colour in one number; the state is added as ``state << 8``."""
    return kind | colour << 4


def _channels(cells: Int[Array, "N C"]) -> UInt8[Array, "N 3C"]:
    """Packed cells as three bytes each."""
    spread = cells[..., None] >> np.array([0, 4, 8], np.int32)
    return (spread & 15).astype(jnp.uint8).reshape(len(cells), -1)


def _boxes(heavy: np.ndarray, home: Bool[Array, "B"]) -> Int[Array, "B"]:
    kinds = jnp.where(heavy, _packed(BOX, GREY), _packed(BOX, YELLOW))
    return kinds + home * (HOME << 8)


def view(
    grid_size: int,
    heavy: np.ndarray,
    occlusion: bool,
    agents: Int[Array, "A 2"],
    directions: Int[Array, "A"],
    boxes: Int[Array, "B 2"],
    home: Bool[Array, "B"],
    goals: Int[Array, "B 2"],
) -> UInt8[Array, "A 147"]:
    """Each agent's 7 x 7 cells by row, column and channel, turned so that it faces up.

    The agent stands in the last row's middle. Directions are as seen: an agent that faces the same way
    has 3, up. Agents hide goals under them. With ``occlusion``, walls hide what is behind them as
    in MiniGrid; the only walls are those around the board, so what is hidden is what lies outside.
    Without it, all outside is wall.

    Args:
        grid_size: cells along a side, walls included.
        heavy: which boxes are heavy, ``(B,)``.
        occlusion: whether walls hide what is behind them.
        agents: cells ``(x, y)``, ``(A, 2)``.
        directions: ``(A,)``, 0 to 3.
        boxes: cells, ``(B, 2)``.
        home: which boxes stand on a goal, ``(B,)``.
        goals: cells, ``(B, 2)``.
    """
    cell = np.arange(VIEW * VIEW)
    front, side = VIEW - 1 - cell // VIEW, cell % VIEW - MIDDLE
    forth = ahead(directions)
    right = jnp.stack([-forth[:, 1], forth[:, 0]], -1)

    def to_wall(way: Int[Array, "A 2"]) -> Int[Array, "A 1"]:
        return jnp.where(way > 0, grid_size - 1 - agents, jnp.where(way < 0, agents, 0)).sum(-1)[:, None]

    def places(pieces: Int[Array, "N 2"]) -> Int[Array, "A N"]:
        """The number of the cell where each agent sees each piece; -1 where it does not."""
        offset = pieces - agents[:, None]
        before, aside = (offset * forth[:, None]).sum(-1), (offset * right[:, None]).sum(-1)
        seen = (before >= 0) & (before < VIEW) & (jnp.abs(aside) <= MIDDLE)
        return jnp.where(seen, (VIEW - 1 - before) * VIEW + aside + MIDDLE, -1)

    room = [(front, to_wall(forth)), (side, to_wall(right)), (-side, to_wall(-right))]
    within = [(at < wall, at <= wall) for at, wall in room]
    free, board = within[0]
    for inner, outer in within[1:]:
        free, board = free & inner, board & outer
    outside = _packed(UNSEEN) if occlusion else _packed(WALL, GREY)
    seen = jnp.where(free, _packed(EMPTY), jnp.where(board, _packed(WALL, GREY), outside))
    facing = (directions - directions[:, None] + 3) % 4  # (observer, other)
    players = _packed(AGENT) + (jnp.arange(len(agents)) << 4) + (facing << 8)
    return _channels(
        _stamped(
            seen,
            (places(goals), jnp.full((1, len(goals)), _packed(GOAL, GREEN))),
            (places(boxes), _boxes(heavy, home)[None]),
            (places(agents), players),
        )
    )


def plane(
    grid_size: int,
    heavy: np.ndarray,
    agents: Int[Array, "A 2"],
    directions: Int[Array, "A"],
    boxes: Int[Array, "B 2"],
    home: Bool[Array, "B"],
    goals: Int[Array, "B 2"],
) -> UInt8[Array, "P"]:
    """All cells inside the walls by row, column and channel; directions as they are.

    Args:
        grid_size: cells along a side, walls included.
        heavy: which boxes are heavy, ``(B,)``.
        agents: cells ``(x, y)``, ``(A, 2)``.
        directions: ``(A,)``, 0 to 3.
        boxes: cells, ``(B, 2)``.
        home: which boxes stand on a goal, ``(B,)``.
        goals: cells, ``(B, 2)``.
    """
    inner = grid_size - 2
    places = lambda pieces: ((pieces[:, 1] - 1) * inner + pieces[:, 0] - 1)[None]
    players = _packed(AGENT) + (jnp.arange(len(agents)) << 4) + (directions << 8)
    board = _stamped(
        jnp.full((1, inner * inner), _packed(EMPTY)),
        (places(goals), jnp.full((1, len(goals)), _packed(GOAL, GREEN))),
        (places(boxes), _boxes(heavy, home)[None]),
        (places(agents), players[None]),
    )
    return _channels(board)[0]


def _stamped(cells: Int[Array, "N C"], *layers: tuple[Array, Array]) -> Int[Array, "N C"]:
    """Cells with pieces put on them, later layers on top; a layer is places and codes, (N or 1, pieces)."""
    number = np.arange(cells.shape[1])
    for places, codes in layers:
        for k in range(places.shape[1]):
            cells = jnp.where(places[:, k, None] == number, codes[:, k, None], cells)
    return cells
