"""Seconds and environment steps until greedy QMIX reaches a score on GridWorld25v0, with shipped settings."""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np

from qflock.runs import evaluation
from qflock.runs.train import programs
from qflock.settings import config


def benchmark(target: float, seed: int = 0) -> dict[str, Any]:
    """Train until 512 greedy episodes have a mean discounted team return of ``target``, or to the end.

    Seconds count compiling and evaluating. An evaluation follows every half million steps.
    """
    settings = config.resolve(
        "qmix", overrides={"env": "gridworld25", "log_interval": 500_000, "eval_episodes": 512, "seed": seed}
    )
    began = time.perf_counter()
    made = programs.build(settings)
    state, done, score = made.init(np.array([seed], np.uint32)), 0, -np.inf
    while score < target and done < settings.run.total_steps:
        state, chunk = made.chunk(state)
        done += int(chunk.tally.env_steps.sum())
        parameters = jax.vmap(made.learner.execution)(state.learner)
        scores = made.evaluate(parameters, evaluation.evaluation_key(seed, done))
        score = float(np.mean(scores.discounted))
    return {
        "target": target,
        "reached": score >= target,
        "score": round(score, 3),
        "env_steps": done,
        "seconds": round(time.perf_counter() - began, 1),
    }
