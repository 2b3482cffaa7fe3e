"""Mixers: how the agents' values make the team's. For one example; callers ``vmap``.

A mixer is called ``mixer(values (A,), state (S,)) -> Q_tot``; a user's own is a class
``Mixer(agents, state, *, key)``. One that wants to see more names it in ``looks`` and gets it by name:
``best`` (A,), each agent's highest value; ``actions`` (A,); ``active`` (A,); ``observation`` (A, O) after the
input stage. Agents that have left have a value too, of the one action that is left to them. Independent
learners have no mixer.
"""

from __future__ import annotations

import inspect
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.networks import subset_mixers
from qflock.networks.by_name import build_own
from qflock.networks.layers import linear, through
from qflock.settings import registry


class Independent(eqx.Module):
    """No mixing: every agent keeps its own value, so its error is its own (IQL)."""

    def __call__(self, values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, "A"]:
        """The agents' values, unchanged.

        Args:
            values: of the agents' actions, ``(A,)``.
            state: ``(S,)``.
        """
        return values


class Sum(eqx.Module):
    """Q_tot = sum of the agents' values (VDN, Sunehag et al. 2018)."""

    def __call__(self, values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, ""]:
        """The team's value.

        Args:
            values: of the agents' actions, ``(A,)``.
            state: ``(S,)``.
        """
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
        """First weights and bias, second weights and bias, as the state makes them.

        Args:
            agents: how many, A.
            state: ``(S,)``.
        """
        parts = jnp.split(self.first(state), [self.hyper, 2 * self.hyper, 2 * self.hyper + self.embed])
        w1 = jnp.abs(self.w1(jax.nn.relu(parts[0]))).reshape(agents, self.embed)
        return w1, parts[2], jnp.abs(self.w2(jax.nn.relu(parts[1]))), self.bias(jax.nn.relu(parts[3]))[0]

    def __call__(self, values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, ""]:
        """The team's value.

        Args:
            values: of the agents' actions, ``(A,)``.
            state: ``(S,)``.
        """
        w1, b1, w2, b2 = self.weights(values.shape[0], state)
        return jax.nn.elu(values @ w1 + b1) @ w2 + b2


NEAR = 0.01
"""Where an agent's value is so close to its best, half of a deduction counts."""


class Dueling(eqx.Module):
    """The state's value, less something for each agent that does not do what it thinks best
    (QPLEX, Wang et al. 2021, equations 7 to 11).

    Q_tot = V + sum of weight x advantage, every advantage ``q - best`` with a positive weight of its own that
    depends on the state and the joint action: any function whose best joint action is the agents' best.
    The weight is ``deduction / (NEAR - advantage)``, so that what is learnt is the deduction itself: a weight
    that is learnt must grow without bound where an agent is about to change its mind, and it then never does.
    """

    looks = ("best", "actions")

    state_value: list[eqx.nn.Linear]
    deduction: list[eqx.nn.Linear]
    actions: int = eqx.field(static=True)

    def __init__(self, agents: int, state: int, *, key: PRNGKeyArray, actions: int, hyper: int = 64) -> None:
        keys = jax.random.split(key, 5)
        self.state_value = [linear(state, hyper, keys[0], 2**0.5), linear(hyper, 1, keys[1], 0.01)]
        sizes = (state + agents * actions, hyper, hyper)
        self.deduction = [
            linear(a, b, k, 2**0.5) for a, b, k in zip(sizes, sizes[1:], keys[2:], strict=False)
        ]
        self.deduction.append(linear(hyper, agents, keys[4], 0.01))
        self.actions = actions

    def __call__(
        self,
        values: Float[Array, "A"],
        state: Float[Array, "S"],
        *,
        best: Float[Array, "A"],
        actions: Int[Array, "A"],
    ) -> Float[Array, ""]:
        """The team's value.

        Args:
            values: of the agents' actions, ``(A,)``.
            state: ``(S,)``.
            best: each agent's highest value, ``(A,)``.
            actions: numbers of the actions, ``(A,)``.
        """
        taken = jax.nn.one_hot(actions, self.actions).reshape(-1)
        *hidden, last = self.deduction
        deduction = jax.nn.softplus(last(through(hidden, (), jnp.concatenate([state, taken]))))
        advantage = jax.lax.stop_gradient(values - best)
        weight = deduction / (NEAR - advantage)
        # Equal to V + sum of weight x advantage, written so that agents' values learn as in a plain sum:
        # through the weights, an agent whose weight is small would not learn that an action is worth more.
        *hidden, last = self.state_value
        return values.sum() + last(through(hidden, (), state))[0] + ((weight - 1) * advantage).sum()


class Attention(eqx.Module):
    """Heads that share the agents' values out by attention, the state asking and observations answering
    (Qatten, Yang et al. 2020). Its weights know no number of agents; monotone.
    """

    looks = ("observation",)

    query: eqx.nn.Linear
    key: eqx.nn.Linear
    first: eqx.nn.Linear
    second: eqx.nn.Linear
    heads: int = eqx.field(static=True)

    def __init__(
        self,
        agents: int,
        state: int,
        *,
        key: PRNGKeyArray,
        observation: int,
        embed: int = 32,
        hyper: int = 64,
        heads: int = 4,
    ) -> None:
        keys = jax.random.split(key, 4)
        self.query = linear(state, heads * embed, keys[0])
        self.key = linear(observation, heads * embed, keys[1])
        self.first = linear(state, hyper, keys[2])
        self.second = linear(hyper, heads + 1, keys[3])
        self.heads = heads

    def __call__(
        self,
        values: Float[Array, "A"],
        state: Float[Array, "S"],
        *,
        observation: Float[Array, "A O"],
    ) -> Float[Array, ""]:
        """The team's value.

        Args:
            values: of the agents' actions, ``(A,)``.
            state: ``(S,)``.
            observation: after the input stage, ``(A, O)``.
        """
        query = self.query(state).reshape(self.heads, -1)
        keys = jax.vmap(self.key)(observation).reshape(values.shape[0], self.heads, -1)
        score = jnp.einsum("he,ahe->ha", query, keys) / query.shape[1] ** 0.5
        attention = jax.nn.softmax(score, -1)
        weights, bias = jnp.split(self.second(jax.nn.relu(self.first(state))), [self.heads])
        # With many agents a share is small: times their number, a head of even shares is their sum.
        return jnp.abs(weights + 1 / self.heads) @ (attention @ values) * values.shape[0] + bias[0]


MIXERS: dict[str, Any] = {
    "none": Independent,
    "sum": Sum,
    "monotone": Monotone,
    "dueling": Dueling,
    "attention": Attention,
    "circuit": subset_mixers.ByCircuit,
    "subsets": subset_mixers.ByMLP,
}


def make(name: str, agents: int, state: int, key: PRNGKeyArray, **settings: Any) -> Any:
    """The mixer behind a setting: one of `MIXERS`, or the user's own ``my.py:Mixer``.

    Args:
        agents, state: sizes.
        settings: further sizes and widths; a mixer gets those that its ``__init__`` names.

    Raises:
        UserError: no such mixer, or it cannot be built.
    """
    if registry.is_path(name):
        return build_own(name, (agents, state), key, settings)
    if name not in MIXERS:
        raise UserError(
            f"unknown mixer {name!r}; give {', '.join(MIXERS)}, or a file and class like my.py:Mixer"
        )
    kind = MIXERS[name]
    if name in ("none", "sum"):
        return kind()
    known = inspect.signature(kind).parameters
    return kind(agents, state, key=key, **{k: v for k, v in settings.items() if k in known})
