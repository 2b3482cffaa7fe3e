"""scripts/train_uav.py: the published keys are understood, a tiny run finishes, mistakes are one line."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from qflock.settings import config

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "configs" / "uav_default.yaml"
spec = importlib.util.spec_from_file_location("train_uav", ROOT / "scripts" / "train_uav.py")
assert spec is not None
assert spec.loader is not None
train_uav = importlib.util.module_from_spec(spec)
spec.loader.exec_module(train_uav)


def test_the_published_file_means_what_it_says():
    found = train_uav.settings_of(DEFAULT, datetime(2026, 1, 2, 3, 4, 5))
    assert str(found.run.run_dir) == "runs/20260102-030405"
    flat = config.to_mapping(found)
    assert flat["algorithm"] == "qio"
    assert flat["env"] == {
        "name": "forest_uav",
        "grid_size": 20,
        "n_agents": 10,
        "obs_radius": 2,
        "episode_len": 200,
        "comm_budget": 0.1,
        "observe_coverage": False,
    }
    expected = {
        "seed": 42,
        "gamma": 0.99,
        "lr": 3e-4,
        "lr_critic": 3e-4,
        "entropy": "quantum_inspired",
        "alpha0": 0.1,
        "alpha_min": 0.01,
        "alpha_decay": 5e-4,
        "operator": "mean",
        "eta": 0.1,
        "min_entropy": 0.05,
        "inverse_temperature": 1.0,
        "update": "a2c",
        "total_steps": 200_000,
        "num_steps": 32,
        "num_envs": 1,  # as the public loop has it, which does not use batch_size
        "normalise_advantages": False,
        "normalise_values": False,
        "log_interval": 1000,
        "eval_interval": 10_000,
        "eval_episodes": 8,
        "device": "cpu",
    }
    assert {name: flat[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("file", "more"),
    [
        ("uav_learns.yaml", {"observe_coverage": True, "network": "mlp"}),
        ("uav_remembers.yaml", {"observe_coverage": False, "network": "gru"}),
    ],
)
def test_files_that_learn_differ_from_the_published_one_in_what_they_say(file, more):
    flat = lambda path: config.to_mapping(train_uav.settings_of(path, datetime(2026, 1, 2, 3, 4, 5)))
    published, found = flat(DEFAULT), flat(DEFAULT.with_name(file))
    published["env"]["observe_coverage"], published["network"] = more["observe_coverage"], more["network"]
    assert found == {**published, "reward": "own", "alpha_decay": 5e-3}


def changed(tmp_path, **values):
    """The published file with some values changed, keys written with __ for dots."""
    read = yaml.safe_load(DEFAULT.read_text())
    for key, value in values.items():
        *path, last = key.split("__")
        at = read
        for name in path:
            at = at[name]
        at[last] = value
    file = tmp_path / "uav.yaml"
    file.write_text(yaml.safe_dump(read))
    return file


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_tiny_run_finishes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = changed(
        tmp_path,
        env__grid_size=4,
        env__n_agents=2,
        env__obs_radius=1,
        env__episode_len=8,
        train__total_steps=256,
        train__rollout_len=8,
        train__batch_size=16,
        train__log_interval=64,
        train__eval_interval=128,
        train__eval_episodes=2,
        algo__entropy__type="exp",
    )
    assert train_uav.main(["--config", str(file), "--quiet"]) == 0
    assert "covers" in capsys.readouterr().out
    (run,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}", run.name)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["env_steps"] >= 256
    assert set(summary["references"]) == {"lawn_mower", "random"}
    (log,) = run.rglob("training_log.csv")
    rows = list(csv.DictReader(log.open()))
    assert len(rows) >= 4
    for name in ("policy_loss", "value_loss", "entropy", "entropy_floor", "alpha", "floor_share"):
        assert float(rows[-1][name]) is not None
    (evaluations,) = run.rglob("evaluation.csv")
    assert len(list(csv.DictReader(evaluations.open()))) >= 2


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("env__grid_siz", 3, "grid_size"),
        ("algo__entropy__type", "exq", "exp"),
        ("algo__q_operator__enabled", 3, "true or false"),
        ("train__batch_size", 0, "batch_size"),
        ("algo__reward", "mine", "reward"),
        ("env__grid_size", 1, "grid_size"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, key, value, word):
    monkeypatch.chdir(tmp_path)
    assert train_uav.main(["--config", str(changed(tmp_path, **{key: value}))]) != 0
    told = capsys.readouterr().err
    assert word in told
    assert told.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_missing_file_is_one_line(capsys):
    assert train_uav.main(["--config", "nowhere.yaml"]) != 0
    assert "nowhere.yaml" in capsys.readouterr().err
