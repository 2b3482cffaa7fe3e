"""How much each agent counts for the team's value, by the mixer that a run has trained."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from qflock.evidence.replay.recording import Weigh
from qflock.files import tensors
from qflock.networks import inputs
from qflock.runs.policy import Loaded, of_one_seed, weights_file


def weigher(loaded: Loaded, checkpoint: str = "final", at: int = 0) -> Weigh | None:
    """The mixer's weights: the derivatives of the team's value by the agents' values, dQ_tot / dQ_i.

    Only the mixer is read from the weights file. It is looked for where the value learners keep it: a
    part ``mixer`` of what was trained, called ``mixer(values (A,), state features) -> Q_tot``.

    Args:
        loaded: the run.
        checkpoint: "final", "best", or the name of another file in models/.
        at: which of the run's seeds, counted from 0.

    Returns:
        None where nothing mixes by weights of its own: no mixer, a sum, or one that is called otherwise.
    """
    learner, spec = loaded.learner, loaded.env.spec
    one = jax.eval_shape(lambda: learner.weights(learner.init(jax.random.key(0))))
    mixer = getattr(one, "mixer", None)
    if mixer is None or not jax.tree.leaves(mixer):
        return None
    stage = inputs.of_state(spec, getattr(loaded.settings.learner, "input_stage", "raw"))
    if not _mixes(mixer, spec.agents, stage.size):
        return None
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct((len(loaded.seeds), *x.shape), x.dtype), mixer)
    path = weights_file(loaded.folder, checkpoint)
    every = tensors.load(path, {"training": {"mixer": like}}, part=True)[0]["training"]["mixer"]
    trained = of_one_seed(every, at)

    def weigh(values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, "A"]:
        return jax.grad(lambda q: trained(q, stage.apply(state)))(values)

    return weigh


def _mixes(mixer: Any, agents: int, features: int) -> bool:
    """Whether a mixer (of shapes) makes one number of the agents' values and the state's features."""
    float32 = lambda n: jax.ShapeDtypeStruct((n,), jnp.float32)
    try:
        made = jax.eval_shape(lambda m, q, x: m(q, x), mixer, float32(agents), float32(features))
    except TypeError:  # other arguments, or sizes that do not fit
        return False
    return getattr(made, "shape", None) == ()
