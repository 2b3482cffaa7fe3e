"""Two games for the throw-away learners: each shows one thing that the first contracts could not carry."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from qflock.core import Box, Spec, TimeStep


class Quadratic:
    """One step; each of two agents gives a number and is paid by how near it comes to what it sees."""

    def __init__(self) -> None:
        box = Box(1, (-2.0,), (3.0,), ("number",))
        self.spec = Spec("quadratic", 2, box, 1, 2, 1, return_range=(-25.0, 0.0))

    def reset(self, key: Any) -> tuple[Any, TimeStep]:
        wanted = jax.random.uniform(key, (2, 1), minval=-1.0, maxval=2.0)
        return (wanted, jnp.int32(0)), self._show(wanted, jnp.int32(0), jnp.zeros(2))

    def step(self, key: Any, state: Any, actions: Any) -> tuple[Any, TimeStep]:
        wanted, at = state
        return (wanted, at + 1), self._show(wanted, at + 1, -jnp.square(actions - wanted)[:, 0])

    def _show(self, wanted: Any, at: Any, reward: Any) -> TimeStep:
        legal, active = jnp.ones((2, 0), bool), jnp.ones(2, bool)
        return TimeStep(wanted, wanted[:, 0], legal, active, reward, at > 0, jnp.bool_(False), {})


class Rivals:
    """One step; agents 0 and 1 are a team each and choose 0 or 1: what one wins, the other loses.

    Agent 0 is paid for choosing as agent 1 does, agent 1 for choosing otherwise, and each pays for 1.
    """

    def __init__(self) -> None:
        self.spec = Spec("rivals", 2, 2, 1, 1, 1, return_range=(-2.0, 2.0), teams=(0, 1))

    def reset(self, key: Any) -> tuple[Any, TimeStep]:
        return jnp.int32(0), self._show(jnp.int32(0), jnp.zeros(2))

    def step(self, key: Any, state: Any, actions: Any) -> tuple[Any, TimeStep]:
        alike = jnp.where(actions[0] == actions[1], 1.0, -1.0)
        return state + 1, self._show(state + 1, jnp.stack([alike, -alike]))

    def _show(self, at: Any, reward: Any) -> TimeStep:
        legal, active = jnp.ones((2, 2), bool), jnp.ones(2, bool)
        return TimeStep(jnp.ones((2, 1)), jnp.ones(1), legal, active, reward, at > 0, jnp.bool_(False), {})
