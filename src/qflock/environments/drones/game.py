"""Drones: flyers with momentum pass each other in the gap of a wall, and land on their pads.

The first environment of the library with continuous actions: every drone gives its thrust, two numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.environment import ReferencePolicy
from qflock.core.errors import UserError
from qflock.core.spec import Box, Spec
from qflock.core.steps import TimeStep
from qflock.environments.drones import physics, picture, view
from qflock.environments.drones.physics import Walls
from qflock.environments.drones.references import navigator, pilot

CONTACT = -0.1  # paid to a drone in every step in which it touches something
LANDING = 0.25  # a drone lands on its pad at this share of its top speed, or less
START, PAD = (0.65, 0.9), (0.65, 0.9)  # how far from the middle drones start, and pads lie, along x
HIGHEST = 0.6  # |y| of a gap's middle
MARGIN = 1.25  # radii between a lane's edge and the middles of drones and pads in it
MOST_WALLS = 3


@dataclass(frozen=True)
class Config:
    """Settings of Drones. Lengths are in units of half the arena's side, speeds in those per step.

    Raises:
        UserError: a setting is out of its range.
    """

    n_agents: int = 4
    """Drones; every other one starts at the left and has its pad at the right."""
    n_walls: int = 1
    """Walls between the two sides, each with one gap."""
    gap: float = 0.42
    """Width of a gap: between two radii and 0.8."""
    radius: float = 0.07
    """Of a drone, and of a pad."""
    speed: float = 0.06
    """Top speed: what full thrust approaches; at most the radius."""
    drag: float = 0.15
    """Share of its velocity that a drone loses in a step; the smaller, the more momentum."""
    neighbours: int = 2
    """How many of the nearest flying drones each one sees."""
    max_steps: int = 100
    """Steps after which an episode is cut off."""

    def __post_init__(self) -> None:
        if not 0 < self.radius <= 0.1:
            raise UserError(f"radius is {self.radius}; choose a number above 0, at most 0.1")
        most = 2 * int(1 / (MARGIN * self.radius))
        for name, low, high in (
            ("n_agents", 1, most),
            ("n_walls", 0, MOST_WALLS),
            ("neighbours", 0, most),
        ):
            if not low <= getattr(self, name) <= high:
                raise UserError(f"{name} is {getattr(self, name)}; choose {low} to {high}")
        if not 2 * self.radius < self.gap <= 0.8:
            raise UserError(
                f"gap is {self.gap}; choose more than {2 * self.radius:g} (two radii), at most 0.8"
            )
        if not 0 < self.speed <= self.radius:
            raise UserError(f"speed is {self.speed}; choose more than 0, at most {self.radius} (the radius)")
        if not 0 < self.drag <= 1:
            raise UserError(f"drag is {self.drag}; choose a number above 0, at most 1")
        if self.max_steps < 1:
            raise UserError(f"max_steps is {self.max_steps}; choose 1 or more")


class State(NamedTuple):
    """Where everything is. y grows upwards."""

    position: Float[Array, "A 2"]
    velocity: Float[Array, "A 2"]  # per step
    landed: Bool[Array, "A"]
    pads: Float[Array, "A 2"]
    gaps: Float[Array, "W"]  # y of the middle of each wall's gap
    left: Float[Array, "A"]  # length of the way to the pad
    whole: Float[Array, "A"]  # its length at the start
    touching: Bool[Array, "A"]  # who touched something in the last step
    contacts: Int[Array, ""]  # drones that did so in a step, summed over the steps so far
    step: Int[Array, ""]  # steps taken in this episode


class Environment:
    """Drones as pure functions for one episode at a time.

    An agent's reward is its part of the team's: the sum over agents is the team reward. A drone that has
    landed has left the episode.

    Measures: ``landed``, the share of drones on their pads; ``solved``, 1 where all are; ``contacts``, how
    many drones touched something, summed over steps.

    Args:
        config: settings.
    """

    Config = Config
    State = State
    symmetries = 4
    """The arena as it is, upside down, left and right swapped, and both."""

    def __init__(self, config: Config = Config()) -> None:  # noqa: B008 (frozen)
        self.config = config
        agents, walls = config.n_agents, config.n_walls
        self._walls = np.arange(1, walls + 1, dtype=np.float32) / (walls + 1) - np.float32(0.5)
        longest, shortest = 2 + 2 * (walls + 1), START[0] + PAD[0]
        self.spec = Spec(
            name="drones",
            agents=agents,
            action=Box(2, (-1.0, -1.0), (1.0, 1.0), ("right", "up")),
            observation=view.OWN + view.OTHER * config.neighbours,
            state=7 * agents + walls + 1,
            horizon=config.max_steps,
            discount=0.99,
            return_range=(CONTACT * config.max_steps + 1 - longest / shortest, 2.0),
        )

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """Drones at rest and pads in lanes of their own, so that none overlap; gaps anywhere."""
        agents, walls = self.config.n_agents, self.config.n_walls
        drawn = jax.random.uniform(key, (4 * agents + walls + 2,))
        where, rest = drawn[: 4 * agents].reshape(4, agents), drawn[4 * agents :]
        number, lanes = np.arange(agents), -(-agents // 2)
        side, lane = np.where(number % 2, 1.0, -1.0), number // 2
        shift = (rest[walls:] * lanes).astype(jnp.int32)[
            number % 2
        ]  # pads of a side are one lane off, or ...
        x = jnp.stack([_between(START, where[0]) * side, -_between(PAD, where[1]) * side])
        edge = MARGIN * self.config.radius
        inside = edge + (2 / lanes - 2 * edge) * where[2:]
        y = 2 / lanes * jnp.stack([jnp.asarray(lane), (lane + shift) % lanes]) + inside - 1
        position, pads = jnp.stack([x, y], -1)
        return self.place(position, pads, _between((-HIGHEST, HIGHEST), rest[:walls]))

    def place(self, position: Any, pads: Any, gaps: Any) -> tuple[State, TimeStep]:
        """Start at rest from given places.

        Args:
            position: of the drones, ``(A, 2)``.
            pads: theirs, ``(A, 2)``.
            gaps: y of the middle of each wall's gap, ``(W,)``.
        """
        position, pads, gaps = (jnp.asarray(x, jnp.float32) for x in (position, pads, gaps))
        way, _ = physics.way(position, pads, self.walls(gaps), self.config.radius)
        whole = jnp.maximum(way, self.config.radius)
        nobody = jnp.zeros(self.config.n_agents, bool)
        state = State(
            position, jnp.zeros_like(position), nobody, pads, gaps, whole, whole, nobody, *2 * (jnp.int32(0),)
        )
        return state, self._show(state, jnp.zeros(self.config.n_agents))

    def walls(self, gaps: Float[Array, "W"]) -> Walls:
        """The walls with these gaps."""
        return Walls(jnp.asarray(self._walls), gaps, self.config.gap / 2)

    def step(self, key: PRNGKeyArray, state: State, actions: Float[Array, "A 2"]) -> tuple[State, TimeStep]:
        """One joint action. There is no chance in it.

        Args:
            key: not used.
            state: before the step, unbatched.
            actions: thrust to the right and upwards, clipped to [-1, 1]; one longer than 1 counts as 1.
        """
        del key
        after = self.advance(state, actions)
        return after, self._show(after, self.pay(state, after))

    def pay(self, state: State, after: State) -> Float[Array, "A"]:
        """Each drone's part of the team's reward for a step: its progress, its landing, its contact.

        Args:
            state, after: before and after the step.
        """
        progress = (state.left - after.left) / state.whole
        landing = after.landed & ~state.landed
        return (progress + landing + CONTACT * after.touching) / self.config.n_agents

    def advance(self, state: State, actions: Float[Array, "A 2"]) -> State:
        """The next state.

        Args:
            state: before the step, unbatched.
            actions: thrust to the right and upwards.
        """
        config, flying, walls = self.config, ~state.landed, self.walls(state.gaps)
        thrust = jnp.clip(actions, -1, 1)
        position, velocity = physics.fly(state.position, state.velocity, thrust, config.speed, config.drag)
        position, velocity, hit = physics.touch_each_other(position, velocity, flying, config.radius)
        position, velocity, stuck = physics.touch_walls(
            position, velocity, state.position[:, 0], walls, config.radius
        )
        position = jnp.where(flying[:, None], position, state.position)
        touching = (hit | stuck) & flying
        there = physics.length(position - state.pads) < config.radius
        slow = physics.length(velocity) <= LANDING * config.speed
        landed = state.landed | (there & slow)
        return State(
            position=position,
            velocity=jnp.where(landed[:, None], 0.0, velocity),
            landed=landed,
            pads=state.pads,
            gaps=state.gaps,
            left=physics.way(position, state.pads, walls, config.radius)[0],
            whole=state.whole,
            touching=touching,
            contacts=state.contacts + touching.sum(),
            step=state.step + 1,
        )

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """A picture, about ``size`` pixels wide, with a caption line: (height, width, 3) uint8 RGB.

        Args:
            state: one unbatched state, on the host.
            size: about how many pixels wide.
        """
        return picture.draw(state, self._walls, self.config.gap, self.config.radius, self.config.speed, size)

    def references(self) -> dict[str, ReferencePolicy]:
        """A planner that sees the state and tries thrusts out, and the pilot that it improves on."""
        return {"navigator": navigator(self), "pilot": pilot(self)}

    def turned(self, which: Int[Array, ""], timestep: TimeStep) -> TimeStep:
        """As `core.environment.Symmetric`.

        Args:
            which: number of the symmetry.
            timestep: unbatched.
        """
        observation = view.turned_observation(which, timestep.observation)
        state = view.turned_state(which, self.config.n_agents, timestep.state)
        return timestep._replace(observation=observation, state=state)

    def turned_actions(self, which: Int[Array, ""], actions: Float[Array, "A 2"]) -> Float[Array, "A 2"]:
        """As `core.environment.Symmetric`.

        Args:
            which: number of the symmetry.
            actions: of all agents, ``(A, 2)``.
        """
        return actions * view.flip(which)

    def turned_state(self, which: Int[Array, ""], state: State) -> State:
        """As `core.environment.Symmetric`.

        Args:
            which: number of the symmetry.
            state: unbatched.
        """
        flip = view.flip(which)
        return state._replace(
            position=state.position * flip,
            velocity=state.velocity * flip,
            pads=state.pads * flip,
            gaps=view.turned_gaps(which, state.gaps),
        )

    def _show(self, state: State, reward: Float[Array, "A"]) -> TimeStep:
        config, flying = self.config, ~state.landed
        solved = state.landed.all()
        drones = jnp.concatenate(
            [state.position, state.velocity / config.speed, state.pads, flying[:, None]], -1
        )
        clock = 1 - state.step[None] / jnp.float32(config.max_steps)
        return TimeStep(
            observation=self._observe(state),
            state=jnp.concatenate([drones.ravel(), state.gaps, clock]),
            legal=jnp.ones((config.n_agents, 0), bool),
            active=flying,
            reward=reward,
            terminated=solved,
            truncated=(state.step >= config.max_steps) & ~solved,
            measures={
                "solved": solved.astype(jnp.float32),
                "landed": state.landed.mean(dtype=jnp.float32),
                "contacts": state.contacts.astype(jnp.float32),
            },
        )

    def _observe(self, state: State) -> Float[Array, "A O"]:
        config = self.config
        return view.observe(state, self.walls(state.gaps), config.speed, config.radius, config.neighbours)


def _between(ends: tuple[float, float], share: Float[Array, "*X"]) -> Float[Array, "*X"]:
    return ends[0] + (ends[1] - ends[0]) * share
