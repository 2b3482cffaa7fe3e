"""How a return that is only known by playing enters a target p0(theta) exp(beta J(theta)).

A noisy estimate in the exponent does not target J but J + beta var/2, where var is the estimate's variance:
it prefers policies of high variance, badly so when beta x sd is above about 1.5. What each estimator targets:

- ``exact``: J by the environment's dynamic programme. No noise, no bias.
- ``fixed``: the mean over N scenarios (keys of environment and actions) that both sides share and that stay
  for a stage. Exact for the sample's J; it can overfit the sample, like any training set.
- ``penalty``: fresh scenarios at each step, the same for both sides, and beta^2 s^2 / 2 off the log
  acceptance, s being the standard error of the difference (Ceperley & Dewing 1999, with their corrections for
  an s that is estimated). Exact for Gaussian noise; costs two scorings a step.
- ``same``: nu = beta independent estimates, each unbiased and in [0, 1]; their product is an unbiased
  estimate of J^nu, so keeping the incumbent's is exact for p0 J^nu (Andrieu & Roberts 2009). The target
  is another one: J^nu in place of exp(beta J).
- ``kept``: a fresh estimate for the proposal, the incumbent's kept: exact for the biased target
  p0 E exp(beta J-hat), about J + beta var/2.
- ``redraw``: fresh, independent estimates for both sides at each step, the published rule. Its target has no
  closed form; noise makes acceptance forget differences, and the chain wanders as if beta were smaller.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.search.metropolis import Density, Position

Name = Literal["exact", "fixed", "penalty", "same", "kept", "redraw"]
LEAST = 1e-6
"""Returns of the estimator ``same`` count as no less, so that their logarithm is finite."""


class Returns(Protocol):
    """Plays episodes."""

    def __call__(self, theta: Float[Array, "D"], key: PRNGKeyArray, episodes: int, /) -> Float[Array, "N"]:
        """Returns of N episodes, in [0, 1].

        Args:
            theta: the policy, ``(D,)``.
            key: decides all scenarios.
            episodes: N.
        """
        ...


class Begin(Protocol):
    """A position at theta; ``stage`` is the key of all scenarios of a stage."""

    def __call__(self, theta: Float[Array, "D"], key: PRNGKeyArray, stage: PRNGKeyArray, /) -> Position:
        """The position, with its value and score.

        Args:
            theta: ``(D,)``.
            key: of fresh scenarios.
            stage: key of the stage's scenarios.
        """
        ...


class Weigh(Protocol):
    """Both sides as they are to be compared, and what noise takes off; see `metropolis.Weigh`."""

    def __call__(
        self,
        old: Position,
        theta: Float[Array, "D"],
        key: PRNGKeyArray,
        stage: PRNGKeyArray,
        beta: Float[Array, ""],
        /,
    ) -> tuple[Position, Position, Float[Array, ""]]:
        """Old and new position, and the penalty on the log acceptance.

        Args:
            old: where the chain stands.
            theta: ``(D,)``.
            key: of fresh scenarios.
            stage: key of the stage's scenarios.
            beta: inverse temperature, scalar.
        """
        ...


class Value(Protocol):
    """What a position holds besides theta."""

    def __call__(
        self, theta: Float[Array, "D"], key: PRNGKeyArray, stage: PRNGKeyArray, /
    ) -> tuple[Array, ...]:
        """Value, score and, where proposals follow it, gradient.

        Args:
            theta: ``(D,)``.
            key: of fresh scenarios.
            stage: key of the stage's scenarios.
        """
        ...


class Estimator(NamedTuple):
    """Attributes:
    name: which one it is.
    frozen: its value is a function of theta and the stage's key alone, so that it tempers.
    scorings: policies scored in a step of a chain.
    start: where a chain begins.
    weigh: compares two positions.
    """

    name: Name
    frozen: bool
    scorings: int
    start: Begin
    weigh: Weigh


def penalty(difference: Float[Array, "N"], beta: Float[Array, ""]) -> Float[Array, ""]:
    """What noise of an estimated variance takes off a log acceptance.

    With b = beta^2 s^2 and n samples: b/2 + b^2/(4(n+1)) + b^3/(3(n+1)(n+3)), Ceperley & Dewing 1999,
    equation 29; for b < n/4.

    Args:
        difference: returns of the proposal minus those of the incumbent, scenario by scenario.
    """
    n = difference.shape[0]
    b = jnp.square(beta) * difference.var(ddof=1) / n
    return b / 2 + b**2 / (4 * (n + 1)) + b**3 / (3 * (n + 1) * (n + 3))


def build(
    name: Name,
    returns: Returns,
    episodes: int,
    exact: Density | None = None,
    powers: int = 1,
    gradients: bool = False,
) -> Estimator:
    """The estimator of a name.

    Args:
        returns: plays episodes.
        episodes: N of an estimate; of each of the independent ones, for ``same``.
        exact: J without playing, in [0, 1]; None where the environment offers no way.
        powers: nu of the estimator ``same``.
        gradients: positions carry the gradient of J; for ``exact`` alone.

    Raises:
        UserError: no such estimator, or ``exact`` where there is no dynamic programme.
    """
    if name not in get_args(Name):
        raise UserError(f"unknown estimator {name!r}; there are: {', '.join(get_args(Name))}")
    if name == "exact" and exact is None:
        raise UserError(
            "estimator exact needs an environment with a dynamic programme; take fixed or penalty"
        )
    nothing = jnp.zeros(())

    def by(value: Value) -> Begin:
        return lambda theta, key, stage: Position(theta, *value(theta, key, stage))

    def mean(theta: Array, key: PRNGKeyArray) -> tuple[Array, Array]:
        score = returns(theta, key, episodes).mean()
        return score, score

    def product(theta: Array, key: PRNGKeyArray) -> tuple[Array, Array]:
        each = returns(theta, key, powers * episodes).reshape(powers, episodes).mean(1)
        return jnp.log(jnp.maximum(each, LEAST)).mean(), each.mean()

    def solved(theta: Array) -> tuple[Array, ...]:
        assert exact is not None
        if gradients:
            score, gradient = jax.value_and_grad(exact)(theta)
            return score, score, gradient
        score = exact(theta)
        return score, score

    def keeping(start: Begin) -> Weigh:
        return lambda old, theta, key, stage, beta: (old, start(theta, key, stage), nothing)

    def redraw(
        old: Position, theta: Array, key: PRNGKeyArray, stage: PRNGKeyArray, beta: Array
    ) -> tuple[Position, Position, Array]:
        one, two = jax.random.split(key)
        return Position(old.theta, *mean(old.theta, one)), Position(theta, *mean(theta, two)), nothing

    def penalised(
        old: Position, theta: Array, key: PRNGKeyArray, stage: PRNGKeyArray, beta: Array
    ) -> tuple[Position, Position, Array]:
        before, after = returns(old.theta, key, episodes), returns(theta, key, episodes)
        old_score, new_score = before.mean(), after.mean()
        return (
            Position(old.theta, old_score, old_score),
            Position(theta, new_score, new_score),
            penalty(after - before, beta),
        )

    starts = {
        "exact": by(lambda theta, key, stage: solved(theta)),
        "fixed": by(lambda theta, key, stage: mean(theta, stage)),
        "same": by(lambda theta, key, stage: product(theta, key)),
    }
    start = starts.get(name, by(lambda theta, key, stage: mean(theta, key)))
    weighs: dict[str, Weigh] = {"redraw": redraw, "penalty": penalised}
    again = name in weighs
    return Estimator(
        name, name in ("exact", "fixed"), 2 if again else 1, start, weighs.get(name) or keeping(start)
    )
