"""The few names that everything is written in.

Axis letters, fixed here for the whole library: ``A`` agents, ``U`` actions, ``O`` observation size,
``S`` state size, ``B`` copies of the environment, ``T`` time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree, Shaped

Mode = Literal["greedy", "sample"]


@dataclass(frozen=True)
class Entities:
    """Which parts of a flat vector are entities on a map, seen by one of them.

    A record is ``coordinates`` numbers, then whatever else belongs to the entity. An input stage may
    turn the others' coordinates into offsets from ``own``; it needs nothing but the vector itself.

    Attributes:
        own: index where the observer's own record starts.
        others: indices where the other entities' records start.
        coordinates: how many numbers of a record are coordinates.
        present: place, inside a record, of the flag that is 0 for an empty record; None without one.
        extent: the largest absolute coordinate, used to scale to about [-1, 1].
    """

    own: int
    others: tuple[int, ...]
    coordinates: int = 2
    present: int | None = 2
    extent: float = 1.0


@dataclass(frozen=True)
class Codes:
    """Which parts of a flat vector are codes: whole numbers that name kinds and have no order.

    Records of one make follow each other. An input stage may give every value a feature of its own.

    Attributes:
        start: index where the first record starts.
        count: how many records there are.
        values: for each number of a record, the values to tell apart; others count as none of them.
    """

    start: int
    count: int
    values: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Spec:
    """What a learner may know about an environment before it starts.

    Attributes:
        name: the environment's name in the registry.
        agents, actions, observation, state: the sizes A, U, O and S.
        horizon: most steps an episode can have.
        discount: the discount the environment's published scores are counted with.
        return_range: lowest and highest undiscounted team return of an episode.
        shared_reward: every agent is paid the same team reward (else the team's is the sum).
        action_names: one name for each action.
        observation_entities, state_entities: entity records in the observation and the state.
        observation_codes, state_codes: codes in the observation and the state.
        observation_scale, state_scale: a typical largest absolute value of the remaining numbers.
    """

    name: str
    agents: int
    actions: int
    observation: int
    state: int
    horizon: int
    discount: float = 0.99
    return_range: tuple[float, float] = (0.0, 1.0)
    shared_reward: bool = False
    action_names: tuple[str, ...] = ()
    observation_entities: tuple[Entities, ...] = ()
    state_entities: tuple[Entities, ...] = ()
    observation_codes: tuple[Codes, ...] = ()
    state_codes: tuple[Codes, ...] = ()
    observation_scale: float = 1.0
    state_scale: float = 1.0


class TimeStep(NamedTuple):
    """What an environment shows after a reset or a step. ``reward`` belongs to the step that led here."""

    observation: Shaped[Array, "*B A O"]
    state: Shaped[Array, "*B S"]
    legal: Bool[Array, "*B A U"]
    active: Bool[Array, "*B A"]
    reward: Float[Array, "*B A"]
    terminated: Bool[Array, "*B"]  # the task ended: do not bootstrap
    truncated: Bool[Array, "*B"]  # the clock ran out: bootstrap from this very observation
    measures: dict[str, Float[Array, "*B"]]  # scalars of the task: solved, coverage, win rate ...

    @property
    def over(self) -> Bool[Array, "*B"]:
        """The episode ends with this very time step."""
        return self.terminated | self.truncated


def team_reward(spec: Spec, reward: Float[Array, "*B A"]) -> Float[Array, "*B"]:
    """The team's reward: the sum over agents, or agent 0's where all are paid the same."""
    return reward[..., 0] if spec.shared_reward else reward.sum(-1)


State = Any  # an environment's own pytree
Memory = Any  # what one agent remembers between steps; the empty tuple for feed-forward agents
Parameters = PyTree  # what execution needs: no mixer, critic or target
Metrics = dict[str, Float[Array, ""]]
ReferencePolicy = Callable[[PRNGKeyArray, State, TimeStep], Int[Array, "A"]]


@runtime_checkable
class Environment(Protocol):
    """A pure functional environment for one episode at a time; ``vmap`` makes copies.

    Class attributes ``Config`` and ``State`` live in the same file. ``step`` never resets: that is
    the rollout's work.
    """

    spec: Spec

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """The first state and time step of an episode (reward 0, not over)."""
        ...

    def step(self, key: PRNGKeyArray, state: State, actions: Int[Array, "A"]) -> tuple[State, TimeStep]:
        """One joint action. Called with an episode that is not over."""
        ...


@runtime_checkable
class Drawable(Protocol):
    """An environment that can be watched. ``draw`` runs on the host, on one (unbatched) state."""

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """An RGB picture, ``(height, width, 3)`` uint8, about ``size`` pixels wide."""
        ...


@runtime_checkable
class Referenced(Protocol):
    """An environment that ships policies to compare with. They may see the state; they are pure."""

    def references(self) -> Mapping[str, ReferencePolicy]:
        """Policies by name, best first: ``oracle``, ..., ``random`` is added by the library."""
        ...


@runtime_checkable
class Exact(Protocol):
    """An environment that is small enough to be solved: it scores memoryless policies without playing.

    A policy is a table ``(A, N, U)``: each agent's chances of actions at each of the N observations that
    there are; rows sum to 1. Agents act independently. All methods are pure: they jit and differentiate;
    many policies go along leading axes, which is faster than ``vmap``.
    """

    def observations(self) -> Shaped[Array, "N O"]:
        """Every observation that any agent can have."""
        ...

    def exact_return(
        self, probabilities: Float[Array, "*B A N U"], discount: float | Float[Array, ""] = 1.0
    ) -> Float[Array, "*B"]:
        """The expected team return of an episode; undiscounted by default."""
        ...

    def exact_visits(self, probabilities: Float[Array, "*B A N U"]) -> Float[Array, "*B A N"]:
        """How often each agent is expected to act on each observation in an episode."""
        ...


class Rows(NamedTuple):
    """A stretch of experience: the plain stream of time steps, T+1 rows of B copies.

    Row t+1 always follows row t: an episode's last time step has a row of its own, the next row
    opens the new episode. So ``rows[1:]`` *is* the true next observation, also at a truncation, and
    there is no array of ends to shift by one. The action on an episode's last row was never taken.
    """

    timestep: TimeStep  # leaves (T+1, B, ...)
    actions: Int[Array, "T B A"]
    first: Bool[Array, "T+1 B"]  # the row opens an episode: recurrent agents forget
    memory: Memory  # at row 0, leaves (B, A, ...)
    extras: Any  # what `explore` wanted kept, leaves (T, B, ...)

    @property
    def valid(self) -> Bool[Array, "T B"]:
        """Rows whose action was taken: all but the last time steps of episodes."""
        return ~self.timestep.over[:-1]


class Learner(NamedTuple):
    """An algorithm bound to an environment's sizes: pure functions over pytrees.

    Attributes:
        copies: environments stepped side by side in one update.
        steps: ticks of one update.
        init: ``key -> TrainState``; everything learning needs to go on, as one pytree.
        explore: ``(TrainState, memory, timestep, key) -> (memory, actions, extras)``; the behaviour
            policy for a batch, memory leaves ``(B, A, ...)``. The rollout renews memory at resets.
        learn: ``(TrainState, Rows, key) -> (TrainState, Metrics)``.
        policy: ``TrainState -> Parameters``; what execution needs and export writes.
        act: ``(parameters, agent, memory, observation, legal, key, mode) -> (memory, action)`` for ONE
            agent that sees nothing but its own observation; ``agent`` is its index.
        memory: ``() -> Memory`` of one agent at the start of an episode.
        values: ``(parameters, agent, memory, observation) -> U`` numbers behind the choice, for
            pictures: action values or log-probabilities.
        weights: ``TrainState -> Parameters`` of everything trained, mixer and critics included.
        start_from: ``(TrainState, weights) -> TrainState`` with these weights put in place.
        update: ``(TrainState, key) -> (TrainState, Metrics, Tally)`` of a learner that plays by itself, whole
            episodes of its own choosing; ``explore`` and ``learn`` are then never called in a run, and
            ``copies * steps`` is how many environment steps one update counts. None for all others.
        total_steps: environment steps that the learner's own settings ask for; a run ends there if that
            is before its own ``total_steps``. None where they ask for none.
        act_jointly: ``(parameters, memory, observation, legal, key, mode) -> (memory, actions)`` of all
            agents at once, leaves with a leading axis A, where actions are drawn together, as are those of
            agents that measure entangled qubits. Each agent's own chances depend on its own observation
            alone, and ``act`` draws from them. None where ``act`` says everything.
    """

    copies: int
    steps: int
    init: Callable[[PRNGKeyArray], Any]
    explore: Callable[..., tuple[Memory, Int[Array, "B A"], Any]]
    learn: Callable[[Any, Rows, PRNGKeyArray], tuple[Any, Metrics]]
    policy: Callable[[Any], Parameters]
    act: Callable[..., tuple[Memory, Int[Array, ""]]]
    memory: Callable[[], Memory]
    values: Callable[..., Float[Array, "U"]]
    weights: Callable[[Any], Parameters]
    start_from: Callable[[Any, Parameters], Any]
    update: Callable[[Any, PRNGKeyArray], tuple[Any, Metrics, Any]] | None = None
    total_steps: int | None = None
    act_jointly: Callable[..., tuple[Memory, Int[Array, "A"]]] | None = None
