"""What an actor-critic is built of, from its settings: the action head, the agents and critics."""

from __future__ import annotations

from typing import Any

from jaxtyping import PRNGKeyArray

from qflock.algorithms._actor_critic.config import ActorCriticConfig
from qflock.core.errors import UserError
from qflock.core.spec import Box, Spec
from qflock.learning import actions, entropy
from qflock.learning.actions import Actions
from qflock.networks import agents as agents_of
from qflock.networks import by_name, critics, deviation
from qflock.networks.agents import Agents
from qflock.networks.critics import Critic


def head(config: ActorCriticConfig, spec: Spec) -> Actions:
    """The action head.

    Args:
        config: the learner's settings.
        spec: of the environment.

    Raises:
        UserError: settings that do not suit the environment's kind of action.
    """
    box = spec.action if isinstance(spec.action, Box) else None
    discrete_only = {
        f"operator {config.operator}, with its entropy floor,": config.operator != "none",
        "contraction": config.contraction,
        "circuit_head born": config.circuit_head == "born",
    }
    for name, is_set in discrete_only.items():
        if box and is_set:
            raise UserError(
                f"{spec.name} has continuous actions, a Box of {box.size} numbers; {name} is for "
                "probabilities of discrete ones: leave it off, or take ippo or mappo"
            )
    if config.action_head == actions.DETERMINISTIC:
        raise UserError(f"action head {config.action_head} has no density; take gaussian or beta")
    gaussian = box and config.action_head in (actions.DEFAULT, actions.HEADS[Box][0])
    if config.deviation == "free" and not gaussian:
        raise UserError(
            f"deviation free is for the action head gaussian of a Box; {spec.name} has "
            + (f"the head {config.action_head} here" if box else "discrete actions")
        )
    return actions.of(spec.action, config.action_head)


def agents(config: ActorCriticConfig, spec: Spec, action: Actions) -> Agents:
    """The agents.

    Args:
        config: the learner's settings.
        spec: of the environment.
        action: the action head.
    """
    is_free = config.deviation == "free"

    def make(features: int, key: PRNGKeyArray) -> Any:
        outputs = action.outputs // 2 if is_free else action.outputs
        network = _network(
            config, config.network, config.circuit_settings(), features, outputs, key, hidden=config.hidden
        )
        return deviation.free(network, outputs) if is_free else network

    shared, stage = config.share_parameters, config.input_stage
    return agents_of.build(spec, make, shared, stage, config.groups, config.last_action)


def critic(config: ActorCriticConfig, spec: Spec, sees: critics.Sees, outputs: int = 1) -> Critic:
    """A critic.

    Args:
        config: the learner's settings.
        spec: of the environment.
        sees: what it is computed from.
        outputs: numbers for each agent.
    """

    circuit = config.circuit_settings()
    if circuit["head"] == "born":  # a value is no chance
        circuit["head"] = "scale"

    def make(features: int, outputs: int, key: PRNGKeyArray) -> Any:
        shape = {"hidden": config.critic_hidden, "head_gain": 1.0}
        return _network(config, config.critic_network, circuit, features, outputs, key, **shape)

    return critics.build(spec, make, sees, outputs, config.share_parameters, config.input_stage)


def controller(config: ActorCriticConfig) -> entropy.Controller:
    """The controller of the entropy weight.

    Args:
        config: the learner's settings.
    """
    return entropy.make(
        config.entropy,
        config.alpha0,
        config.alpha_min,
        config.alpha_decay,
        alpha_max=config.alpha_max,
        rate=config.target_rate,
        target_start=config.target_start,
        target_end=config.target_end,
        target_clock=config.target_clock,
    )


def _network(
    config: ActorCriticConfig,
    name: str,
    circuit: dict[str, Any],
    features: int,
    outputs: int,
    key: PRNGKeyArray,
    **more: Any,
) -> Any:
    norms = {"layer_norm": config.layer_norm, "orthogonal": config.orthogonal}
    return by_name.make(name, features, outputs, key, circuit, **norms, **more)
