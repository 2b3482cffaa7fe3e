"""The example that tunes with Optuna: scores are reported, hopeless trials end early, runs are kept."""

import pytest

from qflock import find_runs

optuna = pytest.importorskip("optuna")
example = pytest.importorskip("examples.tune_with_optuna")

TINY = {"total_steps": 256, "log_interval": 64, "eval_interval": 64, "eval_episodes": 4, "final_episodes": 4}
TINY |= {"num_envs": 4, "num_steps": 8}


class Trial:
    """A trial that is given up at its second report."""

    def __init__(self) -> None:
        self.reports = []

    def report(self, score, step):
        self.reports.append((score, step))

    def should_prune(self):
        return len(self.reports) == 2


def test_each_evaluation_is_reported_and_a_pruned_trial_asks_to_stop():
    trial = Trial()
    pruning = example.Pruning(trial)
    told = [
        pruning.on_chunk(step, {example.SCORE: [1.0, 3.0]} if step % 2 else {}, None) for step in range(1, 4)
    ]
    assert trial.reports == [(2.0, 1), (2.0, 3)]
    assert told == [True, True, False]


@pytest.mark.slow  # two runs, compiled
@pytest.mark.ci_slow
def test_a_study_goes_on_where_it_was(tmp_path, monkeypatch):
    class Hopeless(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.number == 1

    monkeypatch.setattr(optuna.pruners, "MedianPruner", lambda **how: Hopeless())
    example.study(tmp_path, 1, "a2c", "matrix_game", **TINY)
    study = example.study(tmp_path, 1, "a2c", "matrix_game", **TINY)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED"]
    assert len(study.trials[0].intermediate_values) == 4
    whole, ended = sorted(find_runs(tmp_path), key=lambda run: run.path.name)
    assert whole.env_steps >= 256
    assert ended.env_steps < 128
    assert ended["stopped_by"] == "Pruning"
    assert study.best_value == whole["over_seeds"]["discounted_mean"]
