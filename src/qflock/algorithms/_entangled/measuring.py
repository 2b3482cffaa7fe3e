"""How agents act with a state that they share: each measures its qubit, and answers what it measured."""

from __future__ import annotations

from functools import partial, reduce
from string import ascii_lowercase, ascii_uppercase

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.steps import Actions, Memory, Mode, Parameters, Seen
from qflock.learning import categorical
from qflock.networks.agents import Agents

OUTCOMES = 2
HABIT = 2.0
"""Added to the logit of the action that has the outcome's number, so that agents begin by answering with
what they measured. Without it, most pairs settle for actions that ignore the pair: a local optimum."""


def outcomes(pair: str, angles: Float[Array, "A"], visibility: float = 1.0) -> Float[Array, "*M"]:
    """Chances of the outcomes (an axis for each agent) where each measures its qubit along its angle.

    Outcome m along an angle t is the direction (cos, sin)(t + m pi/2) in the plane of |0> and |1>; of a GHZ
    state, (|0> + e^it (-1)^m |1>)/sqrt 2, on the equator.

    Args:
        pair: the state that the agents share.
        angles: of all measurements, ``(A,)``, in radians.
        visibility: share of the state in its mixture with white noise (Werner's state, of a pair).
    """
    agents = len(angles)
    if pair == "ghz":
        count = reduce(jnp.add.outer, [np.arange(OUTCOMES)] * agents)
        chances = (1 + jnp.cos(angles.sum() - jnp.pi * count)) / 2**agents
    else:
        turned = angles[:, None] + jnp.array([0.0, jnp.pi / 2])
        zero, one = jnp.cos(turned), jnp.sin(turned)  # <m|0> and <m|1> of each agent
        all_zero, all_one = reduce(jnp.multiply.outer, zero), reduce(jnp.multiply.outer, one)
        if pair == "bell":
            chances = jnp.square(all_zero + all_one) / 2
        elif pair == "none":
            chances = jnp.square(all_zero)
        else:
            chances = (jnp.square(all_zero) + jnp.square(all_one)) / 2
    return chances if visibility == 1 else visibility * chances + (1 - visibility) / 2**agents


def joint(
    pair: str, angles: Float[Array, "A"], answers: Float[Array, "A M U"], visibility: float = 1.0
) -> Float[Array, "*U"]:
    """Chances of each joint action, an axis for each agent.

    Args:
        pair, angles, visibility: as `outcomes`.
        answers: each agent's chances of actions after each outcome.
    """
    seen, done = ascii_lowercase[: len(angles)], ascii_uppercase[: len(angles)]
    each = ",".join(m + u for m, u in zip(seen, done, strict=True))
    return jnp.einsum(f"{seen},{each}->{done}", outcomes(pair, angles, visibility), *answers)


class Measuring:
    """Agents with networks that say how they measure and what they answer; all methods are pure."""

    def __init__(self, pair: str, agents: int, actions: int, team: Agents, visibility: float = 1.0) -> None:
        self.agents, self.actions, self.team = agents, actions, team
        self.outcomes = partial(outcomes, pair, visibility=visibility)
        self.joint = partial(joint, pair, visibility=visibility)

    def split(self, out: Float[Array, "*X O"]) -> tuple[Float[Array, "*X"], Float[Array, "*X M U"]]:
        """An agent's angle, and its logits after each outcome."""
        logits = out[..., 1:].reshape(*out.shape[:-1], OUTCOMES, self.actions)
        return out[..., 0], logits + HABIT * jnp.eye(OUTCOMES, self.actions)

    def draw(
        self, key: PRNGKeyArray, out: Float[Array, "A O"], legal: Bool[Array, "A U"], mode: Mode
    ) -> Int[Array, "A"]:
        """Measure, and act on what was measured. Outcomes are always drawn; ``greedy`` is about the rest.

        Agent 0 measures first, each further one as its qubit was left; any order gives the same chances.

        Args:
            key: of outcomes and actions.
            out: of all agents' networks, ``(A, O)``.
            legal: ``(A, U)``.
            mode: "greedy" or "sample".
        """
        angles, logits = self.split(out)
        left, drawn = self.outcomes(angles), []
        *k_measure, k_act = jax.random.split(key, self.agents + 1)
        for k_own in k_measure:
            own = left.sum(tuple(range(1, left.ndim)))
            drawn.append(jax.random.categorical(k_own, jnp.log(own + 1e-12)))
            left = left[drawn[-1]]
        measured = logits[jnp.arange(self.agents), jnp.stack(drawn)]
        each = jax.vmap(categorical.choose, in_axes=(0, 0, 0, None))
        return each(jax.random.split(k_act, self.agents), measured, legal, mode)

    def joint_log_prob(self, out: Array, legal: Array, actions: Int[Array, "A"]) -> Float[Array, ""]:
        """log P(a | o) of one joint action.

        Args:
            out: of all agents' networks, ``(A, O)``.
            legal: ``(A, U)``.
            actions: ``(A,)``.
        """
        angles, logits = self.split(out)
        answers = jnp.exp(categorical.log_probabilities(logits, legal[:, None]))
        return jnp.log(self.joint(angles, answers)[tuple(actions)] + 1e-12)

    def act(
        self, parameters: Parameters, memory: Memory, seen: Seen, key: PRNGKeyArray, mode: Mode
    ) -> tuple[Memory, Actions]:
        """All agents measure: as `core.learner.Act`.

        Args:
            parameters: what execution needs.
            memory: leaves ``(A, ...)``.
            seen: leaves ``(A, ...)``.
            key: of outcomes and actions.
            mode: "greedy" or "sample".
        """
        memory, out = jax.vmap(self.team.one, in_axes=(None, 0, 0, 0))(
            parameters, jnp.arange(self.agents), memory, seen.observation
        )
        return memory, self.draw(key, out, seen.legal, mode)

    def marginal(self, out: Float[Array, "O"]) -> tuple[Float[Array, "M"], Float[Array, "M U"]]:
        """The chances of an agent's outcomes, whatever the others do, and its logits after each."""
        angle, logits = self.split(out)
        return self.outcomes(jnp.full(self.agents, angle)).sum(tuple(range(1, self.agents))), logits

    def choose(
        self, key: PRNGKeyArray, out: Float[Array, "O"], legal: Bool[Array, "U"], mode: Mode
    ) -> Actions:
        """What an agent does while nobody looks at the others: its own chances are the same.

        Args:
            key: of its own randomness.
            out: its network's outputs, ``(O,)``.
            legal: its mask of legal actions, ``(U,)``.
            mode: "greedy", or "sample" to act as in training.
        """
        chances, logits = self.marginal(out)
        k_measure, k_act = jax.random.split(key)
        outcome = jax.random.categorical(k_measure, jnp.log(chances + 1e-12))
        return categorical.choose(k_act, logits[outcome], legal, mode)

    def show(self, out: Float[Array, "O"]) -> Float[Array, "U"]:
        """Log-probabilities of an agent's actions, whatever the others do."""
        chances, logits = self.marginal(out)
        return jnp.log(chances @ jax.nn.softmax(logits))
