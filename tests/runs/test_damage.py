"""Damaged files of every kind: found, told in one line, and never read as something else."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.algorithms.qmarl import history, memory
from qflock.core.errors import UserError
from qflock.evidence import records
from qflock.files import csv_log, tensors
from qflock.files.csv_log import CsvLog
from qflock.runs import checkpoint, folder, newest, summaries
from qflock.runs.folder import RunFolder
from qflock.runs.train import ledger
from qflock.runs.train.ledger import Position
from qflock.settings import config
from tests.damages import damaged

NOW = datetime(2031, 2, 3, 4, 5, 6)
STATE = {"weight": jnp.arange(6.0), "key": jax.random.key(1), "count": jnp.int32(3)}
WEIGHTS = {"policy": {"weight": np.arange(6, dtype=np.float32)}, "training": {"more": np.ones(2, np.int8)}}
OF = {"environment": "chsh", "policy": "mlp", "settings": {}}


class Kind(NamedTuple):
    """A kind of file: where it is, what reads it, and whether it has a checksum."""

    path: Path
    read: Callable[[], Any]
    checked: bool = True


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """One small file of each kind that a run, a memory or an experiment leaves."""
    place = tmp_path_factory.mktemp("damage")
    settings = config.resolve("iql", overrides={"seeds": 2, "run_dir": place / "run"})
    run = folder.create(settings, place / "run", now=NOW)
    logs = []
    for path in (run.training_log, run.evaluation):
        with CsvLog(path, ("seed", "env_step", "discounted_mean")) as rows:
            rows.append(*({"seed": i % 2, "env_step": i, "discounted_mean": i / 7} for i in range(8)))
            logs.append((rows.offset(), rows.digest()))
            rows.append({"seed": 1, "env_step": 9, "discounted_mean": 0.5})
    position = Position.begin(2)
    position.logs = logs
    saved = json.loads(json.dumps({**vars(position), "update": 7}))
    state = checkpoint.save_state(run, STATE, saved)
    weights = checkpoint.save_weights(run, "final_model", WEIGHTS, {"seeds": [0, 1]})
    scores = {"per_seed": [{"seed": i, "episodes": 4, "return_mean": 0.5 * i} for i in (0, 1)]}
    named = {"training_log.csv": logs[0], "evaluation.csv": logs[1]}
    summaries.write(run, {"final_evaluation": scores, "references": {}, "logs": named})
    runs = [dict.fromkeys(history.RUN) | {"id": "1", "steps": [dict.fromkeys(history.STEP, 0.5)]}]
    past, cells, policy = (
        place / "training_history.json",
        place / "results.json",
        {"policy": WEIGHTS["policy"]},
    )
    history.write(past, OF, runs)
    best = place / "memory"
    kept = {"layer": np.arange(5.0)}  # of another shape than the run's: a swapped file is then found by it
    with memory.opened(best, environment="chsh", policy="mlp", like=kept) as held:
        held.begin({"lr": 1}, 3, NOW)
        held.offer(kept, 0.5)
    results = {"cells": [{"folder": "cells/a", "state": "done"}], "file": "x.yaml"}
    cells.write_text(json.dumps(results))

    def position_of() -> Any:
        found, metadata = tensors.load(state, STATE)
        return found, vars(Position.read(metadata["position"], 2))

    def remembered() -> Any:
        with memory.opened(best, environment="chsh", policy="mlp", like=kept) as held:
            (best / memory.HISTORY).with_suffix(".damaged-1.json").unlink(missing_ok=True)
            return held.best and held.best.parameters

    return {
        "state": Kind(state, position_of),
        "weights": Kind(weights, lambda: tensors.load(weights, WEIGHTS)),
        "part of weights": Kind(weights, lambda: tensors.load(weights, policy, part=True)),
        "metadata": Kind(weights, lambda: newest.weights(run, "final")[0].seeds),
        "hparams": Kind(run.hparams, lambda: folder.open_run(run.path).settings()),
        "summary": Kind(run.summary, lambda: summaries.read(run)),
        "record": Kind(run.summary, lambda: records.read(run.path).final),
        "log under a summary": Kind(run.evaluation, lambda: records.read(run.path).final),
        "log under a state": Kind(run.training_log, lambda: ledger.doubt(run, position)),
        "history": Kind(past, lambda: history.read(past)),
        "memory": Kind(best / memory.WEIGHTS, remembered),
        "log": Kind(run.training_log, lambda: csv_log.read(run.training_log), checked=False),
        "yaml": Kind(run.config, lambda: config.read_yaml(run.config), checked=False),
        "experiment": Kind(cells, lambda: records.find([cells]), checked=False),
    }


def plain(value: Any) -> Any:
    """What can be compared."""
    leaves, shape = jax.tree.flatten(value)
    is_key = lambda x: isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return [np.asarray(jax.random.key_data(x) if is_key(x) else x).tolist() for x in leaves], str(shape)


def rounds(kinds: dict[str, Kind], each: int, seed: int) -> int:
    """Damage every kind of file so often; returns how many damages were found."""
    draw, found = random.Random(seed), 0
    wholes = {name: kind.path.read_bytes() for name, kind in kinds.items()}
    others = list(wholes.values())
    for name, kind in kinds.items():
        expected = plain(kind.read()) if kind.checked else None
        for number in range(each):
            content = damaged(wholes[name], others, draw)
            kind.path.write_bytes(content)
            value, line = None, ""
            try:
                value = kind.read()
            except UserError as problem:
                line = str(problem)
            except Exception as problem:
                raise AssertionError(f"{name}, seed {seed}, damage {number}: {content[:300]!r}") from problem
            finally:
                kind.path.write_bytes(wholes[name])
                for aside in kind.path.parent.glob("*.damaged-*"):
                    aside.unlink()
            if line:
                found += 1
                assert "\n" not in line, (name, seed, number)
                continue
            if name == "log under a state":
                found += bool(value)
                same_start = content.startswith(wholes[name][: _counted(kind)])
                assert bool(value) != same_start, (seed, number)
            elif name == "memory":
                found += value is None
                assert value is None or plain(value) == expected, (name, seed, number)
            elif kind.checked:
                assert plain(value) == expected, (name, seed, number)
    return found


def _counted(kind: Kind) -> int:
    """Bytes of a log that the position counts on: all but the last row."""
    whole = kind.path.read_bytes()
    return whole[:-1].rfind(b"\n") + 1


def test_every_kind_of_damage_is_found_or_harmless(kinds: dict[str, Kind]) -> None:
    assert rounds(kinds, 40, seed=1) > 14 * 40 // 2


@pytest.mark.slow
@pytest.mark.ci_slow
def test_ten_thousand_damages(kinds: dict[str, Kind]) -> None:
    assert rounds(kinds, 720, seed=2) > 14 * 720 // 2


def test_states_of_other_versions_are_passed_over(tmp_path: Path) -> None:
    settings = config.resolve("iql", overrides={"run_dir": tmp_path / "run"})
    run = folder.create(settings, tmp_path / "run", now=NOW)
    whole = json.loads(json.dumps(vars(Position.begin(1))))
    strange = [{**whole, "update": 2, "novel": 1}, {**whole, "update": 3, "env_steps": [1, 2]},
               {**whole, "update": 4, "kept": -1}, {**whole, "update": 5, "logs": [[0, ""]]},
               {**whole, "update": 6, "best": ["x"]}, {"update": 7}]  # fmt: skip
    checkpoint.save_state(run, STATE, {**whole, "update": 1})
    for position in strange:
        path = checkpoint.save_state(run, STATE, position, keep=[1])
        check = lambda found: ledger.doubt(run, Position.read(found, 1))
        saved = checkpoint.newest_state(run, STATE, check)
        assert saved is not None
        assert saved.position["update"] == 1
        assert "its counters are" in saved.warnings[0]
        path.unlink()


def test_a_changed_log_goes_back_to_an_older_state_and_else_is_set_aside(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    settings = config.resolve("iql", overrides={})
    run = folder.create(settings, tmp_path / "run", now=NOW)
    position = Position.begin(1)
    with CsvLog(run.training_log, ("a",)) as rows, CsvLog(run.evaluation, ("b",)) as other:
        for update in (1, 2):
            rows.append({"a": update})
            position.update = update
            position.logs = [(each.offset(), each.digest()) for each in (rows, other)]
            checkpoint.save_state(run, STATE, vars(position))
    check = lambda found: ledger.doubt(run, Position.read(found, 1))
    saved = checkpoint.newest_state(run, STATE, check)
    assert saved is not None
    assert (saved.position["update"], saved.warnings) == (2, [])
    run.training_log.write_text("a\n1\n7\n")  # the second row was edited
    saved = checkpoint.newest_state(run, STATE, check)
    assert saved is not None
    assert saved.position["update"] == 1
    assert "training_log.csv is not what it was" in saved.warnings[0]
    run.training_log.write_text("a\n7\n2\n")  # the first one
    saved = checkpoint.newest_state(run, STATE, check)
    assert saved is not None
    assert saved.position["update"] == 2  # nothing older is better: the log is set aside


def test_a_damaged_log_costs_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from qflock.runs.train import runner
    from tests.runs.test_any_moment import settings

    made = settings("ippo", tmp_path / "run")
    runner.train(made, quiet=True)
    path = tmp_path / "run" / "training_log.csv"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"\n3,", b"\n4,", 1))
    runner.resume(tmp_path / "run", total_steps=400)
    told = capsys.readouterr().err
    assert "training_log.csv was changed after the training state was saved" in told
    assert "it is now training_log.damaged-1.csv, and a new log begins" in told
    rows = csv_log.read(path)
    assert rows["env_step"].min() > 300
    assert os.path.isfile(tmp_path / "run" / "training_log.damaged-1.csv")
    shutil.rmtree(tmp_path / "run")
