"""The GHZ game: agents who cannot talk each answer a question, and win by the parity of all answers.

Each is asked 0 or 1, an even number of them 1, all such questions with equal chances. They win 1 where the
number of answers 1 is even exactly if half the number of questions 1 is. No N agents with answers of their
own, shared dice included, win more than 1/2 + 2^-ceil(N/2) of the games: 3 of 4 for three agents. Agents that
measure the state (|0...0> + |1...1>)/sqrt 2 win them all. Sources: Greenberger, Horne & Zeilinger 1989;
Mermin 1990; as a game of N, Brassard, Broadbent & Tapp 2005.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, PRNGKeyArray

from qflock.core.environment import ReferencePolicy
from qflock.core.environment import State as AnyState
from qflock.core.errors import UserError
from qflock.core.steps import TimeStep
from qflock.environments._tables import picture, questions
from qflock.environments._tables.questions import State

MOST = 8  # agents


@dataclass(frozen=True)
class Config:
    """Settings of the GHZ game.

    Raises:
        UserError: a number of agents for which it is no game.
    """

    n_agents: int = 3
    """Number of agents."""

    def __post_init__(self) -> None:
        if not 3 <= self.n_agents <= MOST:
            raise UserError(f"n_agents is {self.n_agents}; the GHZ game is for 3 to {MOST} agents")


class Environment:
    """The GHZ game as pure functions. Of the sort `qflock.core.Exact`.

    An agent sees its own question as a one-hot vector; the state is all questions.
    """

    Config = Config
    State = State

    def __init__(self, config: Config = Config()) -> None:  # noqa: B008 (frozen)
        self.config = config
        every = itertools.product((0, 1), repeat=config.n_agents)
        self.asked = np.array([q for q in every if sum(q) % 2 == 0], np.int32)  # (2^(A-1), A)
        self.signs = 1 - (self.asked.sum(1) % 4).astype(np.float32)  # 1: an even parity wins, -1: an odd one
        self.spec = questions.spec("ghz", config.n_agents)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        """Questions of even parity, all with equal chances."""
        return questions.asked(jnp.asarray(self.asked)[jax.random.randint(key, (), 0, len(self.asked))])

    def step(self, key: PRNGKeyArray, state: State, actions: Int[Array, "A"]) -> tuple[State, TimeStep]:
        """Pay all agents 1 or 0, and end. An unknown action counts as 1.

        Args:
            key: of the environment's chance in this step.
            state: before the step, unbatched.
            actions: of all agents, ``(A,)``.
        """
        del key
        after = questions.answered(state, actions)
        won = after.answers.sum() % 2 == _parity(after.questions)
        return after, questions.timestep(after, won.astype(jnp.float32))

    def draw(self, state: State, size: int = 500) -> np.ndarray:
        """Which parity of the answers these questions want, and the one given: uint8 RGB.

        Args:
            state: one unbatched state, on the host.
            size: about how many pixels wide.
        """
        asked, answers = (np.asarray(x).tolist() for x in (state.questions, state.answers))
        wanted, given, over = sum(asked) // 2 % 2, sum(answers) % 2, bool(state.over)
        panel = picture.Panel(
            f"questions {' '.join(map(str, asked))}" + f", answers {' '.join(map(str, answers))}" * over,
            ("even", "odd"),
            np.eye(2, dtype=np.float32)[[wanted]],
            (0, given) if over else None,
            span=(0.0, 1.0),
        )
        return picture.draw([panel], size, "parity", ("won" if wanted == given else "lost") if over else "")

    def references(self) -> dict[str, ReferencePolicy]:
        """Agents that measure the GHZ state, who always win, and the best without it."""
        best = self._best_classical()

        def oracle(key: PRNGKeyArray, state: AnyState, timestep: TimeStep) -> Int[Array, "A"]:
            # All answers but the last are fair coins; their parity with the last is the one that wins.
            first = jax.random.bernoulli(key, shape=(self.spec.agents - 1,)).astype(jnp.int32)
            last = (first.sum() + _parity(state.questions)) % 2
            return jnp.append(first, last)

        def classical(key: PRNGKeyArray, state: AnyState, timestep: TimeStep) -> Int[Array, "A"]:
            return jnp.asarray(best)[jnp.arange(self.spec.agents), state.questions]

        return {"oracle": oracle, "classical": classical}

    def observations(self) -> Float32[Array, "2 2"]:
        """Both questions as an agent sees them."""
        return questions.observations()

    def exact_return(
        self, probabilities: Float[Array, "*B A 2 2"], discount: float | Float[Array, ""] = 1.0
    ) -> Float[Array, "*B"]:
        """The share of games that independent agents win; see `qflock.core.Exact`.

        Args:
            probabilities: policies as tables, ``(..., A, N, U)``.
            discount: of rewards, in [0, 1].
        """
        del discount  # the one step is not discounted
        lean = probabilities[..., 0] - probabilities[..., 1]  # (..., A, N), the mean of (-1)^answer
        each = lean[..., np.arange(self.spec.agents), self.asked].prod(-1)  # (..., 2^(A-1)), of the parity
        return (1 + (self.signs * each).mean(-1)) / 2

    def exact_visits(self, probabilities: Float[Array, "*B A 2 2"]) -> Float[Array, "*B A 2"]:
        """Each agent is asked each question in half of the games."""
        return questions.visits(probabilities)

    def _best_classical(self) -> np.ndarray:
        """Answers to both questions of each agent, ``(A, 2)``, that win most; agents are alike."""
        plans = itertools.combinations_with_replacement(((0, 0), (0, 1), (1, 0), (1, 1)), self.spec.agents)
        tables = np.array(list(plans))
        return tables[int(np.argmax(self.exact_return(jnp.eye(2)[tables])))]


def _parity(asked: Int[Array, "A"]) -> Int[Array, ""]:
    """The parity of the answers that wins."""
    return asked.sum() // 2 % 2
