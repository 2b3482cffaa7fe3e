"""How two agents act with a pair: each measures its half, and answers what it measured."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.steps import Actions, Memory, Mode, Parameters, Seen
from qflock.learning import categorical
from qflock.networks.agents import Agents

AGENTS, OUTCOMES = 2, 2
HABIT = 2.0
"""Added to the logit of the action that has the outcome's number, so that agents begin by answering with
what they measured. Without it, most pairs settle for actions that ignore the pair: a local optimum."""


def outcomes(pair: str, angles: Float[Array, "2"]) -> Float[Array, "2 2"]:
    """Chances of the outcomes (agent 0's, agent 1's) where each measures its half along its angle.

    Outcome m along an angle t is the direction (cos, sin)(t + m pi/2) in the plane of |0> and |1>.

    Args:
        pair: the state that the agents share.
        angles: of both measurements, ``(2,)``, in radians.
    """
    turned = angles[:, None] + jnp.array([0.0, jnp.pi / 2])
    zero, one = jnp.cos(turned), jnp.sin(turned)  # <m|0> and <m|1> of each agent
    both_zero, both_one = jnp.outer(zero[0], zero[1]), jnp.outer(one[0], one[1])
    if pair == "bell":
        return jnp.square(both_zero + both_one) / 2
    return jnp.square(both_zero) if pair == "none" else (jnp.square(both_zero) + jnp.square(both_one)) / 2


def joint(pair: str, angles: Float[Array, "2"], answers: Float[Array, "2 M U"]) -> Float[Array, "U U"]:
    """Chances of each pair of actions (agent 0's, agent 1's).

    Args:
        answers: each agent's chances of actions after each outcome.
    """
    return jnp.einsum("mn,mu,nv->uv", outcomes(pair, angles), answers[0], answers[1])


class Measuring:
    """Two agents with networks that say how they measure and what they answer; all methods are pure."""

    def __init__(self, pair: str, actions: int, team: Agents) -> None:
        self.pair, self.actions, self.team = pair, actions, team

    def split(self, out: Float[Array, "*X O"]) -> tuple[Float[Array, "*X"], Float[Array, "*X M U"]]:
        """An agent's angle, and its logits after each outcome."""
        logits = out[..., 1:].reshape(*out.shape[:-1], OUTCOMES, self.actions)
        return out[..., 0], logits + HABIT * jnp.eye(OUTCOMES, self.actions)

    def draw(
        self, key: PRNGKeyArray, out: Float[Array, "A O"], legal: Bool[Array, "A U"], mode: Mode
    ) -> Int[Array, "A"]:
        """Measure, and act on what was measured. Outcomes are always drawn; ``greedy`` is about the rest.

        Agent 0 measures first, agent 1 then as its half was left; the other order gives the same chances.

        Args:
            key: of outcomes and actions.
            out: of both agents' networks, ``(2, O)``.
            legal: ``(2, U)``.
            mode: "greedy" or "sample".
        """
        angles, logits = self.split(out)
        chances = outcomes(self.pair, angles)
        k_first, k_second, k_act = jax.random.split(key, 3)
        first = jax.random.categorical(k_first, jnp.log(chances.sum(1) + 1e-12))
        second = jax.random.categorical(k_second, jnp.log(chances[first] + 1e-12))
        measured = logits[jnp.arange(AGENTS), jnp.stack([first, second])]
        each = jax.vmap(categorical.choose, in_axes=(0, 0, 0, None))
        return each(jax.random.split(k_act, AGENTS), measured, legal, mode)

    def joint_log_prob(self, out: Array, legal: Array, actions: Int[Array, "A"]) -> Float[Array, ""]:
        """log P(a | o) of one joint action.

        Args:
            out: of both agents' networks, ``(2, O)``.
            legal: ``(2, U)``.
            actions: ``(2,)``.
        """
        angles, logits = self.split(out)
        answers = jnp.exp(categorical.log_probabilities(logits, legal[:, None]))
        return jnp.log(joint(self.pair, angles, answers)[actions[0], actions[1]] + 1e-12)

    def act(
        self, parameters: Parameters, memory: Memory, seen: Seen, key: PRNGKeyArray, mode: Mode
    ) -> tuple[Memory, Actions]:
        """Both agents measure: as `core.learner.Act`.

        Args:
            parameters: what execution needs.
            memory: leaves ``(2, ...)``.
            seen: leaves ``(2, ...)``.
            key: of outcomes and actions.
            mode: "greedy" or "sample".
        """
        memory, out = jax.vmap(self.team.one, in_axes=(None, 0, 0, 0))(
            parameters, jnp.arange(AGENTS), memory, seen.observation
        )
        return memory, self.draw(key, out, seen.legal, mode)

    def marginal(self, out: Float[Array, "O"]) -> tuple[Float[Array, "M"], Float[Array, "M U"]]:
        """The chances of an agent's outcomes, whatever the other one does, and its logits after each."""
        angle, logits = self.split(out)
        return outcomes(self.pair, jnp.full(AGENTS, angle)).sum(1), logits

    def choose(
        self, key: PRNGKeyArray, out: Float[Array, "O"], legal: Bool[Array, "U"], mode: Mode
    ) -> Actions:
        """What an agent does while nobody looks at the other one: its own chances are the same.

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
        """Log-probabilities of an agent's actions, whatever the other one does."""
        chances, logits = self.marginal(out)
        return jnp.log(chances @ jax.nn.softmax(logits))
