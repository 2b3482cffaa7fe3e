"""The CHSH game: two agents who cannot talk each answer a question, and win by agreeing in the right way.

Each is asked 0 or 1, at random. They win 1 where their answers differ exactly if both were asked 1. No
pair of agents with answers of their own, shared dice included, wins more than 3 of 4 games; a pair that
measures an entangled state wins cos^2(pi/8) = 0.8536 of them, and none can win more. Sources: Clauser,
Horne, Shimony & Holt 1969; Tsirelson 1980; as a game, Cleve et al. 2004, section 3.1.
"""

from __future__ import annotations

from math import cos, pi

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, PRNGKeyArray

from qflock.core.environment import ReferencePolicy
from qflock.core.environment import State as AnyState
from qflock.core.steps import TimeStep
from qflock.environments._tables import picture, questions
from qflock.environments._tables.questions import ACTIONS, QUESTIONS, State

AGENTS = 2
CLASSICAL, ENTANGLED = 0.75, cos(pi / 8) ** 2
WINS = np.array(
    [[[[(a ^ b) == (x & y) for b in (0, 1)] for a in (0, 1)] for y in (0, 1)] for x in (0, 1)], np.float32
)  # by question to 0, question to 1, answer of 0, answer of 1


class Environment:
    """The CHSH game as pure functions. Of the sort `qflock.core.Exact`.

    An agent sees its own question as a one-hot vector; the state is both questions.
    """

    State = State

    def __init__(self) -> None:
        self.spec = questions.spec("chsh", AGENTS)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """Two questions, each 0 or 1 with equal chances."""
        return questions.asked(jax.random.bernoulli(key, shape=(AGENTS,)).astype(jnp.int32))

    def step(self, key: PRNGKeyArray, state: State, actions: Int[Array, "2"]) -> tuple[State, TimeStep]:
        """Pay both agents 1 or 0, and end. An unknown action counts as 1.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``.
        """
        del key
        after = questions.answered(state, actions)
        return after, questions.timestep(after, jnp.asarray(WINS)[(*after.questions, *after.answers)])

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """What these two questions pay for each pair of answers, and the pair given: uint8 RGB.

        Args:
            state: one unbatched state, on the host.
            size: about how many pixels wide.
        """
        first, second = np.asarray(state.questions).tolist()
        answers = np.asarray(state.answers).tolist()
        over = bool(state.over)
        panel = picture.Panel(
            f"questions: {first} to agent 0, {second} to agent 1",
            ACTIONS,
            WINS[first, second],
            (answers[0], answers[1]) if over else None,
            span=(0.0, 1.0),
        )
        won = WINS[(first, second, *answers)] > 0
        result = ("won" if won else "lost") if over else ""
        return picture.draw([panel], size, "rows: agent 0, columns: agent 1", result)

    def references(self) -> dict[str, ReferencePolicy]:
        """A pair that measures an entangled state (no pair can do better), and the best without: always 0."""

        def oracle(key: PRNGKeyArray, state: AnyState, timestep: TimeStep) -> Int[Array, "2"]:
            # The joint distribution of the measured answers: 0's are even, and they win with one chance.
            k_answer, k_wins = jax.random.split(key)
            answer = jax.random.bernoulli(k_answer).astype(jnp.int32)
            loses = jax.random.bernoulli(k_wins, 1 - ENTANGLED).astype(jnp.int32)
            return jnp.stack([answer, answer ^ state.questions.prod() ^ loses])

        def classical(key: PRNGKeyArray, state: AnyState, timestep: TimeStep) -> Int[Array, "2"]:
            return jnp.zeros(AGENTS, jnp.int32)

        return {"oracle": oracle, "classical": classical}

    def observations(self) -> Float32[Array, "2 2"]:
        """Both questions as an agent sees them."""
        return questions.observations()

    def exact_return(
        self, probabilities: Float[Array, "*B 2 2 2"], discount: float | Float[Array, ""] = 1.0
    ) -> Float[Array, "*B"]:
        """The share of games that independent agents win, at most 0.75; see `qflock.core.Exact`.

        Args:
            probabilities: policies as tables, ``(..., A, N, U)``.
            discount: of rewards, in [0, 1].
        """
        del discount  # the one step is not discounted
        own, other = probabilities[..., 0, :, :], probabilities[..., 1, :, :]
        return self.exact_joint_return(own[..., :, None, :, None] * other[..., None, :, None, :])

    def exact_joint_return(self, joint: Float[Array, "*B 2 2 2 2"]) -> Float[Array, "*B"]:
        """The share of games won by agents whose answers are drawn together.

        Args:
            joint: chances by question to agent 0, to agent 1, answer of agent 0, of agent 1. (Nothing
                checks that it is a distribution which agents who cannot talk may have.)
        """
        return (WINS * joint).sum((-4, -3, -2, -1)) / QUESTIONS**AGENTS

    def exact_visits(self, probabilities: Float[Array, "*B 2 2 2"]) -> Float[Array, "*B 2 2"]:
        """Each agent is asked each question in half of the games."""
        return questions.visits(probabilities)
