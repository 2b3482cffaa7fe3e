"""How much each agent counts for the team's value, by the mixer that a run has trained."""

from __future__ import annotations

from jaxtyping import Array, Float

from qflock.evidence.replay.recording import Weigh
from qflock.runs.policy import LoadedPolicies, of_one_seed


def weigher(policies: LoadedPolicies, at: int = 0) -> Weigh | None:
    """The mixer's weights: the derivatives of the team's value by the agents' values, dQ_tot / dQ_i.

    Args:
        policies: the run, whose learner says what credit is.
        at: which of the run's seeds, counted from 0.

    Returns:
        None where nothing mixes by weights of its own.
    """
    learner, credit = policies.learner, policies.learner.credit
    if credit is None:
        return None
    every = policies.weights.read(learner, "training")
    trained = of_one_seed(every, at)

    def weigh(values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, "A"]:
        return credit(trained, values, state)

    return weigh
