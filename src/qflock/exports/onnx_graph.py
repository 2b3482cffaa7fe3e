"""Make the ONNX graph of a policy: ``python -m qflock.exports.onnx_graph RUN CHECKPOINT SEED FILE``.

A process of its own, because jax2onnx replaces functions of jax.numpy, and some stay replaced. The policy is
traced before jax2onnx is imported, so that any network whose operations ONNX has will do.

Inputs: ``observations`` (B, A, O) float32, ``legal`` (B, A, U) bool, then ``memory.NAME`` (B, A, ...) where
there is a memory. Outputs: ``scores`` (B, A, U), action values or log-probabilities, and ``actions`` (B, A),
the greedy ones; where agents give numbers ``scores`` (B, A, F), what the network gives, and ``actions``
(B, A, D). Then ``next_memory.NAME``; the memory ``action``, where there is one, is the action taken. The
description is in the metadata as ``about``.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.extend
import jax.numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr

from qflock.core.errors import UserError
from qflock.core.steps import Memory
from qflock.exports import description
from qflock.exports.description import Description
from qflock.learning import amplitude, categorical, exploration
from qflock.learning.actions import of as actions_of
from qflock.machine import device
from qflock.networks import agents
from qflock.networks.agents import Agents
from qflock.playing.execution import EachScores, lone_start
from qflock.runs import policy
from qflock.runs.policy import LoadedPolicies


def trace(record: Description, policies: LoadedPolicies) -> tuple[Any, list[Any], list[str], list[str]]:
    """The policy as a traced function of any batch, its inputs' shapes, and the names of both ends.

    Args:
        record: the policy of one seed.
        policies: the run's own.

    Returns:
        A function of arrays, the shapes of its inputs with a symbolic batch "B", the names of its inputs, and
        those of its outputs.

    Raises:
        UserError: a policy without scores of each agent.
    """
    about, spec, portable = record.about, record.spec, record.portable
    operator, step = about["choice"].get("operator"), _of_one(record, policies)
    leaves, structure = jax.tree.flatten(lone_start(policies.learner.policy))

    def one(agent: Any, observation: Any, legal: Any, *memory: Any) -> Any:
        memory_after, scores = step(agent, jax.tree.unflatten(structure, memory), observation, legal)
        return scores, *jax.tree.leaves(memory_after)

    def board(*x: Any) -> Any:
        if portable.described and not portable.networks:
            return jax.vmap(one)(jnp.arange(spec.agents), *x)
        # Networks of their own one by one: a batch of them is more than jax2onnx can reshape.
        each = [one(jnp.int32(agent), *(part[agent] for part in x)) for agent in range(spec.agents)]
        return jax.tree.map(lambda *parts: jnp.stack(parts), *each)

    def every(observations: Any, legal: Any, *memory: Any) -> Any:
        scores, *memory_after = jax.vmap(board)(observations, legal, *memory)
        if operator is not None:
            scores = amplitude.apply(scores, legal, **operator).logits
        elif about["choice"]["kind"] == "policy":
            scores = categorical.log_probabilities(scores, legal)
        if about["choice"]["kind"] == "density":
            actions = actions_of(spec.action, about["choice"]["head"]).mode(scores, legal)
        else:
            actions = exploration.greedy(scores, legal).astype(jnp.int32)
        return scores, actions, *(memory_after[:-1] if about["last_action"] else memory_after)

    (batch,) = jax.export.symbolic_shape("B")
    shape = lambda kind, *size: jax.ShapeDtypeStruct((batch, spec.agents, *size), kind)
    shapes = [shape(jnp.float32, spec.observation), shape(jnp.bool_, spec.masked)]
    shapes += [shape(x.dtype, *x.shape) for x in leaves]
    closed = jax.make_jaxpr(every)(*shapes)
    needed, _ = dce_jaxpr(closed.jaxpr, [True] * len(closed.out_avals), True)  # no random numbers, not used
    function = jax.extend.core.jaxpr_as_fun(closed.replace(jaxpr=needed))
    inputs = ["observations", "legal", *(f"memory.{name}" for name in about["memory"])]
    outputs = ["scores", "actions", *(f"next_memory.{name}" for name in about["memory"] if name != "action")]
    return function, shapes, inputs, outputs


class Step(Protocol):
    """One agent's memory after a time step, and the numbers behind its choice."""

    def __call__(self, agent: Any, memory: Memory, observation: Any, legal: Any, /) -> tuple[Memory, Any]: ...


def _of_one(record: Description, policies: LoadedPolicies) -> Step:
    """A step of one agent.

    An operator acts on log-probabilities of *legal* actions, which the numbers behind a choice do not know:
    where there is one, or agents give numbers, they are what the network gives, and the graph does the rest.
    """
    team_policy, parameters = policies.learner.policy, record.parameters
    scores, alone = description.scores_of(team_policy, policies.settings.algorithm), team_policy.alone
    if record.about["choice"].get("operator") is not None or record.about["choice"]["kind"] == "density":
        team = _team(record)
        return lambda agent, memory, observation, legal: team.one(parameters, agent, memory, observation)
    if alone is None or not isinstance(scores, EachScores):
        raise UserError("its scores are the team's; a graph needs those of each agent")

    def step(agent: Any, memory: Memory, observation: Any, legal: Any) -> tuple[Memory, Any]:
        after, _ = alone(parameters, agent, memory, observation, legal, jax.random.key(0), "greedy")
        return after, scores.one(parameters, agent, memory, observation)

    return step


def _team(record: Description) -> Agents:
    """The agents again, from what the policy declares and from its trained networks."""
    portable, network = record.portable, record.parameters
    if portable.networks:
        network = jax.tree.map(lambda x: x[0], network)
    return agents.build(
        record.spec,
        lambda features, key: network,
        stage=portable.stage,
        groups=portable.networks,
        last_action=portable.last_action,
        ids=portable.identity,
    )


def main(run: str, checkpoint: str, seed: str, output: str) -> None:
    """Write the graph; any failure is the last line on standard error.

    Args:
        run: the run's folder.
        checkpoint: "final", "best", or the name of another file in models/.
        seed: its number, as it is typed.
        output: the file to write.
    """
    device.use("cpu")
    policies = policy.load(run, checkpoint)
    record = description.describe(policies, int(seed), checkpoint)
    function, shapes, inputs, outputs = trace(record, policies)
    import jax2onnx  # type: ignore[reportMissingImports]

    logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # shapes that it cannot infer, and does not need
    model = jax2onnx.to_onnx(function, shapes, model_name="policy", input_names=inputs, output_names=outputs)
    entry = model.metadata_props.add()
    entry.key, entry.value = "about", json.dumps(record.about)
    Path(output).write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:])
