"""How much each agent counts for the team's value, by the mixer that a run has trained."""

from __future__ import annotations

import jax
from jaxtyping import Array, Float

from qflock.evidence.replay.recording import Weigh
from qflock.files import tensors
from qflock.runs.policy import LoadedPolicies, of_one_seed, weights_file


def weigher(policies: LoadedPolicies, checkpoint: str = "final", at: int = 0) -> Weigh | None:
    """The mixer's weights: the derivatives of the team's value by the agents' values, dQ_tot / dQ_i.

    Args:
        policies: the run, whose learner says what credit is.
        checkpoint: "final", "best", or the name of another file in models/.
        at: which of the run's seeds, counted from 0.

    Returns:
        None where nothing mixes by weights of its own.
    """
    learner, credit = policies.learner, policies.learner.credit
    if credit is None:
        return None
    one = jax.eval_shape(lambda: learner.weights(learner.init(jax.random.key(0))))
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct((len(policies.seeds), *x.shape), x.dtype), one)
    path = weights_file(policies.folder, checkpoint)
    every = tensors.load(path, {"training": like}, part=True)[0]["training"]
    trained = of_one_seed(every, at)

    def weigh(values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, "A"]:
        return credit(trained, values, state)

    return weigh
