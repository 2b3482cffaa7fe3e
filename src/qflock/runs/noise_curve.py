"""How a policy of circuits plays as errors become more likely: its noise curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.core.steps import Mode
from qflock.files.storage import write_text
from qflock.networks.circuit import Conditions
from qflock.quantum.circuit import among
from qflock.quantum.noise import Noise
from qflock.runs import evaluation, newest, policy, zoo

NAME = "noise_curve"
SHARES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
"""The levels, as shares of the highest probability of an error."""
HIGHEST = 0.1
"""That probability, where none is given."""


def of_run(
    run: Path | str,
    highest: Noise,
    episodes: int = 512,
    mode: Mode = "greedy",
    seed: int = 0,
    checkpoint: str = newest.NEWEST,
    environment_overrides: Mapping[str, Any] | None = None,
    conditions: Conditions | None = None,
) -> dict[str, Any]:
    """Score a run's policy at each level of noise, on the same starts.

    Args:
        run: its folder.
        highest: the sort of noise, and the probability of an error at the highest level.
        episodes: episodes of each seed, at each level.
        mode: "greedy" or "sample".
        seed: of the boards.
        checkpoint: as `evaluation.evaluate_run`.
        environment_overrides: environment settings to change.
        conditions: shots, trajectories and device; their noise is that of the level.

    Returns:
        ``levels``, each with its ``probability``, ``per_seed`` and ``over_seeds`` as
        `evaluation.evaluate_run` has them, and the ends ``low`` and ``high`` of `interval`; the
        ``references``; what was asked for.

    Raises:
        UserError: as `evaluation.evaluate_run`; no circuits; no noise at the highest level.
    """
    if not highest.probability:
        raise UserError("a noise curve rises to a probability above 0, such as --noise depolarizing:0.1")
    policies = policy.load(run, checkpoint, environment_overrides)
    if not among(policies.parameters):
        raise UserError(
            f"{policies.folder.known_as} has no noise curve: its policy is classical, there is no circuit in "
            "it"
        )
    levels, under = [], conditions or Conditions()
    for share in SHARES:
        noise = Noise(highest.kind, share * highest.probability)
        each = evaluation.score(policies, episodes, mode, seed, replace(under, noise=noise))
        low, high = interval(each)
        scores = {"per_seed": each, "over_seeds": evaluation.over_seeds(each)}
        levels.append({"probability": noise.probability, "low": low, "high": high, **scores})
    return {
        "run": str(policies.folder.path),
        "algorithm": policies.settings.algorithm,
        "environment": policies.settings.run.env,
        "checkpoint": policies.weights.name,
        "mode": mode,
        "episodes": episodes,
        "seed": seed,
        "noise": highest.kind,
        "shots": under.shots,
        "levels": levels,
        "references": evaluation.references_of(policies, episodes, seed),
    }


def interval(per_seed: Sequence[Mapping[str, float]]) -> tuple[float, float]:
    """The ends of the 95 % interval of the mean return, from the episodes of these policies alone.

    Args:
        per_seed: the scores of each.
    """
    mean = sum(row["return_mean"] for row in per_seed) / len(per_seed)
    error = math.sqrt(sum(row["return_std"] ** 2 / row["episodes"] for row in per_seed)) / len(per_seed)
    return mean - 1.96 * error, mean + 1.96 * error


def write(run: Path, curve: Mapping[str, Any]) -> Path:
    """Write a curve as a table, a row for each level and seed; of the zoo's policies in the current folder.

    Args:
        run: the run's folder.
        curve: what `of_run` gave.

    Returns:
        The file, ``noise_curve.csv``.

    Raises:
        CannotWrite: the disk is full or the folder cannot be written.
    """
    rows = [
        {"noise": curve["noise"], "probability": level["probability"], "shots": curve["shots"], **row}
        for level in curve["levels"]
        for row in level["per_seed"]
    ]
    path = (Path() if zoo.holds(run) else run) / f"{NAME}.csv"
    write_text(path, texts.table_to_csv(rows))
    return path
