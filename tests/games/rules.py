"""What a tiny game is: rules in plain Python, tables made of them, and the best return by value iteration.

All games have the same shapes, so that a learner is compiled once for all of them: a game is data. Places are
numbered as they are found from the start; agents see a place as a one-hot vector.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qflock.core.spec import Spec
from qflock.core.steps import TimeStep

AGENTS, ACTIONS, PLACES = 2, 3, 40
DISCOUNT = 0.9
STEPS = 48
"""Of a game that is scored: all end sooner, but where the world goes on after the clock; 0.9^48 is 0.006."""
Place = tuple[int, ...]
Joint = tuple[int, int]


@dataclass(frozen=True)
class Game:
    """A deterministic game of two agents with up to three actions.

    Attributes:
        name: of the game.
        asks: what a learner must get right to reach the optimum, for the table.
        start: the first place.
        step: from a place and a joint action, the next place and what each agent is paid. Actions of agents
            that are not there must not matter.
        over: whether the game has ended.
        there: which agents are there.
        legal: the legal actions of each agent; those of agents that are not there count for nothing.
        reward: what agents learn from and are scored by.
        clock: steps after which training is truncated while the world would go on; 0 for none.
        blind: agents that have left see zeros, not the place.
    """

    name: str
    asks: str
    start: Place
    step: Callable[[Place, Joint], tuple[Place, tuple[float, float]]]
    over: Callable[[Place], bool]
    there: Callable[[Place], tuple[bool, bool]] = lambda place: (True, True)
    legal: Callable[[Place], tuple[tuple[int, ...], tuple[int, ...]]] = lambda place: ((0, 1, 2), (0, 1, 2))
    reward: Literal["team", "own"] = "team"
    clock: int = 0
    blind: bool = False


class Tables(NamedTuple):
    """A game as arrays; N places, A agents, U actions."""

    next: Any  # (N, U, U)
    paid: Any  # (N, U, U, A)
    there: Any  # (N, A)
    legal: Any  # (N, A, U)
    over: Any  # (N,)
    clock: Any  # ()
    blind: Any  # ()


def tables(game: Game) -> Tables:
    """A game's tables; place 0 is the start, and rows that belong to no place are over.

    Raises:
        ValueError: the game has too many places, or no legal action for an agent that is there.
    """
    found, number = [game.start], {game.start: 0}
    step = np.zeros((PLACES, ACTIONS, ACTIONS), np.int32)
    paid = np.zeros((PLACES, ACTIONS, ACTIONS, AGENTS), np.float32)
    there, legal = np.zeros((PLACES, AGENTS), bool), np.zeros((PLACES, AGENTS, ACTIONS), bool)
    over = np.ones(PLACES, bool)
    for place in found:  # grows while it is read
        at = number[place]
        over[at], there[at] = game.over(place), game.there(place)
        for agent, actions in enumerate(game.legal(place)):
            legal[at, agent, list(actions)] = there[at, agent]
        if (there[at] & ~legal[at].any(-1)).any():
            raise ValueError(f"{game.name}: an agent has no legal action at {place}")
        if over[at]:
            continue
        for joint in itertools.product(range(ACTIONS), repeat=AGENTS):
            after, reward = game.step(place, joint)
            if after not in number:
                number[after] = len(found)
                found.append(after)
            step[at][joint], paid[at][joint] = number[after], reward
    if len(found) > PLACES:
        raise ValueError(f"{game.name} has {len(found)} places, more than {PLACES}")
    return Tables(step, paid, there, legal, over, np.int32(game.clock), np.bool_(game.blind))


def optimum(game: Game) -> float:
    """The best discounted return from the start, by value iteration over places and joint legal actions.

    With own rewards each agent's best own return until it leaves, summed: in these games all can have it.
    """
    table = tables(game)
    free = np.where(table.there[..., None], table.legal, True)
    allowed = free[:, 0, :, None] & free[:, 1, None, :] & ~table.over[:, None, None]
    own = (
        table.paid * table.there[:, None, None] if game.reward == "own" else table.paid.sum(-1, keepdims=True)
    )
    best = 0.0
    for reward in np.moveaxis(own, -1, 0):
        value = np.zeros(PLACES)
        for _ in range(STEPS):
            each = np.where(allowed, reward + DISCOUNT * value[table.next], -np.inf).max((1, 2))
            value = np.where(table.over, 0.0, each)
        best += value[0]
    return float(best)


class State(NamedTuple):
    """Where a game stands."""

    place: Any
    steps: Any


class Play:
    """A game as an environment. Its tables may be traced arrays: one program then serves all games."""

    spec = Spec(
        name="tiny_game",
        agents=AGENTS,
        actions=ACTIONS,
        observation=PLACES,
        state=PLACES,
        horizon=20,
        discount=DISCOUNT,
        return_range=(-1.0, 8.0),
    )

    def __init__(self, game: Tables) -> None:
        self.game = game

    def reset(self, key: Any) -> tuple[State, TimeStep]:
        state = State(jnp.int32(0), jnp.int32(0))
        return state, self._show(state, jnp.zeros(AGENTS))

    def step(self, key: Any, state: State, actions: Any) -> tuple[State, TimeStep]:
        a, b = jnp.where(self.game.there[state.place], actions, 0)
        paid = jnp.asarray(self.game.paid)[state.place, a, b]
        after = State(jnp.asarray(self.game.next)[state.place, a, b], state.steps + 1)
        return after, self._show(after, paid)

    def _show(self, state: State, paid: Any) -> TimeStep:
        game = jax.tree.map(jnp.asarray, self.game)
        there, over = game.there[state.place], game.over[state.place]
        whole = jax.nn.one_hot(state.place, PLACES)
        seen = jnp.where(there[:, None] | ~game.blind, whole, 0.0)
        cut = (game.clock > 0) & (state.steps >= game.clock) & ~over
        return TimeStep(seen, whole, game.legal[state.place], there, paid, over, cut, {})
