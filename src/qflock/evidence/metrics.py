"""The one table of metrics: what every number of a run is called, counted in, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from qflock.core.errors import UserError, unknown

Direction = Literal["higher", "lower", "none"]
Kind = Literal["score", "cost", "measure", "diagnostic"]


@dataclass(frozen=True)
class Metric:
    """One number that runs have.

    Attributes:
        name: its column in logs, or its key in a summary.
        word: what it is called in sentences and along axes.
        head: the same where there is little room, as above a column.
        unit: what it is counted in; empty for the task's own unit of reward.
        direction: which is better; "none" where more is neither better nor worse by itself.
        kind: "score" for what every evaluation has, "cost" for what a run spends, "measure" for what an
            environment says of its task, "diagnostic" for what a learner logs while it trains.
    """

    name: str
    word: str
    head: str
    unit: str
    direction: Direction
    kind: Kind


def _metric(
    kind: Kind, name: str, word: str, unit: str = "", direction: Direction = "none", head: str = ""
) -> Metric:
    return Metric(name, word, head or word, unit, direction, kind)


TABLE = {
    metric.name: metric
    for metric in (
        _metric("score", "discounted_mean", "discounted return", direction="higher"),
        _metric("score", "return_mean", "return", direction="higher"),
        _metric("score", "return_min", "lowest return", direction="higher", head="lowest"),
        _metric("score", "return_max", "highest return", direction="higher", head="highest"),
        _metric("score", "return_std", "standard deviation of returns", direction="lower", head="std"),
        _metric("score", "length_mean", "episode length", "steps", head="length"),
        _metric("measure", "solved", "share solved", "share", "higher", head="solved"),
        _metric("cost", "parameters", "parameters", "parameters", "lower", head="params"),
        _metric("cost", "parameters_trained", "trained parameters", "parameters", "lower"),
        _metric("cost", "env_steps", "environment steps", "steps", "lower", head="steps"),
        _metric("cost", "circuit_evaluations", "circuit evaluations", "circuits", "lower", head="circuits"),
        _metric(
            "cost",
            "device_evaluations",
            "circuit evaluations on a device",
            "circuits",
            "lower",
            "on a device",
        ),
        _metric("cost", "measurements", "measurements of circuits", "shots", "lower", head="measured"),
        _metric("cost", "qubits", "qubits", "qubits", "lower"),
        _metric("cost", "circuit_depth", "depth of circuits", "gates", "lower", head="depth"),
        _metric("cost", "two_qubit_gates", "two-qubit gates", "gates", "lower", head="2-qubit gates"),
        _metric("cost", "seconds", "seconds", "seconds", "lower"),
        _metric("diagnostic", "episode_return", "discounted return", direction="higher"),
        _metric("diagnostic", "episode_return_undiscounted", "return", direction="higher"),
        _metric("diagnostic", "episode_length", "episode length", "steps"),
        _metric("diagnostic", "loss", "loss", direction="lower"),
        _metric("diagnostic", "policy_loss", "policy loss"),
        _metric("diagnostic", "value_loss", "value loss", direction="lower"),
        _metric("diagnostic", "central_loss", "central loss", direction="lower"),
        _metric("diagnostic", "q_value", "mean Q-value"),
        _metric("diagnostic", "value", "mean value"),
        _metric("diagnostic", "td_error", "TD error", direction="lower"),
        _metric("diagnostic", "epsilon", "epsilon", "share"),
        _metric("diagnostic", "entropy", "entropy, normalised", "share"),
        _metric("diagnostic", "entropy_floor", "its floor", "share"),
        _metric("diagnostic", "alpha", "entropy weight"),
        _metric("diagnostic", "floor_share", "share of states at the floor", "share"),
        _metric("diagnostic", "approx_kl", "change of the policy", "nats"),
        _metric("diagnostic", "clip_share", "share clipped", "share"),
        _metric("diagnostic", "rotation_kl", "distance to the rotation", "nats"),
        _metric("diagnostic", "explorers", "share of explorers", "share"),
        _metric("diagnostic", "clique_density", "density of cliques", "share"),
        _metric("diagnostic", "independent_density", "density of independent sets", "share"),
        _metric("diagnostic", "unavoidable_density", "their least sum", "share"),
        *(
            _metric("diagnostic", f"{name}_{distance}{end}", f"{word} in {distance.replace('_', ' ')}", unit)
            for distance in ("total_variation", "hellinger")
            for name, end, word, unit in (
                ("lipschitz", "_mean", "mean stretch", ""),
                ("lipschitz", "_max", "largest stretch", ""),
                ("closer", "", "share drawn together", "share"),
            )
        ),
        _metric("diagnostic", "acceptance", "accepted", "share"),
        _metric("diagnostic", "swap_rate", "swapped", "share"),
        _metric("diagnostic", "sigma", "sigma"),
        _metric("diagnostic", "beta", "beta"),
        _metric("diagnostic", "beta_sd", "beta x error of a score"),
        _metric("diagnostic", "stage", "stage"),
        _metric("diagnostic", "best", "best", direction="higher"),
        _metric("diagnostic", "mean", "mean", direction="higher"),
        _metric("diagnostic", "lowest", "lowest chain", direction="higher"),
        _metric("diagnostic", "highest", "highest chain", direction="higher"),
        _metric("diagnostic", "rhat", "R-hat of scores", direction="lower"),
        _metric("diagnostic", "ess", "effective draws of scores", "draws", "higher"),
        _metric("diagnostic", "rhat_policy", "R-hat of policies", direction="lower"),
        _metric("diagnostic", "ess_policy", "effective draws of policies", "draws", "higher"),
        _metric("diagnostic", "mcmc_step", "steps of the chains", "steps"),
        _metric("diagnostic", "network_calls", "network calls", "calls", "lower"),
    )
}
DEFAULT = "discounted_mean"
"""What runs are scored by where nothing else is asked for."""
SCORES = tuple(metric.name for metric in TABLE.values() if metric.kind == "score")
"""What every evaluation has; an environment's measures, such as solved, come on top."""
COSTS = tuple(metric.name for metric in TABLE.values() if metric.kind == "cost")
SIZES = ("parameters", "parameters_trained", "qubits", "circuit_depth", "two_qubit_gates")
"""Costs that a policy has rather than spends: over several tasks they are not added up."""
NOT_SCORES = ("seed", "env_step", "episodes")
"""Columns of an evaluation that say which it is, not how good."""


def of(name: str) -> Metric:
    """The metric of a name; one that the table lacks is an environment's own measure, more being better.

    Args:
        name: a column of a log, or a key of a summary.
    """
    return TABLE.get(name) or _metric("measure", name, name.replace("_", " "), direction="higher")


def span(references: Mapping[str, float]) -> tuple[float, float] | None:
    """Scores of random play and of the oracle, where both are known and differ.

    Args:
        references: scores of reference policies by their names.
    """
    random, oracle = references.get("random"), references.get("oracle")
    return None if random is None or oracle is None or random == oracle else (random, oracle)


def sign(name: str, references: Mapping[str, float]) -> float:
    """1 where more of a metric is better, -1 where less is.

    The references know a task better than any table: if the oracle lies below random play, less is better.

    Args:
        name: of the metric.
        references: scores of reference policies by their names, in this metric.
    """
    if (ends := span(references)) is not None:
        return 1.0 if ends[1] > ends[0] else -1.0
    return -1.0 if of(name).direction == "lower" else 1.0


def percent(fraction: float) -> str:
    """A share as it is shown everywhere."""
    return f"{100 * fraction:.1f} %"


def unknown_metric(name: str, columns: Iterable[str]) -> UserError:
    """The error of a metric that no evaluation has, with the one that may be meant.

    Args:
        name: as it was asked for.
        columns: of the evaluations.
    """
    return unknown("metric", name, scores_among(columns))


def scores_among(columns: Iterable[str]) -> set[str]:
    """What runs can be scored by: what every evaluation has, and an environment's measures.

    Args:
        columns: of the evaluations.
    """
    return {*SCORES, *columns}.difference(NOT_SCORES)
