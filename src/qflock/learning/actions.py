"""Actions of either kind: the one module that knows whether agents choose or give numbers.

Losses, exploration, last-action inputs, random play, conformance, bridges and exports ask here. An action
head is a file of `learning.heads` with ``build(action) -> Actions``, or the user's own ``my.py:build``.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple, Protocol

from jaxtyping import Array, Bool, Float, PRNGKeyArray

from qflock.core import steps
from qflock.core.errors import UserError, unknown
from qflock.core.portable import ByDensity
from qflock.core.spec import Box, Choices
from qflock.settings import registry

HEADS = {Choices: ("categorical",), Box: ("gaussian", "beta")}
"""Action heads of each kind of action, the default first."""


class Sample(Protocol):
    """An action drawn from the policy."""

    def __call__(
        self, key: PRNGKeyArray, outputs: Float[Array, "*X F"], legal: Bool[Array, "*X U"], /
    ) -> steps.Actions:
        """One action for each leading index.

        Args:
            key: of the draw.
            outputs: of the network, ``(..., F)``.
            legal: mask of legal actions, ``(..., U)``; U = 0 for a Box.
        """
        ...


class Likeliest(Protocol):
    """The policy's likeliest action."""

    def __call__(self, outputs: Float[Array, "*X F"], legal: Bool[Array, "*X U"], /) -> steps.Actions:
        """One action for each leading index.

        Args:
            outputs: of the network, ``(..., F)``.
            legal: mask of legal actions, ``(..., U)``; U = 0 for a Box.
        """
        ...


class LogProb(Protocol):
    """Logarithm of the chance, or of the density, of an action; finite for every legal one."""

    def __call__(
        self, outputs: Float[Array, "*X F"], legal: Bool[Array, "*X U"], action: steps.Actions, /
    ) -> Float[Array, "*X"]:
        """One number for each leading index, in nats.

        Args:
            outputs: of the network, ``(..., F)``.
            legal: mask of legal actions, ``(..., U)``; U = 0 for a Box.
            action: ``(...)``, or ``(..., size)`` of a Box.
        """
        ...


class Entropy(Protocol):
    """Entropy of the policy, in nats."""

    def __call__(self, outputs: Float[Array, "*X F"], legal: Bool[Array, "*X U"], /) -> Float[Array, "*X"]:
        """One number for each leading index.

        Args:
            outputs: of the network, ``(..., F)``.
            legal: mask of legal actions, ``(..., U)``; U = 0 for a Box.
        """
        ...


class Shown(Protocol):
    """What pictures show of the policy, in place of logits."""

    def __call__(self, outputs: Float[Array, "*X F"], /) -> Float[Array, "*X S"]:
        """Log-probabilities where all is legal, U; of a Box the greedy action, then the deviations, 2 D.

        Args:
            outputs: of the network, ``(..., F)``.
        """
        ...


class RandomAction(Protocol):
    """A uniform action: a legal choice, or a point of the Box. ``legal`` is ``(..., U)``, U = 0 for a Box."""

    def __call__(self, key: PRNGKeyArray, legal: Bool[Array, "*X U"], /) -> steps.Actions:
        """One action for each leading index.

        Args:
            key: of the draw.
            legal: mask of legal actions, ``(..., U)``; U = 0 for a Box.
        """
        ...


class Encode(Protocol):
    """An action as features for a network: one-hot, or scaled to [-1, 1]; zeros for `Actions.none`."""

    def __call__(self, action: steps.Actions, /) -> Float[Array, "*X E"]: ...


class Make(Protocol):
    """An array of actions with leading axes of these lengths."""

    def __call__(self, *axes: int) -> steps.Actions: ...


class Actions(NamedTuple):
    """What can be done with actions of a kind.

    Attributes:
        outputs: how many numbers an agent's network must give, F.
        sample, mode, log_prob, entropy: of the policy that those numbers mean.
        normalised_entropy: from 0 for a certain action to 1 for `random`: the entropy as a share of the most
            there can be, or of a Box the width of a number that is played as evenly, as a share of its own.
        shown: the policy in numbers for pictures.
        random: uniform actions.
        encode: an action as ``encoded`` features.
        encoded: how many features that is, E.
        none: stands for the action before an episode's first one.
        zeros: actions to begin an array with: the first choice, or numbers of 0.
        stored: the smallest type that holds an action, for replay.
    """

    outputs: int
    sample: Sample
    mode: Likeliest
    log_prob: LogProb
    entropy: Entropy
    normalised_entropy: Entropy
    shown: Shown
    random: RandomAction
    encode: Encode
    encoded: int
    none: Make
    zeros: Make
    stored: Any

    def choose(
        self, key: PRNGKeyArray, outputs: Float[Array, "*X F"], legal: Bool[Array, "*X U"], by: steps.Mode
    ) -> steps.Actions:
        """The likeliest action ("greedy"), or one drawn from the policy ("sample").

        Args:
            key: of the draw.
            outputs: of the network, ``(..., F)``.
            legal: mask of legal actions, ``(..., U)``; U = 0 for a Box.
            by: "greedy" or "sample".
        """
        return self.mode(outputs, legal) if by == "greedy" else self.sample(key, outputs, legal)


class Head(Protocol):
    """Makes `Actions` for an action space."""

    def __call__(self, action: Choices | Box, /) -> Actions: ...


DEFAULT = "auto"
"""Stands for the first head of the kind of action."""
DETERMINISTIC = "tanh"
"""The head of a Box that has no density: for learners that need none."""


def of(action: Choices | Box, head: str = DEFAULT) -> Actions:
    """What can be done with an environment's actions.

    Args:
        action: ``spec.action``.
        head: the action head: a name of `HEADS`, or the user's own, ``my.py:build``; the kind's default if
            "auto", or empty.

    Raises:
        UserError: no such head, or one for the other kind of action.
    """
    head = HEADS[type(action)][0] if head in ("", DEFAULT) else head
    if registry.is_path(head):
        return registry.from_file(head)(action)
    known = [DETERMINISTIC, *(name for names in HEADS.values() for name in names)]
    if head not in known:
        raise UserError(f"{unknown('action head', head, known)} (or give a file and function, my.py:build)")
    if head not in HEADS[type(action)] and not (head == DETERMINISTIC and isinstance(action, Box)):
        kind = "a Box" if isinstance(action, Box) else "a choice among discrete actions"
        raise UserError(f"action head {head} is not for {kind}; take one of {', '.join(HEADS[type(action)])}")
    return importlib.import_module(f"qflock.learning.heads.{head}").build(action)


def portable(action: Box, head: str = DEFAULT, noise: float = 0.0) -> ByDensity:
    """What an export must know of one of our heads of a Box.

    Args:
        action: the Box.
        head: its name, or "auto".
        noise: deviation of what is added to the numbers of a policy without density, bounds being -1 and 1.
    """
    head = HEADS[Box][0] if head == DEFAULT else head
    return ByDensity(head, action.low, action.high, noise=noise)
