"""Scores as plain numbers: rows of evaluation.csv, references, and evaluating a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from qflock.bridges.host.workers import HostEnvironment
from qflock.core.errors import UserError
from qflock.core.types import Environment, Mode, Referenced
from qflock.networks import conditions as circuit_conditions
from qflock.networks.circuit import Conditions
from qflock.playing import evaluation as play
from qflock.runs import policy
from qflock.runs.train import host_program, program, programs

COLUMNS = (
    "episodes",
    "return_mean",
    "return_std",
    "return_min",
    "return_max",
    "discounted_mean",
    "length_mean",
)


def evaluation_key(seed: int, at: int = 0) -> PRNGKeyArray:
    """The key of an evaluation. It never derives from a training key.

    Args:
        seed: the first seed of the run, or the one the user gives.
        at: environment steps done, so that every evaluation has fresh boards.
    """
    return jax.random.fold_in(program.named(jax.random.key(seed), "evaluation"), at)


def row(scores: play.Scores) -> dict[str, float]:
    """The columns of evaluation.csv for the episodes of one seed, and a column a measure."""
    returns = np.asarray(scores.episode_return, np.float64)
    numbers = (
        returns.size,
        returns.mean(),
        returns.std(),
        returns.min(),
        returns.max(),
        np.mean(scores.discounted, dtype=np.float64),
        np.mean(scores.length, dtype=np.float64),
    )
    measures = {name: float(np.mean(x, dtype=np.float64)) for name, x in scores.measures.items()}
    return {
        "episodes": returns.size,
        **dict(zip(COLUMNS[1:], map(float, numbers[1:]), strict=True)),
        **measures,
    }


def rows(scores: play.Scores, seeds: Sequence[int]) -> list[dict[str, float]]:
    """`row` for every seed of a leading axis, with a column ``seed``."""
    host = jax.device_get(scores)
    return [{"seed": s, **row(jax.tree.map(lambda x, i=i: x[i], host))} for i, s in enumerate(seeds)]


def over_seeds(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means of the rows of several seeds; ``episodes`` is their sum."""
    names = [name for name in each[0] if name != "seed"]
    out = {name: float(np.mean([r[name] for r in each])) for name in names}
    return {**out, "episodes": int(sum(r["episodes"] for r in each))}


def references(env: Environment, key: PRNGKeyArray, episodes: int) -> dict[str, dict[str, float]]:
    """Scores of the environment's reference policies and of random actions, on the boards of ``key``."""
    if isinstance(env, HostEnvironment):
        return {"random": row(host_program.random_play(env, key, episodes))}
    policies = dict(env.references()) if isinstance(env, Referenced) else {}
    policies["random"] = play.random_policy
    # A user's policy may count in another type; a switch wants one.
    branches = [lambda *seen, one=one: jnp.asarray(one(*seen), jnp.int32) for one in policies.values()]

    def of(key: PRNGKeyArray, which: Int[Array, ""]) -> play.Scores:
        choose = play.of_reference(lambda *seen: jax.lax.switch(which, branches, *seen))
        return play.play(env, choose, (), key, episodes)

    # One program, one policy after the other: a program each would compile the environment as often. The key
    # is an argument, so that the program in the cache is good for all of them.
    every = jax.jit(lambda key: jax.lax.map(partial(of, key), jnp.arange(len(policies))))
    scores = jax.device_get(every(key))
    return {name: row(jax.tree.map(lambda x, i=i: x[i], scores)) for i, name in enumerate(policies)}


def evaluate_run(
    run: Path | str,
    episodes: int = 512,
    mode: Mode = "greedy",
    seed: int = 0,
    checkpoint: str = "final",
    environment_overrides: Mapping[str, Any] | None = None,
    conditions: Conditions | None = None,
) -> dict[str, Any]:
    """Score a run's policy on fresh episodes, decentralised: only the agents' weights are loaded.

    Args:
        run: its folder.
        episodes: episodes of each seed.
        mode: "greedy" or "sample".
        seed: of the boards; apart from all training keys.
        checkpoint: "final", "best", or the name of another file in models/.
        environment_overrides: environment settings to change, for example ``{"grid_size": 10}``.
        conditions: shots, noise or a device, under which the policy's circuits are measured.

    Returns:
        ``per_seed``, ``over_seeds`` and ``references``, with the columns of evaluation.csv.

    Raises:
        UserError: no such run or checkpoint, a damaged file, a setting that does not fit the weights,
            conditions for a policy without circuits.
    """
    if episodes < 1:
        raise UserError(f"episodes is {episodes}; it must be at least 1")
    loaded = policy.load(run, checkpoint, environment_overrides)
    key = evaluation_key(seed)
    learner, parameters = loaded.learner, loaded.parameters
    if conditions is not None:
        learner, parameters = circuit_conditions.under(learner, parameters, conditions)
    score = programs.evaluator(loaded.env, learner, episodes, mode, len(loaded.seeds))
    each = rows(score(parameters, key), loaded.seeds)
    return {
        "run": str(loaded.folder.path),
        "algorithm": loaded.settings.algorithm,
        "environment": loaded.settings.run.env,
        "checkpoint": checkpoint,
        "mode": mode,
        "episodes": episodes,
        "seed": seed,
        "per_seed": each,
        "over_seeds": over_seeds(each),
        "references": references(loaded.env, key, episodes),
    }
