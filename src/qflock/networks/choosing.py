"""What a learner says of its agents: how a network's outputs become an action, and what is shown of them."""

from __future__ import annotations

from typing import Protocol

from jaxtyping import Array, Bool, Float, PRNGKeyArray

from qflock.core.steps import Actions, Mode


class Choose(Protocol):
    """The action of one agent, from its network's outputs."""

    def __call__(
        self, key: PRNGKeyArray, outputs: Float[Array, "F"], legal: Bool[Array, "U"], mode: Mode, /
    ) -> Actions:
        """An action.

        Args:
            key: of the agent's own randomness.
            outputs: ``(F,)``.
            legal: its mask of legal actions, ``(U,)``.
            mode: "greedy", or "sample" to act as in training.
        """
        ...


class Show(Protocol):
    """The numbers behind an agent's choice: action values, or log-probabilities where all is legal."""

    def __call__(self, outputs: Float[Array, "F"], /) -> Float[Array, "U"]: ...
