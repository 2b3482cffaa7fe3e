"""Find settings with Optuna: every trial is a run, and the hopeless ones are ended early.

    pip install 'qflock[tune]'
    python examples/tune_with_optuna.py --trials 20 --total_steps 200000

A callback tells Optuna each evaluation's score, and ends the run where Optuna would prune the trial. Settings
found so have seen their seeds: measure them on others, as `qflock sweep` does (docs/fair_comparison.md).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna

import qflock

SCORE = "evaluation/discounted_mean"


class Pruning:
    """A callback that reports every evaluation to a trial, and ends the run that the trial's pruner gives up.

    Args:
        trial: of Optuna.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial, self.pruned = trial, False

    def on_chunk(self, step: int, metrics: Mapping[str, np.ndarray], state: Any) -> bool:
        """Whether the run goes on; see `qflock.runs.train.callbacks.OnChunk`."""
        if SCORE in metrics:
            self.trial.report(float(np.mean(metrics[SCORE])), step)
            self.pruned = self.trial.should_prune()
        return not self.pruned


def score(trial: optuna.Trial, algorithm: str, env: str, folder: Path, **settings: Any) -> float:
    """Train a trial's settings, and give their final score.

    Args:
        trial: which chooses them.
        algorithm, env, settings: as `qflock.train` takes them.
        folder: where the trials' runs lie.
    """
    pruning = Pruning(trial)
    chosen = {
        "lr": trial.suggest_float("lr", 1e-4, 1e-2, log=True),
        "hidden": [trial.suggest_categorical("width", [16, 32, 64])],
    }
    run = qflock.train(
        algorithm,
        env,
        run_dir=folder / f"trial-{trial.number}",
        quiet=True,
        callbacks=[pruning],
        **chosen,
        **settings,
    )
    if pruning.pruned:
        raise optuna.TrialPruned
    return run["over_seeds"]["discounted_mean"]


def study(folder: Path, trials: int, algorithm: str = "vdn", env: str = "two_step", **settings: Any) -> Any:
    """Tune, and keep the study beside the runs, in ``study.db``: ``optuna-dashboard`` shows it.

    Args:
        folder: of the study; one that is there goes on.
        trials: how many more.
        algorithm, env, settings: as `qflock.train` takes them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = optuna.create_study(
        study_name="qflock",
        storage=f"sqlite:///{folder / 'study.db'}",
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    made.optimize(lambda trial: score(trial, algorithm, env, folder, **settings), n_trials=trials)
    return made


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Tune a learning rate and a width with Optuna.")
    parser.add_argument("--algorithm", default="vdn")
    parser.add_argument("--env", default="two_step")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--total_steps", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, default=Path("runs/tuning"))
    given = parser.parse_args()
    budget = {"total_steps": given.total_steps, "eval_interval": given.total_steps // 10}
    made = study(given.folder, given.trials, given.algorithm, given.env, seeds=2, **budget)
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in made.trials)
    print(
        f"best of {len(made.trials)} trials ({pruned} ended early): {made.best_value:.3f}, {made.best_params}"
    )


if __name__ == "__main__":
    main()
