"""Critics of actions: of each agent by itself, of all at once, or of each, mixed."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.algorithms._off_policy.config import OffPolicyConfig
from qflock.core.spec import Spec
from qflock.core.steps import Parameters, TimeStep
from qflock.machine import mesh
from qflock.networks import inputs, mixers
from qflock.networks.agents import Init
from qflock.networks.mlp import MLP


class Values(Protocol):
    """The critics' values of actions."""

    def __call__(
        self, parameters: Parameters, at: TimeStep, actions: Float[Array, "T N A D"], /
    ) -> Float[Array, "K T N *X"]:
        """Values of K critics: of each agent, or of the team.

        Args:
            parameters: the critics', leaves ``(K, ...)``.
            at: time steps, leaves ``(T, N, ...)``.
            actions: numbers in [-1, 1].
        """
        ...


class Critics(NamedTuple):
    """Attributes: ``init``, parameters of all critics from a key; ``values``; ``of_team``: of the team."""

    init: Init
    values: Values
    of_team: bool


class Networks(NamedTuple):
    """One critic: a network, or one of each agent, and what mixes their values."""

    network: Any
    mixer: Any


def build(config: OffPolicyConfig, spec: Spec) -> Critics:
    """The critics of a learner.

    Args:
        config: its settings.
        spec: of an environment with a Box.
    """
    seen, state = (part(spec, config.input_stage) for part in (inputs.of_observation, inputs.of_state))
    agents, numbers = spec.agents, spec.box.size
    central, shared = config.critic == "central", config.share_parameters
    outputs = agents if central and config.reward == "own" else 1

    def network(features: int, key: PRNGKeyArray, outputs: int = 1) -> MLP:
        shape = {"hidden": config.critic_hidden, "layer_norm": config.layer_norm, "head_gain": 1.0}
        return MLP(features, outputs, key=key, orthogonal=config.orthogonal, **shape)

    def one(key: PRNGKeyArray) -> Networks:
        if central:
            return Networks(network(state.size + agents * numbers, key, outputs), ())
        features = seen.size + numbers + (agents if shared else 0)
        k_network, k_mixer = jax.random.split(key)
        make = lambda key: network(features, key)
        own = make(k_network) if shared else jax.vmap(make)(jax.random.split(k_network, agents))
        return Networks(own, mixer(k_mixer) if config.critic == "mixed" else ())

    def mixer(key: PRNGKeyArray) -> Any:
        if config.mixer == "free":
            return network(agents + state.size, key)
        widths = {"embed": config.mixer_embed, "hyper": config.mixer_hyper}
        return mixers.make(config.mixer, agents, state.size, key, **widths)

    def value(critic: Networks, at: TimeStep, actions: Float[Array, "A D"]) -> Float[Array, "*X"]:
        """Of one time step."""
        if central:
            out = critic.network(jnp.concatenate([state.apply(at.state), actions.ravel()]))
            return out if outputs > 1 or config.reward == "own" else out[0]
        parts = [jax.vmap(seen.apply)(at.observation), actions, *([jnp.eye(agents)] if shared else [])]
        x = jnp.concatenate(parts, -1)
        own = jax.vmap(critic.network)(x) if shared else jax.vmap(lambda net, x: net(x))(critic.network, x)
        if config.critic == "own":
            return own[:, 0]
        if config.mixer == "free":
            return critic.mixer(jnp.concatenate([own[:, 0], state.apply(at.state)]))[0]
        return critic.mixer(own[:, 0], state.apply(at.state) if config.mixer != "sum" else at.state)

    def values(parameters: Parameters, at: TimeStep, actions: Float[Array, "T N A D"]) -> Array:
        shape = actions.shape[:2]
        actions = jnp.where(at.active[..., None], actions, 0.0)  # who has left does nothing
        count = shape[0] * shape[1]
        flat = jax.tree.map(lambda x: x.reshape(count, *x.shape[2:]), (at, actions))
        at, actions = mesh.over_copies(flat)
        each = jax.vmap(lambda critic: jax.vmap(lambda *x: value(critic, *x))(at, actions))(parameters)
        return mesh.whole(each.reshape(each.shape[0], *shape, *each.shape[2:]))

    def init(key: PRNGKeyArray) -> Parameters:
        return jax.vmap(one)(jax.random.split(key, 2 if config.twin else 1))

    return Critics(init, values, config.critic == "mixed" or (central and config.reward == "team"))
