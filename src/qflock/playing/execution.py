"""How teams act. Decentralised execution is made here, of one agent's action: it holds by construction."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.learner import Alone, Policy
from qflock.core.portable import Portable
from qflock.core.steps import Actions, Memory, Mode, Parameters, Seen
from qflock.core.trees import like, spread


class Decentralised(NamedTuple):
    """A joint action of agents that each act alone: nothing passes between them. An `core.learner.Act`."""

    alone: Alone

    def __call__(
        self, parameters: Parameters, memory: Memory, seen: Seen, key: PRNGKeyArray, mode: Mode
    ) -> tuple[Memory, Actions]:
        """As `core.learner.Act`; memory leaves ``(A, ...)``.

        Args:
            parameters: what execution needs.
            memory: leaves ``(A, ...)``.
            seen: leaves ``(A, ...)``.
            key: split among the agents.
            mode: "greedy" or "sample".
        """
        agents = seen.observation.shape[0]

        def act(agent: Array, memory: Memory, observation: Array, legal: Array, key: Array) -> Any:
            return self.alone(parameters, agent, memory, observation, legal, key, mode)

        keys = jax.random.split(key, agents)
        return jax.vmap(act)(jnp.arange(agents), memory, seen.observation, seen.legal, keys)


class OneScores(Protocol):
    """The numbers behind ONE agent's choice."""

    def __call__(
        self, parameters: Parameters, agent: Int[Array, ""], memory: Memory, observation: Array, /
    ) -> Float[Array, "U"]:
        """The numbers at one unbatched time step.

        Args:
            parameters: what execution needs.
            agent: its index, scalar.
            memory: its own.
            observation: its own, ``(O,)``.
        """
        ...


class EachScores(NamedTuple):
    """The numbers behind the choices of agents that each act alone."""

    one: OneScores

    def __call__(self, parameters: Parameters, memory: Memory, seen: Seen) -> Float[Array, "A U"]:
        """As `core.learner.Scores`.

        Args:
            parameters: what execution needs.
            memory: leaves ``(A, ...)``.
            seen: leaves ``(A, ...)``.
        """
        agents = jnp.arange(seen.observation.shape[0])
        return jax.vmap(self.one, in_axes=(None, 0, 0, 0))(parameters, agents, memory, seen.observation)


class OneStart(Protocol):
    """The memory of ONE agent at the start of an episode."""

    def __call__(self) -> Memory: ...


def decentralised(
    agents: int,
    start: OneStart,
    alone: Alone,
    scores: OneScores | None = None,
    portable: Portable | None = None,
) -> Policy:
    """A policy of agents that each act alone.

    Args:
        agents: how many, A.
        start: the memory of one agent.
        alone: the action of one agent.
        scores: the numbers behind the choice of one agent.
        portable: what an export must know.
    """
    return Policy(
        lambda: spread(start(), agents),
        Decentralised(alone),
        alone,
        EachScores(scores) if scores else None,
        portable,
    )


def kind(policy: Policy) -> str:
    """How a policy is executed, in a word that summaries and tables show beside its score.

    Returns:
        "decentralised": each agent acts alone, by construction; "centralised": no agent can act alone;
        "drawn together": each can, but play draws their actions together.
    """
    if policy.alone is None:
        return "centralised"
    by_construction = isinstance(policy.act, Decentralised) and policy.act.alone is policy.alone
    return "decentralised" if by_construction else "drawn together"


def lone_start(policy: Policy) -> Memory:
    """The memory of one agent at the start of an episode, of a policy whose agents can act alone."""
    return jax.tree.map(lambda x: x[0], policy.start())


def renewed(policy: Policy, memory: Memory, anew: Bool[Array, "*B A"]) -> Memory:
    """The memory of teams in which some agents begin: whoever joins late or comes back has no past.

    Args:
        policy: a learner's. The memory of one that acts for the team as a whole stays as it is.
        memory: leaves ``(..., A, ...)``.
        anew: the agents that begin, ``(..., A)``.
    """
    if policy.alone is None or not jax.tree.leaves(memory):
        return memory
    return jax.tree.map(lambda m, start: jnp.where(like(anew, m), start, m), memory, policy.start())
