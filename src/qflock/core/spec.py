"""What a learner may know about an environment before it starts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from qflock.core.errors import UserError


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
class Choices:
    """Discrete actions: an agent chooses one of ``count``, by its number.

    Attributes:
        count: how many there are, U.
        names: one name for each; empty for numbers.
    """

    count: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Box:
    """Continuous actions: an agent gives ``size`` numbers, each between finite bounds.

    Attributes:
        size: how many numbers.
        low, high: bounds of each number; any sequence, kept as a tuple.
        names: one name for each number; empty for numbers.

    Raises:
        UserError: bounds of another length, infinite, or none above the other.
    """

    size: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, tuple(float(x) for x in getattr(self, name)))
        if not len(self.low) == len(self.high) == self.size:
            raise UserError(
                f"a Box of size {self.size} has {len(self.low)} low and {len(self.high)} high bounds"
            )
        if not all(math.isfinite(x) for x in (*self.low, *self.high)):
            raise UserError(
                "the bounds of a Box must be finite; scale and clip the actions in the environment"
            )
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise UserError(f"the bounds of a Box must rise: low is {self.low}, high {self.high}")


@dataclass(frozen=True, init=False)
class Spec:
    """What a learner may know about an environment before it starts.

    Attributes:
        name: the environment's name in the registry.
        agents, observation, state: the sizes A, O and S.
        action: what an agent does at a step: `Choices` or a `Box`; a whole number stands for so many choices.
        horizon: most steps an episode can have.
        discount: the discount the environment's published scores are counted with.
        return_range: lowest and highest undiscounted team return of an episode.
        shared_reward: every agent is paid the same team reward (else the team's is the sum).
        observation_entities, state_entities: entity records in the observation and the state.
        observation_codes, state_codes: codes in the observation and the state.
        observation_scale, state_scale: a typical largest absolute value of the remaining numbers.
        teams: the team of each agent, counted from 0; empty where all are one team.
        agents_return: agents may join late, and come back after they have left, as those of environments on
            the host do; else whoever is gone stays away.

    Raises:
        TypeError: no action.
        UserError: teams for another number of agents, or a team without agents.
    """

    name: str
    agents: int
    action: Choices | Box
    observation: int
    state: int
    horizon: int
    discount: float
    return_range: tuple[float, float]
    shared_reward: bool
    observation_entities: tuple[Entities, ...]
    state_entities: tuple[Entities, ...]
    observation_codes: tuple[Codes, ...]
    state_codes: tuple[Codes, ...]
    observation_scale: float
    state_scale: float
    teams: tuple[int, ...]
    agents_return: bool

    def __init__(
        self,
        name: str,
        agents: int,
        action: Choices | Box | int | None = None,
        observation: int = 0,
        state: int = 0,
        horizon: int = 1,
        discount: float = 0.99,
        return_range: tuple[float, float] = (0.0, 1.0),
        shared_reward: bool = False,
        action_names: Sequence[str] = (),
        observation_entities: tuple[Entities, ...] = (),
        state_entities: tuple[Entities, ...] = (),
        observation_codes: tuple[Codes, ...] = (),
        state_codes: tuple[Codes, ...] = (),
        observation_scale: float = 1.0,
        state_scale: float = 1.0,
        teams: tuple[int, ...] = (),
        agents_return: bool = False,
        *,
        actions: int | None = None,
    ) -> None:
        """``actions`` and ``action_names`` say what ``Choices(actions, action_names)`` does."""
        action = actions if action is None else action
        if action is None:
            raise TypeError("a Spec needs an action: Choices, a Box, or the number of choices")
        if not isinstance(action, (Choices, Box)):
            action = Choices(action, tuple(action_names))
        elif action_names:
            action = dataclasses.replace(action, names=tuple(action_names))
        if teams and (len(teams) != agents or set(teams) != set(range(max(teams) + 1))):
            raise UserError(f"teams of {name} is {teams}: give each of its {agents} agents a team, from 0 up")
        given = locals()
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, given[field.name])

    @property
    def actions(self) -> int:
        """How many actions an agent chooses from, U.

        Raises:
            UserError: its actions are continuous.
        """
        return self.choices.count

    @property
    def choices(self) -> Choices:
        """The discrete actions.

        Raises:
            UserError: its actions are continuous.
        """
        if isinstance(self.action, Choices):
            return self.action
        raise UserError(
            f"{self.name} has continuous actions, a Box of {self.action.size} numbers; this is for a choice "
            "among discrete actions"
        )

    @property
    def box(self) -> Box:
        """The continuous actions.

        Raises:
            UserError: its actions are discrete.
        """
        if isinstance(self.action, Box):
            return self.action
        raise UserError(f"{self.name} has {self.action.count} discrete actions; this is for a Box of numbers")

    @property
    def action_names(self) -> tuple[str, ...]:
        """One name for each choice, or for each number of a Box; empty where they have none."""
        return self.action.names

    @property
    def masked(self) -> int:
        """Length of the mask of legal actions: U for `Choices`, 0 for a `Box`."""
        return self.action.count if isinstance(self.action, Choices) else 0

    @property
    def num_teams(self) -> int:
        """How many teams there are."""
        return max(self.teams) + 1 if self.teams else 1
