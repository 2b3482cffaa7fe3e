"""Make the ONNX graph of a policy: ``python -m qflock.exports.onnx_graph RUN CHECKPOINT SEED FILE``.

A process of its own, because jax2onnx replaces functions of jax.numpy, and some stay replaced. The policy is
traced before jax2onnx is imported, so that any network whose operations ONNX has will do.

Inputs: ``observations`` (B, A, O) float32, ``legal`` (B, A, U) bool, then ``memory.NAME`` (B, A, ...) where
there is a memory. Outputs: ``scores`` (B, A, U), action values or log-probabilities, ``actions`` (B, A), the
greedy ones, then ``next_memory.NAME``; the memory ``action``, where there is one, is the action taken. The
description is in the metadata as ``about``.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr

from qflock.algorithms._actor_critic import amplitude
from qflock.exports import description
from qflock.exports.description import Portable
from qflock.learning import categorical, exploration
from qflock.machine import device
from qflock.runs import policy
from qflock.runs.policy import Loaded
from qflock.runs.train import program


def traced(portable: Portable, loaded: Loaded) -> tuple[Any, list[Any], list[str], list[str]]:
    """The policy as a traced function of any batch, its inputs' shapes, and the names of both ends."""
    about, spec, operator = portable.about, portable.spec, portable.about["choice"].get("operator")
    learner = loaded.learner
    if operator is not None:  # which acts on log-probabilities of legal actions: it is applied here
        plain = replace(loaded.settings.learner, operator="none")
        learner = program.learner_of(replace(loaded.settings, learner=plain), loaded.env)
    leaves, structure = jax.tree.flatten(learner.memory())

    def one(agent: Any, observation: Any, legal: Any, *memory: Any) -> Any:
        kept, key = jax.tree.unflatten(structure, memory), jax.random.key(0)
        scores = learner.values(portable.parameters, agent, kept, observation)
        kept, _ = learner.act(portable.parameters, agent, kept, observation, legal, key, "greedy")
        return scores, *jax.tree.leaves(kept)

    def board(*x: Any) -> Any:
        if portable.shared:
            return jax.vmap(one)(jnp.arange(spec.agents), *x)
        # Networks of their own one by one: a batch of them is more than jax2onnx can reshape.
        each = [one(jnp.int32(agent), *(part[agent] for part in x)) for agent in range(spec.agents)]
        return jax.tree.map(lambda *parts: jnp.stack(parts), *each)

    def every(observations: Any, legal: Any, *memory: Any) -> Any:
        scores, *kept = jax.vmap(board)(observations, legal, *memory)
        if operator is not None:
            scores = amplitude.apply(scores, legal, **operator).logits
        elif about["choice"]["kind"] == "policy":
            scores = categorical.log_probabilities(scores, legal)
        actions = exploration.greedy(scores, legal).astype(jnp.int32)
        return scores, actions, *(kept[:-1] if about["last_action"] else kept)

    (batch,) = jax.export.symbolic_shape("B")
    shape = lambda kind, *size: jax.ShapeDtypeStruct((batch, spec.agents, *size), kind)
    shapes = [shape(jnp.float32, spec.observation), shape(jnp.bool_, spec.actions)]
    shapes += [shape(x.dtype, *x.shape) for x in leaves]
    closed = jax.make_jaxpr(every)(*shapes)
    needed, _ = dce_jaxpr(closed.jaxpr, [True] * len(closed.out_avals), True)  # no random numbers, not used
    function = jax.extend.core.jaxpr_as_fun(closed.replace(jaxpr=needed))
    inputs = ["observations", "legal", *(f"memory.{name}" for name in about["memory"])]
    outputs = ["scores", "actions", *(f"next_memory.{name}" for name in about["memory"] if name != "action")]
    return function, shapes, inputs, outputs


def main(run: str, checkpoint: str, seed: str, output: str) -> None:
    """Write the graph; any failure is the last line on standard error."""
    device.use("cpu")
    loaded = policy.load(run, checkpoint)
    portable = description.describe(loaded, int(seed), checkpoint)
    function, shapes, inputs, outputs = traced(portable, loaded)
    import jax2onnx  # type: ignore[reportMissingImports]

    logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # shapes that it cannot infer, and does not need
    model = jax2onnx.to_onnx(function, shapes, model_name="policy", input_names=inputs, output_names=outputs)
    entry = model.metadata_props.add()
    entry.key, entry.value = "about", json.dumps(portable.about)
    Path(output).write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:])
