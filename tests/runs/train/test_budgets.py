"""A run's steps are those that were asked for, to one update."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from qflock.files import csv_log
from qflock.runs.train import compiled_program, program, runner
from qflock.runs.train.ledger import Ledger, Position
from qflock.settings import config

UPDATE = 4 * 8
"""Rows of an update: restarts of episodes are among them, so it takes fewer steps."""
HERE = Path(__file__).parent
SETTINGS = {
    "env": str(HERE.parents[1] / "tiny.py") + ":Count",  # episodes of one to three steps
    "num_envs": 4,
    "num_steps": 8,
    "seed": 3,
    "seeds": 3,
    "log_interval": 4 * UPDATE,
    "eval_interval": 0,
    "final_episodes": 8,
    "save_interval": 0,
}


def trained(folder: Path, total_steps: int, **changes: object) -> Path:
    values = {**SETTINGS, "total_steps": total_steps, "run_dir": folder, **changes}
    runner.train(config.resolve(str(HERE / "toy.py"), overrides=values), quiet=True)
    return folder


def steps_of(run: Path) -> dict[int, list[int]]:
    """The steps at each row of the log, seed by seed."""
    log = csv_log.read(run / "training_log.csv")
    of = lambda seed: [int(step) for s, step in zip(log["seed"], log["env_step"], strict=True) if s == seed]
    return {int(seed): of(seed) for seed in sorted(set(log["seed"]))}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("budget") / "run", 1000)


def test_every_seed_stops_at_the_first_update_that_reaches_the_budget(run: Path) -> None:
    for rows in steps_of(run).values():
        assert 1000 <= rows[-1] < 1000 + UPDATE
        assert rows[-2] < 1000


def test_a_budget_below_one_update_is_one_update(tmp_path: Path) -> None:
    assert all(
        0 < rows[-1] <= UPDATE and len(rows) == 1 for rows in steps_of(trained(tmp_path / "r", 1)).values()
    )


def test_a_seed_among_others_ends_as_it_does_alone(run: Path, tmp_path: Path) -> None:
    alone = trained(tmp_path / "alone", 1000, seed=4, seeds=1)
    assert steps_of(alone)[4][-1] == steps_of(run)[4][-1]
    ours, theirs = (load_file(where / "models" / "final_model.safetensors") for where in (run, alone))
    for name, leaf in theirs.items():
        np.testing.assert_array_equal(ours[name][1], leaf[0], err_msg=name)


def test_seeds_that_are_vectorised_end_where_they_do_one_after_another(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (program, compiled_program):
        monkeypatch.setattr(module, "one_after_another", lambda seeds: seeds == 1)
    side_by_side = trained(tmp_path / "run", 1000)
    assert {s: rows[-1] for s, rows in steps_of(side_by_side).items()} == {
        s: rows[-1] for s, rows in steps_of(run).items()
    }
    ours, theirs = (load_file(where / "models" / "final_model.safetensors") for where in (run, side_by_side))
    for name, leaf in theirs.items():
        np.testing.assert_allclose(ours[name], leaf, atol=1e-4, err_msg=name)


def test_a_run_that_is_made_longer_ends_as_one_that_was_longer_from_the_start(
    run: Path, tmp_path: Path
) -> None:
    shorter = trained(tmp_path / "run", 500)
    runner.resume(shorter, total_steps=1000, quiet=True)
    assert {s: rows[-1] for s, rows in steps_of(shorter).items()} == {
        s: rows[-1] for s, rows in steps_of(run).items()
    }
    ours, theirs = (load_file(where / "models" / "final_model.safetensors") for where in (run, shorter))
    for name, leaf in theirs.items():
        np.testing.assert_array_equal(ours[name], leaf, err_msg=name)


@pytest.mark.parametrize(
    ("steps", "updates", "going"),
    [
        ([0, 0], 4, [True, True]),  # a chunk, whatever is left
        ([900, 900], 4, [True, True]),  # 100 left: 4 updates of 32 rows
        ([960, 950], 2, [True, True]),  # 40 left for the first: it must not do a third
        ([1000, 999], 1, [False, True]),
        ([999, 1031], 1, [True, False]),
    ],
)
def test_what_is_left_of_a_budget(steps: list[int], updates: int, going: list[bool]) -> None:
    ledger = Ledger.__new__(Ledger)
    ledger.position = Position.begin(2)
    ledger.position.env_steps = steps
    part = ledger.rest(1000, 32, 4)
    assert (part.updates, part.going.tolist()) == (updates, going)
