"""A trained policy as plain data: what `numpy_policy` and `torch_policy` play, and what ``about`` says."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, NamedTuple

import jax
import numpy as np

from qflock.core import portable as declared
from qflock.core import texts
from qflock.core.errors import UserError
from qflock.core.learner import Policy, Scores
from qflock.core.portable import ByDensity, Portable
from qflock.core.spec import Box, Spec
from qflock.core.steps import Memory, Parameters, Seen
from qflock.core.trees import spread
from qflock.core.version import __version__
from qflock.exports import numpy_choice
from qflock.exports.numpy_policy import FORMAT, ExportedPolicy
from qflock.learning.actions import of as actions_of
from qflock.networks import inputs
from qflock.networks.circuit import Circuit, among
from qflock.networks.deviation import FreeDeviation
from qflock.networks.mlp import MLP
from qflock.networks.recurrent import GRU
from qflock.playing import execution
from qflock.runs.policy import LoadedPolicies
from qflock.settings import registry
from qflock.settings.values import plain


class Description(NamedTuple):
    """A policy as plain data.

    Attributes:
        about: what the weights mean, as JSON can say it (see `numpy_policy`).
        weights: float32 arrays by name; of networks of their own, the first axis is the agent.
        spec: of its environment.
        parameters: the same weights as the learner has them.
        portable: what the policy declares of itself.
    """

    about: dict[str, Any]
    weights: dict[str, np.ndarray]
    spec: Spec
    parameters: Parameters
    portable: Portable

    @property
    def complete(self) -> bool:
        """Whether ``about`` says all that it takes to play; else there are weights by name alone."""
        return self.about["network"]["kind"] in ("mlp", "gru", "circuit")


def describe(policies: LoadedPolicies, seed: int | None = None, checkpoint: str = "final") -> Description:
    """The policy of one seed.

    Args:
        policies: a run's policies.
        seed: which seed's; the first by default.
        checkpoint: what the file says of where the weights come from.

    Raises:
        UserError: no such seed, or a policy that cannot be taken home: no agent of it acts alone, it gives
            numbers and does not declare how, or it has no weights.
    """
    seed = policies.seeds[0] if seed is None else seed
    if seed not in policies.seeds:
        raise UserError(f"the run has no seed {seed}; it has {policies.seeds}")
    algorithm, spec, policy = policies.settings.algorithm, policies.env.spec, policies.learner.policy
    parameters = jax.tree.map(lambda x: x[policies.seeds.index(seed)], policies.parameters)
    if problem := _unfit(policy, spec, parameters):
        raise UserError(f"a policy of {algorithm} cannot be exported: {problem}")
    portable = policy.portable or Portable(spec.agents, stage="raw", described=False)
    describable = portable.described and policy.scores is not None
    own = parameters.network if isinstance(parameters, FreeDeviation) else parameters
    network = _network(own) if describable else {"kind": "own", "name": type(parameters).__name__}
    about = {
        "format": FORMAT,
        "made_by": f"qflock {__version__}",
        "algorithm": registry.short_name(algorithm),
        "environment": registry.short_name(policies.settings.run.env),
        "environment_settings": _plain(policies.settings.environment),
        "seed": seed,
        "checkpoint": checkpoint,
        "agents": spec.agents,
        "actions": spec.masked,
        "observation": spec.observation,
        "action_names": list(spec.action_names),
        "input": _input(spec, portable.stage),
        "identity": portable.identity,
        "last_action": portable.last_action,
        "network": network,
        "memory": _memory(execution.lone_start(policy), network, portable.last_action),
        "choice": declared.about(portable.choice),
    }
    about = texts.from_json(json.dumps(about))  # as a reader will find it
    networks = list(portable.networks)
    each = lambda tree: jax.tree.map(lambda x: np.asarray(x)[networks], tree) if networks else tree
    named, _ = jax.tree_util.tree_flatten_with_path(each(own))
    weights = {jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(x) for path, x in named}
    if isinstance(parameters, FreeDeviation):
        weights["log_deviation"] = np.asarray(each(parameters.log_deviation))
    if isinstance(own, Circuit) and describable:
        fixed = _fixed(own, networks, spec, about)
        about["network"]["fixed"], weights = sorted(fixed), weights | fixed
    return Description(about, weights, spec, parameters, portable)


def _unfit(policy: Policy, spec: Spec, parameters: Parameters) -> str:
    """Why a policy cannot be taken home; empty where it can."""
    how = execution.kind(policy)
    if how == "drawn together":
        return "its agents' actions are drawn together"
    if how != "decentralised":
        return "it is centrally executed: no agent can act alone"
    if isinstance(spec.action, Box) and not (
        policy.portable and isinstance(policy.portable.choice, ByDensity)
    ):
        return "its actions are numbers, and it does not declare how they come of outputs (ByDensity)"
    return "" if jax.tree.leaves(parameters) else "it has no weights"


def scores_of(policy: Policy, algorithm: str) -> Scores:
    """The numbers behind a policy's choices.

    Args:
        policy: a learner's.
        algorithm: its name, for the message.

    Raises:
        UserError: it has none, so that nothing could be compared with what is written.
    """
    if policy.scores is None:
        raise UserError(
            f"a policy of {algorithm} cannot be exported so: it has no scores to compare with; take its "
            "weights by name with --to safetensors"
        )
    return policy.scores


def check(description: Description, policies: LoadedPolicies, exported: ExportedPolicy) -> float:
    """Let an exported policy and the learner's own act on made-up observations.

    Args:
        description: what is exported.
        policies: the run's own.
        exported: the policy that is to act as they do.

    Returns:
        The largest difference of action values, relative to the largest of them, of probabilities, or of
        numbers and their deviations, relative to their bounds.

    Raises:
        UserError: they differ by more than rounding, or choose differently: it is not the same policy.
    """
    spec, policy, boards = description.spec, policies.learner.policy, 64
    scores_by = scores_of(policy, policies.settings.algorithm)
    rng = np.random.default_rng(0)
    scale = max([spec.observation_scale, *(group.extent for group in spec.observation_entities)])

    def team(memory: Memory, x: jax.Array, allowed: jax.Array) -> tuple[Any, Any, Any]:
        seen = Seen(x, allowed, allowed.any(-1))
        values = scores_by(description.parameters, memory, seen)
        after, actions = policy.act(description.parameters, memory, seen, jax.random.key(0), "greedy")
        return values, actions, after

    every = jax.jit(jax.vmap(team))
    ours, theirs = spread(policy.start(), boards), exported.initial()
    difference = 0.0
    for _ in range(3):  # steps of an episode, for networks with a memory
        observations = rng.uniform(-0.2, 1.2, (boards, spec.agents, spec.observation))
        observations = np.rint(observations * scale).astype(np.float32)
        legal = rng.random((boards, spec.agents, spec.masked)) < 0.7
        legal[..., rng.integers(spec.masked) if spec.masked else ()] = True
        expected, actions, ours = every(ours, observations, legal)
        expected, actions = np.asarray(expected), np.asarray(actions)
        outputs = exported.scores(theirs, observations, np.ones_like(legal))[1]
        theirs, scores = exported.scores(theirs, observations, legal)
        theirs = exported.acted(theirs, actions)
        apart, alike = _compared(description.about["choice"], (expected, actions), (outputs, scores), legal)
        difference = max(difference, apart)
        if not difference < 1e-4 or not alike:
            raise UserError(
                f"a policy of {policies.settings.algorithm} cannot be exported so: it is more than its "
                f"network and declaration say (by {difference:.1g} of its largest value)"
            )
    return difference


def _compared(
    choice: dict[str, Any],
    ours: tuple[np.ndarray, np.ndarray],
    theirs: tuple[np.ndarray, np.ndarray],
    legal: np.ndarray,
) -> tuple[float, bool]:
    """How far an exported policy is from ours, and whether both choose alike.

    Args:
        choice: how outputs become an action.
        ours: our scores where all is legal, and our actions.
        theirs: their scores where all is legal, and those of legal actions.
        legal: mask of legal actions.
    """
    (expected, actions), (outputs, scores) = ours, theirs
    if choice["kind"] == "density":
        found = [numpy_choice.numbers(choice, scores), numpy_choice.deviations(choice, scores)]
        wanted = [actions, expected[..., actions.shape[-1] :]]
        widths = np.tile(np.subtract(choice["high"], choice["low"]), 2)
        return float((np.abs(np.concatenate(found, -1) - np.concatenate(wanted, -1)) / widths).max()), True
    if choice["kind"] == "policy":  # an unlikely action's logarithm is mostly rounding
        outputs, expected = np.exp(outputs), np.exp(expected)
    apart = np.abs(outputs - expected).max() / max(1.0, float(np.abs(expected).max()))
    scores = np.where(legal, scores, -np.inf)
    behind = scores.max(-1) - np.take_along_axis(scores, actions[..., None], -1)[..., 0]
    # 0 where both choose alike, and little between equals
    return float(apart), bool((behind <= 1e-3 * np.maximum(1.0, np.abs(scores.max(-1)))).all())


def _plain(settings: Any) -> dict[str, Any]:
    fields = () if settings is None else dataclasses.fields(settings)
    return {field.name: plain(getattr(settings, field.name)) for field in fields}


def _input(spec: Spec, stage: str) -> dict[str, Any]:
    """The input stage, as `networks.inputs` has it."""
    if stage == "raw" or not (spec.observation_entities or spec.observation_codes):
        return {"kind": "scaled", "scale": spec.observation_scale}
    groups = [dataclasses.asdict(g) for g in spec.observation_entities]
    codes = [dataclasses.asdict(c) for c in spec.observation_codes]
    scales = {"near": inputs.NEAR, "worth": inputs.WORTH, "paired": inputs.PAIRED}
    stages = {"kind": "relative", "groups": groups, "codes": codes, "scale": spec.observation_scale}
    return {**stages, **scales}


def _network(parameters: Parameters) -> dict[str, Any]:
    if isinstance(parameters, Circuit):
        circuit = parameters.description
        return {
            "kind": "circuit",
            "qubits": circuit.qubits,
            "layers": circuit.layers,
            "encoding": circuit.encoding,
            "reupload": circuit.reupload,
            "compression": parameters.compression != "none",
            "head": "linear" if parameters.head is not None else "born" if circuit.outcomes else "scale",
        }
    kind = {MLP: "mlp", GRU: "gru"}.get(type(parameters))
    if kind is None:
        return {"kind": "own", "name": type(parameters).__name__}
    return {
        "kind": kind,
        "hidden": len(parameters.hidden),
        "layer_norm": bool(parameters.norms),
        "epsilon": parameters.norms[0].eps if parameters.norms else 0.0,
        "dueling": parameters.value is not None,
    }


def _fixed(network: Circuit, networks: list[int], spec: Spec, about: dict[str, Any]) -> dict[str, np.ndarray]:
    """What a circuit computes with and does not train: start, pattern, read-out, and what is frozen."""
    circuit = network.description
    fixed = {"start": circuit.initial, "signs": circuit.signs, "source": np.arange(2**circuit.qubits)}
    fixed["phases"] = np.ones(2**circuit.qubits)
    if circuit.entangler == "cz":
        fixed["phases"] = circuit.phases
    else:
        fixed["source"] = circuit.permutation
    arrays = {
        f"circuit.{name}": np.asarray(x, np.int32 if name == "source" else np.float32)
        for name, x in fixed.items()
    }
    network = among(network, max(networks) + 1) if networks else network
    each = networks or 0  # a frozen array of each agent, or one for all
    if network.angles is None:
        arrays["angles"] = network.fixed_angles()[each]
        arrays["weights"] = np.ones((*np.shape(networks), *circuit.weights), np.float32)
    if network.compression == "frozen":
        features = inputs.of_observation(spec, about["input"]["kind"]).size
        features += about["identity"] * spec.agents + about["last_action"] * actions_of(spec.action).encoded
        arrays["compress.weight"] = network.fixed_rows(features)[each]
        arrays["compress.bias"] = np.zeros(arrays["compress.weight"].shape[:-1], np.float32)
    return arrays


def _memory(start: Any, network: dict[str, Any], last_action: bool) -> dict[str, Any]:
    """What one agent remembers at the start, by name, in the order of the memory's leaves."""
    leaves = [np.asarray(x).tolist() for x in jax.tree.leaves(start)]
    inner = leaves[:-1] if last_action else leaves
    names = ["hidden"] if network["kind"] == "gru" else [f"inner{i}" for i in range(len(inner))]
    return dict(zip([*names, "action"], leaves, strict=False))
