"""The script of quantum policies by MCMC: its files, its memory over several starts, and its mistakes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qflock.algorithms.qmarl import history
from qflock.files import torch_weights
from qflock.runs import evaluation
from qflock.runs.folder import open_run
from qflock.settings import config
from scripts import qmarl_mcmc_gpu
from scripts.qmarl_mcmc_gpu import Options, main, settings_of

TINY = (
    "--n_mcmc_steps 20 --n_chains 3 --sweep 10 --warmup 10 --final_episodes 4 --network mlp --quiet "
    "--memory best"
)


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """The folder after three starts on one memory, and the best score after each."""
    place = tmp_path_factory.mktemp("scripts")
    scores = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for seed in range(3):
            assert main([*TINY.split(), "--seed", str(seed), "--run_dir", f"run{seed}"]) == 0
            scores.append(json.loads((place / f"run{seed}" / "summary.json").read_text())["memory_best"])
    return place, scores


@pytest.mark.slow
@pytest.mark.ci_slow
def test_it_leaves_the_published_files(starts):
    place, _ = starts
    for name in ("best_model_weights.safetensors", "training_history.json", "reward_evolution.png"):
        assert (place / "best" / name).stat().st_size > 0
    assert (place / "best" / "best_model_weights.pt").exists() == torch_weights.installed()
    for name in ("training_history.json", "training_plots.png", "training_log.csv"):
        assert (place / "run0" / name).stat().st_size > 0


@pytest.mark.slow
@pytest.mark.ci_slow
def test_the_best_never_falls_over_starts(starts):
    _, scores = starts
    assert np.isfinite(scores).all()
    assert scores == sorted(scores)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_the_history_has_every_start_step_by_step(starts):
    place, _ = starts
    _, runs = history.read(place / "best" / "training_history.json")
    assert [run["seed"] for run in runs] == [0, 1, 2]
    assert runs[0]["parent"] is None
    assert all(run["parent"] is not None for run in runs[1:])
    for run in runs:
        assert [step["step"] for step in run["steps"]] == [10, 20]
        assert set(history.STEP) <= set(run["steps"][0])
        assert run["steps"][0]["seconds"] > 0
        assert len(run["offers"]) == 2  # the chains' best, then the student
    assert len({run["id"] for run in runs}) == 3


@pytest.mark.slow
@pytest.mark.ci_slow
def test_later_starts_begin_at_the_best(starts):
    """A run's own best is no worse than the policy that its chains all start from."""
    place, scores = starts
    _, runs = history.read(place / "best" / "training_history.json")
    for run, before in zip(runs[1:], scores, strict=False):
        assert run["steps"][0]["best"] >= before - 1e-3


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_run_is_an_ordinary_run(starts):
    place, _ = starts
    assert evaluation.evaluate_run(place / "run0", episodes=4)["algorithm"] == "qmarl"
    assert open_run(place / "run0").settings().learner.n_mcmc_steps == 20


def test_published_names_and_the_presets_values():
    made = settings_of(Options()).learner
    tuned = config.resolve("qmarl", overrides={"env": "coin_game"}).learner
    for name in (
        "n_mcmc_steps",
        "sigma_proposal",
        "beta",
        "n_chains",
        "network",
        "estimator",
        "proposal",
        "sweep",
        "warmup",
    ):
        assert getattr(made, name) == getattr(tuned, name), name
    assert made.n_gs == 2
    assert made.memory == "auto"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--n_gs 3", "n_gs is 3, but coin_game has 2 agents"),
        ("--beta -1", "beta is -1.0; it must not be negative"),
        ("--sigma_proposal 0", "sigma_proposal is 0.0; it must be above 0"),
        ("--sigma_propsal 0.1", "did you mean --sigma_proposal?"),
        ("--network sun", "sun"),
    ],
)
def test_mistakes_are_one_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*words.split(), "--memory", "none"]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_imports_no_jax():
    script = Path(qmarl_mcmc_gpu.__file__)
    started = f"sys.argv = ['x', '--help']; runpy.run_path({str(script)!r}, run_name='__main__')"
    check = "atexit.register(lambda: os._exit(9) if 'jax' in sys.modules else None)"
    code = f"import atexit, os, runpy, sys; {check}; {started}"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--n_mcmc_steps" in told
    assert "--sigma_proposal" in told
