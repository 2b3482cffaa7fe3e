"""What games of one question share: each agent is asked 0 or 1, answers 0 or 1, and all is over."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

from qflock.core.spec import Spec
from qflock.core.steps import TimeStep

ACTIONS, QUESTIONS = ("0", "1"), 2


class State(NamedTuple):
    """What was asked, and what was answered; zeros before."""

    questions: Int32[Array, "A"]
    answers: Int32[Array, "A"]
    over: Bool[Array, ""]


def spec(name: str, agents: int) -> Spec:
    """An agent sees its own question as a one-hot vector; the state is all questions.

    Args:
        name: of the game.
        agents: how many play it.
    """
    return Spec(
        name=name,
        agents=agents,
        actions=len(ACTIONS),
        observation=QUESTIONS,
        state=agents * QUESTIONS,
        horizon=1,
        return_range=(0.0, 1.0),
        shared_reward=True,
        action_names=ACTIONS,
    )


def asked(questions: Int32[Array, "A"]) -> tuple[State, TimeStep]:
    """The beginning of a game.

    Args:
        questions: 0 or 1 for each agent.
    """
    state = State(questions, jnp.zeros_like(questions), jnp.bool_(False))
    return state, timestep(state, jnp.float32(0))


def answered(state: State, actions: Int[Array, "A"]) -> State:
    """The end of a game; an unknown action counts as 1.

    Args:
        state: before the step, unbatched.
        actions: of all agents, ``(A,)``.
    """
    return State(state.questions, (actions != 0).astype(jnp.int32), jnp.bool_(True))


def timestep(state: State, paid: Float[Array, ""]) -> TimeStep:
    """What is seen and paid.

    Args:
        state: unbatched.
        paid: to each agent, 1 where they have won.
    """
    seen, agents = jax.nn.one_hot(state.questions, QUESTIONS), len(state.questions)
    return TimeStep(
        observation=seen,
        state=seen.reshape(-1),
        legal=jnp.ones((agents, len(ACTIONS)), bool),
        active=jnp.ones(agents, bool),
        reward=jnp.full(agents, paid, jnp.float32),
        terminated=state.over,
        truncated=jnp.bool_(False),
        measures={"solved": paid},
    )


def observations() -> Float32[Array, "2 2"]:
    """Both questions as an agent sees them."""
    return jnp.eye(QUESTIONS)


def visits(probabilities: Float[Array, "*B A 2 2"]) -> Float[Array, "*B A 2"]:
    """Each agent is asked each question in half of the games.

    Args:
        probabilities: policies as tables, ``(..., A, N, U)``.
    """
    return jnp.full(probabilities.shape[:-1], 1 / QUESTIONS)
