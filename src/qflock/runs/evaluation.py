"""Scores as plain numbers: rows of evaluation.csv, references, and evaluating a finished run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from qflock.core.environment import Environment
from qflock.core.errors import UserError, unknown
from qflock.core.learner import Policy
from qflock.core.portable import ByChance
from qflock.core.steps import Mode
from qflock.core.trees import named
from qflock.networks import conditions as circuit_conditions
from qflock.networks.circuit import Conditions
from qflock.playing import evaluation as play
from qflock.playing import execution
from qflock.quantum.resources import Rate
from qflock.runs import circuits, newest, policy, summaries
from qflock.runs.train import programs

COLUMNS = (
    "episodes",
    "return_mean",
    "return_std",
    "return_min",
    "return_max",
    "discounted_mean",
    "length_mean",
)
OF_TEAMS = ("return_mean", "discounted_mean")
"""Columns that every team after the first has of its own; all others are the first team's."""


def columns(teams: int, measures: Sequence[str]) -> list[str]:
    """The names of what `row` gives.

    Args:
        teams: how many there are.
        measures: of the environment.
    """
    more = [f"team{team}_{name}" for team in range(1, teams) for name in OF_TEAMS]
    return [*COLUMNS, *more, *measures]


def merit(name: str, known: Sequence[str]) -> str:
    """The column by which the best weights are kept.

    Args:
        name: as the learner has it.
        known: the columns that there are.

    Raises:
        UserError: it is none of them.
    """
    if name not in known:
        raise unknown("column of an evaluation to keep the best weights by", name, known)
    return name


def evaluation_key(seed: int, at: int = 0) -> PRNGKeyArray:
    """The key of an evaluation. It never derives from a training key.

    Args:
        seed: the first seed of the run, or the one the user gives.
        at: environment steps done, so that every evaluation has fresh boards.
    """
    return jax.random.fold_in(named(jax.random.key(seed), "evaluation"), at)


def row(scores: play.Scores) -> dict[str, float]:
    """The columns of evaluation.csv for the episodes of one seed, and a column a measure."""
    mean = lambda x: float(np.mean(x, dtype=np.float64))
    returns = np.asarray(scores.episode_return, np.float64)
    discounted = np.asarray(scores.discounted)
    teams = {}
    if returns.ndim > 1:
        for team in range(1, returns.shape[1]):
            own = zip(OF_TEAMS, (returns[:, team], discounted[:, team]), strict=True)
            teams |= {f"team{team}_{name}": mean(x) for name, x in own}
        returns, discounted = returns[:, 0], discounted[:, 0]
    numbers = (
        returns.mean(),
        returns.std(),
        returns.min(),
        returns.max(),
        mean(discounted),
        mean(scores.length),
    )
    return {
        "episodes": returns.size,
        **dict(zip(COLUMNS[1:], map(float, numbers), strict=True)),
        **teams,
        **{name: mean(x) for name, x in scores.measures.items()},
    }


def rows(scores: play.Scores, seeds: Sequence[int]) -> list[dict[str, float]]:
    """`row` for every seed of a leading axis, with a column ``seed``.

    Args:
        scores: of every seed, with a leading axis ``(seeds,)``.
        seeds: the seeds' numbers.
    """
    host = jax.device_get(scores)
    return [{"seed": s, **row(jax.tree.map(lambda x, i=i: x[i], host))} for i, s in enumerate(seeds)]


def over_seeds(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means of the rows of several seeds; ``episodes`` is their sum."""
    names = [name for name in each[0] if name != "seed"]
    out = {name: float(np.mean([r[name] for r in each])) for name in names}
    return {**out, "episodes": int(sum(r["episodes"] for r in each))}


def by_chance(policy: Policy) -> bool:
    """Whether a policy acts by chance in training: greedily it may then play otherwise."""
    return policy.portable is not None and isinstance(policy.portable.choice, ByChance)


def differ(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two mean returns are further apart than chance of their episodes makes them, at 95 %.

    Args:
        one, other: as `row` or `over_seeds` give them.
    """
    error = math.hypot(*(x["return_std"] / math.sqrt(x["episodes"]) for x in (one, other)))
    return abs(one["return_mean"] - other["return_mean"]) > 1.96 * error


def references(
    env: Environment, key: PRNGKeyArray, episodes: int, copies: int | None = None
) -> dict[str, dict[str, float]]:
    """Scores of the environment's reference policies and of random actions, on the boards of ``key``.

    Args:
        env: where they play.
        key: of the boards; the same key gives the same boards to all of them.
        episodes: how many each plays.
        copies: as `programs.backend`.

    Returns:
        `row` by the policy's name.
    """
    scores = programs.backend(env, copies).references(key, episodes)
    return {name: row(each) for name, each in scores.items()}


def evaluate_run(
    run: Path | str,
    episodes: int = 512,
    mode: Mode = "greedy",
    seed: int = 0,
    checkpoint: str = newest.NEWEST,
    environment_overrides: Mapping[str, Any] | None = None,
    conditions: Conditions | None = None,
    both: bool = False,
    rate: Rate | None = None,
) -> dict[str, Any]:
    """Score a run's policy on fresh episodes: only what execution needs is loaded.

    Args:
        run: its folder.
        episodes: episodes of each seed.
        mode: "greedy" or "sample".
        seed: of the boards; apart from all training keys.
        checkpoint: "newest" (also of a run that trains), "final", "best", or the name of another file in
            models/.
        environment_overrides: environment settings to change, for example ``{"grid_size": 10}``.
        conditions: shots, noise or a device, under which the policy's circuits are measured.
        both: beside greedy scores of a policy that trains by chance, those of its chance: ``sampled``.
        rate: what a device asks for, for the price of a decision and of the training.

    Returns:
        ``per_seed``, ``over_seeds`` and ``references``, with the columns of evaluation.csv; ``execution``
        says how the team acts, see `playing.execution.kind`; ``checkpoint`` and ``env_steps``, which weights
        these are, "state" those of a run's newest state. ``circuits`` is what `circuits.resources` says, with
        a rate also what `circuits.priced` does; with shots, ``measurements_per_decision``.

    Raises:
        UserError: no such run or checkpoint, a damaged file, a setting that does not fit the weights,
            conditions or a price for a policy without circuits.
    """
    if episodes < 1:
        raise UserError(f"episodes is {episodes}; it must be at least 1")
    policies = policy.load(run, checkpoint, environment_overrides)
    acting, parameters = policies.learner.policy, policies.parameters
    taken, shots = circuits.resources(parameters), conditions.measurements if conditions else 0
    cost: dict[str, Any] = {"circuits": taken} if taken else {}
    if rate is not None:
        cost = {"circuits": {**taken, **circuits.priced(taken, _on_device(policies), shots, rate)}}
    if shots:
        cost["measurements_per_decision"] = shots * taken.get("circuits_per_decision", 1)
    each, more = score(policies, episodes, mode, seed, conditions), {}
    if both and by_chance(acting) and mode == "greedy":
        by_seed = score(policies, episodes, "sample", seed, conditions)
        more = {"sampled": {"per_seed": by_seed, "over_seeds": over_seeds(by_seed)}}
    return {
        "run": str(policies.folder.path),
        "algorithm": policies.settings.algorithm,
        "environment": policies.settings.run.env,
        "checkpoint": policies.weights.name,
        "env_steps": policies.weights.env_steps,
        "mode": mode,
        "execution": execution.kind(acting),
        "episodes": episodes,
        "seed": seed,
        **cost,
        "per_seed": each,
        "over_seeds": over_seeds(each),
        **more,
        "references": references_of(policies, episodes, seed),
    }


def score(
    policies: policy.LoadedPolicies, episodes: int, mode: Mode, seed: int, conditions: Conditions | None
) -> list[dict[str, float]]:
    """The scores of a run's policies, `rows`.

    Args:
        policies: of a run.
        episodes, mode, seed, conditions: as `evaluate_run`.

    Raises:
        UserError: conditions for a policy without circuits.
    """
    acting, parameters = policies.learner.policy, policies.parameters
    if conditions is not None:
        acting, parameters = circuit_conditions.under(acting, parameters, conditions)
    count = len(policies.seeds)
    copies = programs.copies_of(policies.learner, count)
    play = programs.evaluator(policies.env, acting, episodes, mode, count, copies=copies)
    return rows(play(parameters, evaluation_key(seed)), policies.seeds)


def references_of(policies: policy.LoadedPolicies, episodes: int, seed: int) -> dict[str, dict[str, float]]:
    """Scores of the reference policies on the boards on which a run's policies are scored, `references`.

    Args:
        policies: of a run.
        episodes, seed: as `evaluate_run`.
    """
    copies = programs.copies_of(policies.learner, len(policies.seeds))
    return references(policies.env, evaluation_key(seed), episodes, copies)


def _on_device(policies: policy.LoadedPolicies) -> int | None:
    """Circuit evaluations that a device would have run to train one seed; None where the run does not say."""
    if not policies.folder.summary.is_file():
        return None
    return summaries.read(policies.folder).get("device_evaluations")
