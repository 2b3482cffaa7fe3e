"""One episode after another of an environment of either sort, for whoever steps it from outside."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from qflock.bridges.host.workers import HostEnvironment, timestep
from qflock.core.environment import Environment
from qflock.core.steps import TimeStep
from qflock.settings import foreign


class Pure:
    """Episodes of an environment that is a pure function.

    Attributes:
        state: of the episode, on the host; None before the first.
    """

    def __init__(self, env: Environment) -> None:
        self.state: Any = None
        self._reset, self._step = jax.jit(env.reset), jax.jit(env.step)

    def reset(self, key: PRNGKeyArray) -> TimeStep:
        """The first time step of an episode."""
        self.state, now = jax.device_get(self._reset(key))
        return now

    def step(self, key: PRNGKeyArray, actions: np.ndarray) -> TimeStep:
        """The time step after a joint action.

        Args:
            key: of the environment's chance.
            actions: of all agents, ``(A,)``, or ``(A, size)`` of a Box.
        """
        self.state, now = jax.device_get(self._step(key, self.state, jnp.asarray(actions)))
        return now

    def close(self) -> None:
        """Nothing is held."""


class OnHost:
    """Episodes of one copy of a host environment, in this process.

    Attributes:
        state: always None: an episode is in the copy alone.
    """

    state = None

    def __init__(self, env: HostEnvironment) -> None:
        self._copy, self._name = env.copy(), env.spec.name

    def reset(self, key: PRNGKeyArray) -> TimeStep:
        """The first time step of an episode, whose seed comes from the key."""
        seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
        return timestep(self._copy, self._copy.reset(seed))

    def step(self, key: PRNGKeyArray, actions: np.ndarray) -> TimeStep:
        """The time step after a joint action.

        Args:
            key: not used.
            actions: of all agents, ``(A,)``.
        """
        return timestep(self._copy, self._copy.step(np.asarray(actions)))

    def close(self) -> None:
        """Close the copy."""
        foreign.close(self._copy, self._name)
