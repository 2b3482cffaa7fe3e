"""What a run that ended says of itself: scores beside the references, sizes and times."""

from __future__ import annotations

from typing import Any

import jax

from qflock.core.steps import Mode
from qflock.playing import execution
from qflock.runs import circuits, evaluation
from qflock.runs.folder import RunFolder
from qflock.runs.train import circuit_evaluations, programs
from qflock.runs.train.ledger import Position
from qflock.runs.train.program import Program, RunState
from qflock.settings.config import Settings


def summary(
    where: RunFolder,
    settings: Settings,
    program: Program,
    shapes: RunState,
    weights: dict[str, Any],
    position: Position,
) -> dict[str, Any]:
    """Play the final evaluation, and gather what ``summary.json`` says. Training's environments are closed.

    Args:
        shapes: of the run's state.
        weights: of every seed, as `WeightsFiles.of` gives them.
        position: where the run ended.
    """
    program.close()
    run, policy = settings.run, program.learner.policy
    key = evaluation.evaluation_key(run.seed)
    seeds = range(run.seed, run.seed + run.seeds)
    copies = programs.copies_of(program.learner, run.seeds)

    def scored(mode: Mode) -> dict[str, Any]:
        play = programs.evaluator(
            program.env, policy, run.final_episodes, mode, run.seeds, program.sharing, copies
        )
        each = evaluation.rows(play(weights["policy"], key), seeds)
        return {"per_seed": each, "over_seeds": evaluation.over_seeds(each)}

    scores = scored("greedy")
    sampled = {"sampled": scored("sample")} if evaluation.by_chance(policy) else {}
    evaluated = circuit_evaluations.of_run(
        program, settings, shapes, weights["training"], position.update, where.training_log
    )
    return {
        "run": str(where.known_as),
        "algorithm": settings.algorithm,
        "environment": run.env,
        "execution": execution.kind(policy),
        "matmul_precision": run.matmul_precision,
        "env_steps": min(position.env_steps),
        "env_steps_per_seed": position.env_steps,
        "seconds": position.seconds,
        "seconds_per_seed": position.seconds / run.seeds,
        "parameters": _count(weights["policy"]) // run.seeds,
        "parameters_trained": _count(weights["training"]) // run.seeds,
        **circuits.resources(weights["policy"]),
        **evaluated,
        "discarded_chunks": position.discarded,
        "rollbacks": position.rollbacks,
        **scores,
        "final_evaluation": scores,
        **sampled,
        "references": evaluation.references(program.env, key, run.final_episodes, copies),
    }


def _count(tree: Any) -> int:
    return sum(x.size for x in jax.tree.leaves(tree))
