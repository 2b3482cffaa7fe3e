"""What an environment is, and what it may be besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from qflock.core.spec import Spec
from qflock.core.steps import Actions, TimeStep

State = Any
"""An environment's own pytree."""


class ReferencePolicy(Protocol):
    """A policy to compare with. It may see the state; it is pure."""

    def __call__(self, key: PRNGKeyArray, state: State, now: TimeStep, /) -> Actions:
        """The agents' actions ``(A,)``, or ``(A, size)`` of a Box, at one unbatched time step.

        Args:
            key: of the policy's own chance.
            state: the environment's, unbatched.
            now: what it shows, leaves ``(A, ...)``.
        """
        ...


@runtime_checkable
class Environment(Protocol):
    """A pure functional environment for one episode at a time; ``vmap`` makes many.

    Class attributes ``Config`` and ``State`` live in the same file. ``step`` never resets: that is
    the rollout's work.
    """

    spec: Spec

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """The first state and time step of an episode (reward 0, not over)."""
        ...

    def step(self, key: PRNGKeyArray, state: State, actions: Actions) -> tuple[State, TimeStep]:
        """One joint action. Called with an episode that is not over.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``, or ``(A, size)`` of a Box.
        """
        ...


@runtime_checkable
class Drawable(Protocol):
    """An environment that can be watched. ``draw`` runs on the host, on one (unbatched) state."""

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """An RGB picture, ``(height, width, 3)`` uint8, about ``size`` pixels wide.

        Args:
            state: one unbatched state.
            size: about how many pixels wide.
        """
        ...


@runtime_checkable
class Referenced(Protocol):
    """An environment that ships policies to compare with."""

    def references(self) -> Mapping[str, ReferencePolicy]:
        """Policies by name, best first: ``oracle``, ..., ``random`` is added by the library."""
        ...


@runtime_checkable
class Symmetric(Protocol):
    """An environment whose world looks and works alike from several sides: mirrored, turned.

    A step from a turned state, by turned actions and with the same key, gives the turned next state and time
    step, with the same rewards. Learners may then learn from turned experience. All methods are pure.

    Attributes:
        symmetries: how many there are; number 0 changes nothing.
    """

    symmetries: int

    def turned(self, which: Int[Array, ""], timestep: TimeStep) -> TimeStep:
        """What the turned world shows; the time step's state may be empty.

        Args:
            which: number of the symmetry, scalar.
            timestep: unbatched.
        """
        ...

    def turned_actions(self, which: Int[Array, ""], actions: Actions) -> Actions:
        """The actions that do the same in the turned world; what is no action's number stays.

        Args:
            which: number of the symmetry, scalar.
            actions: of all agents, ``(A,)``.
        """
        ...

    def turned_state(self, which: Int[Array, ""], state: State) -> State:
        """The turned world.

        Args:
            which: number of the symmetry, scalar.
            state: unbatched.
        """
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
        """The expected team return of an episode; undiscounted by default.

        Args:
            probabilities: policies as tables, ``(..., A, N, U)``.
            discount: of rewards, in [0, 1].
        """
        ...

    def exact_visits(self, probabilities: Float[Array, "*B A N U"]) -> Float[Array, "*B A N"]:
        """How often each agent is expected to act on each observation in an episode."""
        ...
