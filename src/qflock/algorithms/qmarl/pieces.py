"""What a search of policies is made of: the network, its parameters as a vector, and what they earn."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.algorithms.qmarl import distillation
from qflock.algorithms.qmarl.config import QmarlConfig
from qflock.core.environment import Environment
from qflock.networks import agents, by_name
from qflock.search import blocks, scoring


class Pieces(NamedTuple):
    """The network as agents have it, its parameters as a vector, and what they earn."""

    team: agents.Agents
    shape: blocks.Layout
    score: scoring.Scoring


def pieces(config: QmarlConfig, env: Environment) -> Pieces:
    """What a learner of these settings is made of.

    Args:
        config: the learner's settings.
        env: with discrete actions.
    """
    spec = env.spec

    def make_network(features: int, key: PRNGKeyArray) -> Any:
        return by_name.make(
            config.network,
            features,
            spec.actions,
            key,
            circuit=config.circuit_settings(),
            hidden=config.hidden,
            layer_norm=config.layer_norm,
            orthogonal=config.orthogonal,
        )

    shared = config.share_parameters
    team = agents.build(spec, make_network, shared, config.input_stage, ids=config.agent_ids)
    alike = shared and not config.agent_ids
    return Pieces(
        team, blocks.layout(team.init, config.blocks), scoring.build(env, team, alike, config.training())
    )


def bounds(
    score: scoring.Scoring, shape: blocks.Layout, theta: Float[Array, "K D"], key: PRNGKeyArray, episodes: int
) -> Float[Array, "K"]:
    """What policies surely earn: exact greedy returns, or lower bounds on common fresh scenarios.

    Args:
        score: what policies earn.
        shape: of the parameters.
        theta: K policies, ``(K, D)``.
        key: of the scenarios.
        episodes: of each policy, where returns are not exact.
    """
    if score.exact is not None:
        solve = score.exact
        return jax.vmap(lambda t: solve(shape.unravel(t), "greedy"))(theta)
    play = lambda t: score.play(shape.unravel(t), key, episodes, "greedy").episode_return
    return distillation.lower_bounds(jax.vmap(play)(theta))
