"""One policy out of several: the best and the chains' candidates, between stages and after a run."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.algorithms.qmarl import distillation
from qflock.algorithms.qmarl.config import QmarlConfig
from qflock.algorithms.qmarl.distillation import Seen
from qflock.core.environment import Environment
from qflock.core.steps import Parameters
from qflock.learning import categorical
from qflock.networks.agents import Agents
from qflock.search import blocks
from qflock.search.scoring import Scoring

TEACHERS = 8
"""At most so many policies teach: the best, and the best chains."""

Distil = Callable[[Float[Array, "K D"], Float[Array, "K"], PRNGKeyArray], Float[Array, "D"]]


def build(
    config: QmarlConfig, env: Environment, team: Agents, shape: blocks.Layout, score: Scoring
) -> Distil | None:
    """A function ``(teachers (K, D), their bounds (K,), key) -> student (D,)``.

    Bounds are lower confidence bounds of the teachers' returns, or exact returns. None where nothing can be
    distilled: networks that remember, or ``distil_steps`` of 0.

    Args:
        config: the learner's settings.
        env: the environment.
        team: the network as agents have it.
        shape: of its parameters.
        score: what policies earn.
    """
    if not config.distil_steps or jax.tree.leaves(team.memory()):
        return None

    def policy(parameters: Parameters, inputs: tuple[Array, Array, Array]) -> Float[Array, "N U"]:
        agents, seen, legal = inputs
        logits = jax.vmap(lambda agent, x: team.one(parameters, agent, (), x)[1])(agents, seen)
        return categorical.log_probabilities(logits, legal)

    def visit(parameters: Parameters, key: PRNGKeyArray) -> Seen:
        met = score.met(parameters, key, config.episodes)
        return Seen((met.agents, met.observations, met.legal), met.weight)

    def distil(theta: Float[Array, "K D"], bounds: Float[Array, "K"], key: PRNGKeyArray) -> Float[Array, "D"]:
        teachers = shape.unravel(theta)
        weights = distillation.teacher_weights(bounds, config.distil_tau)
        k_seen, k_fit = jax.random.split(key)
        first = jax.tree.map(lambda x: x[bounds.argmax()], teachers)
        keys = jax.random.split(k_seen, len(theta))
        met = jax.vmap(visit)(teachers, keys)
        flat = lambda x: x.reshape(-1, *x.shape[2:])
        assert met.rows is not None
        seen = Seen(jax.tree.map(flat, met.inputs), flat(met.rows * weights[:, None]))
        student = distillation.distil(
            policy,
            first,
            teachers,
            weights,
            seen,
            visit,
            k_fit,
            steps=config.distil_steps,
            lr=config.distil_lr,
        )
        return shape.ravel(student.parameters)

    return distil
