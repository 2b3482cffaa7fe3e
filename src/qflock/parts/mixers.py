"""Mixers: how the agents' values make the team's. For one example; callers ``vmap``.

A mixer is called ``mixer(values (A,), state (S,)) -> Q_tot``; a user's own is a class
``Mixer(agents, state, *, key)``. Independent learners have none.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock import registry
from qflock.errors import UserError
from qflock.parts.networks import build_own, linear


class Independent(eqx.Module):
    """No mixing: every agent keeps its own value, so its error is its own (IQL)."""

    def __call__(self, values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, "A"]:
        return values


class Sum(eqx.Module):
    """Q_tot = sum of the agents' values (VDN, Sunehag et al. 2018)."""

    def __call__(self, values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, ""]:
        return values.sum()


class Monotone(eqx.Module):
    """Two-layer mixing with non-negative weights made from the state (QMIX, Rashid et al. 2018, section 4).

    The first layers of the four hypernetworks are one matrix product.
    """

    first: eqx.nn.Linear
    w1: eqx.nn.Linear
    w2: eqx.nn.Linear
    bias: eqx.nn.Linear
    embed: int = eqx.field(static=True)
    hyper: int = eqx.field(static=True)

    def __init__(
        self, agents: int, state: int, *, key: PRNGKeyArray, embed: int = 32, hyper: int = 64
    ) -> None:
        keys = jax.random.split(key, 4)
        self.first = linear(state, 2 * hyper + 2 * embed, keys[0])
        self.w1 = linear(hyper, agents * embed, keys[1])
        self.w2 = linear(hyper, embed, keys[2])
        self.bias = linear(embed, 1, keys[3])
        self.embed, self.hyper = embed, hyper

    def weights(
        self, agents: int, state: Float[Array, "S"]
    ) -> tuple[Float[Array, "A E"], Float[Array, "E"], Float[Array, "E"], Float[Array, ""]]:
        """First weights and bias, second weights and bias, as the state makes them."""
        parts = jnp.split(self.first(state), [self.hyper, 2 * self.hyper, 2 * self.hyper + self.embed])
        w1 = jnp.abs(self.w1(jax.nn.relu(parts[0]))).reshape(agents, self.embed)
        return w1, parts[2], jnp.abs(self.w2(jax.nn.relu(parts[1]))), self.bias(jax.nn.relu(parts[3]))[0]

    def __call__(self, values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, ""]:
        w1, b1, w2, b2 = self.weights(values.shape[0], state)
        return jax.nn.elu(values @ w1 + b1) @ w2 + b2


def make(name: str, agents: int, state: int, key: PRNGKeyArray, **settings: Any) -> Any:
    """The mixer behind a setting: ``none``, ``sum``, ``monotone``, or the user's own ``my.py:Mixer``.

    Raises:
        UserError: no such mixer, or it cannot be built.
    """
    if name == "none":
        return Independent()
    if name == "sum":
        return Sum()
    if name == "monotone":
        return Monotone(agents, state, key=key, **settings)
    if not registry.is_path(name):
        raise UserError(
            f"unknown mixer {name!r}; give none, sum, monotone, or a file and class like my.py:Mixer"
        )
    return build_own(name, (agents, state), key, settings)
