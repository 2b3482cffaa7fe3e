"""Loggers beside the CSV files hold the same numbers under the same names, also after a resume."""

from __future__ import annotations

import json
import struct
import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.files import csv_log
from qflock.playing.rollout import Tally
from qflock.runs import folder
from qflock.runs.train import loggers
from qflock.runs.train.ledger import Ledger, Position
from qflock.runs.train.program import Chunk, Part
from qflock.settings import config

SEEDS = (3, 4)


def make(path, names):
    """A run's folder with these loggers."""
    wanted = {"env": "two_step", "loggers": names, "seeds": 2, "seed": 3}
    settings = config.resolve("vdn", overrides=wanted)
    return folder.create(settings, path, now=datetime(2024, 1, 2))


def chunk(number):
    """What a chunk tells of both seeds: the second lacks a loss, and has another number of steps."""
    two = lambda a, b: np.array([a, b], np.float32)
    return Chunk(
        {"loss": two(number + 0.5, np.nan), "epsilon": two(0.25, 0.125)},
        Tally(
            env_steps=np.array([100, 96]),
            episodes=two(4, 5),
            episode_return=two(8, 10) * number,
            discounted=two(6, 5) * number,
            length=two(12, 10),
            measures={"solved": two(2, 5)},
        ),
    )


def scores(number):
    return [{"seed": seed, "episodes": 8, "return_mean": number + seed, "solved": 0.5} for seed in SEEDS]


def written(where, chunks, position=None, saved_after=None):
    """Write chunks into a run's logs; returns the position that was saved, as JSON gives it back."""
    ledger, saved = Ledger(where, SEEDS, chunk(0), position or Position.begin(len(SEEDS))), None
    for number in chunks:
        ledger.chunk(chunk(number), Part(1, np.ones(2, bool)), [False] * len(SEEDS))
        ledger.evaluation(scores(number))
        if number == saved_after:
            ledger.offsets()
            saved = json.loads(json.dumps(vars(ledger.position)))
    if saved_after is None:
        ledger.offsets()
    ledger.close()
    return saved


def rows_of(path):
    """A CSV log as {(seed, env_step, column): value}, empty cells left out."""
    columns = csv_log.read(path)
    place = list(zip(columns["seed"].astype(int), columns["env_step"].astype(int), strict=True))
    return {
        (*at, f"{path.stem}/{name}"): value
        for name, column in columns.items()
        if name not in ("seed", "env_step")
        for at, value in zip(place, column, strict=True)
        if np.isfinite(value)
    }


def events_of(where):
    """What TensorBoard would show, {(seed, step, tag): value}; a restart drops its step and what is later."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for seed in SEEDS:
        shown = {}
        for file in sorted(
            (where.tensorboard / f"seed_{seed}").iterdir(), key=lambda f: f.stat().st_mtime_ns
        ):
            data, at = file.read_bytes(), 0
            while at < len(data):
                (length,) = struct.unpack("<Q", data[at : at + 8])
                event = Event.FromString(data[at + 12 : at + 12 + length])
                at += 16 + length
                if event.HasField("session_log") and event.session_log.status == 1:
                    shown = {key: value for key, value in shown.items() if key[1] < event.step}
                for value in event.summary.value:
                    shown[seed, event.step, value.tag] = value.simple_value
        found |= shown
    return found


def records_of(data):
    """The records of a LevelDB log: blocks of 32 KiB, pieces with a checksum, a length and a sort."""
    at, piece = 7, b""  # behind the file's own header
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, sort = struct.unpack("<HB", data[at + 4 : at + 7])
        if at + 7 + length > len(data):
            return  # being written
        piece += data[at + 7 : at + 7 + length]
        at += 7 + length
        if sort in (1, 4):  # whole, or its last piece
            yield piece
            piece = b""


def assert_same(where, shown):
    wanted = rows_of(where.training_log) | rows_of(where.evaluation)
    assert shown.keys() == wanted.keys()
    for key, value in wanted.items():
        assert shown[key] == pytest.approx(value, rel=1e-6), key


def test_tensorboard_holds_what_the_logs_hold(tmp_path):
    pytest.importorskip("tensorboardX")
    where = make(tmp_path / "run", ["tensorboard"])
    written(where, [1, 2])
    shown = events_of(where)
    assert shown[3, 100, "training_log/loss"] == 1.5
    assert shown[4, 96, "training_log/episode_return"] == 1.0
    assert shown[3, 96, "evaluation/return_mean"] == 4.0
    assert (4, 96, "training_log/loss") not in shown
    assert_same(where, shown)


def test_tensorboard_goes_on_where_the_state_was_saved(tmp_path):
    pytest.importorskip("tensorboardX")
    where = make(tmp_path / "run", ["tensorboard"])
    position = written(where, [1, 2, 7], saved_after=2)  # killed after a third chunk
    assert events_of(where)[3, 300, "training_log/loss"] == 7.5
    written(where, [3, 4], Position.read(position, len(SEEDS)))
    shown = events_of(where)
    assert shown[3, 300, "training_log/loss"] == 3.5
    assert_same(where, shown)


def test_wandb_holds_what_the_logs_hold(tmp_path, monkeypatch):
    """Offline, nothing sent: read back from its file in the run's folder."""
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    where = make(tmp_path / "run", ["wandb"])
    written(where, [1, 2])
    (file,) = (where.path / "wandb").glob("offline-run-*/*.wandb")
    deadline = time.monotonic() + 60  # a process of its own writes it
    records = []
    while not any(record.HasField("exit") for record in records):
        assert time.monotonic() < deadline, "the file is never finished"
        records = [Record.FromString(data) for data in records_of(file.read_bytes())]
        time.sleep(0.1)
    shown = {}
    for record in records:
        if not record.HasField("history"):
            continue
        points = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
        for seed in SEEDS:
            own = {
                k.removeprefix(f"seed_{seed}/"): v for k, v in points.items() if k.startswith(f"seed_{seed}/")
            }
            shown |= {(seed, own["env_step"], name): v for name, v in own.items() if name != "env_step"}
    assert_same(where, shown)


def points_of_mlflow(where):
    """What MLflow's store in the run's folder holds: its only run, and {(seed, step, name): last value}."""
    client = pytest.importorskip("mlflow").MlflowClient(f"sqlite:///{where.path / 'mlflow' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("qflock").experiment_id])
    shown = {}
    for key in run.data.metrics:
        seed, name = key.removeprefix("seed_").split("/", 1)
        for point in client.get_metric_history(run.info.run_id, key):
            shown[int(seed), point.step, name] = point.value
    return run, shown


@pytest.mark.slow  # its store on disk is made in 50 steps
@pytest.mark.ci_slow
def test_mlflow_holds_what_the_logs_hold_also_after_a_resume(tmp_path, monkeypatch):
    for module in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(module)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(loggers.MLflow, "MOST_METRICS", 7)
    where = make(tmp_path / "run", ["mlflow"])
    position = written(where, [1, 2], saved_after=2)
    written(where, [3], Position.read(position, len(SEEDS)))
    run, shown = points_of_mlflow(where)
    assert_same(where, shown)
    assert run.info.run_name == "run"
    assert run.info.status == "FINISHED"
    assert run.data.tags["qflock.id"] == where.read_hparams()["id"]
    assert run.data.params["env.name"] == "two_step"
    assert run.data.params["algorithm"] == "vdn"


def test_without_loggers_nothing_is_imported(tmp_path):
    before = {name for name in loggers.PACKAGES.values() if name in sys.modules}
    where = make(tmp_path / "run", [])
    written(where, [1])
    assert before == {name for name in loggers.PACKAGES.values() if name in sys.modules}
    assert not where.tensorboard.exists()


@pytest.mark.parametrize("name", sorted(loggers.PACKAGES))
def test_a_missing_package_is_one_line(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, loggers.PACKAGES[name], None)
    where = make(tmp_path / "run", [name])
    with pytest.raises(UserError, match=rf"pip install 'qflock\[{name}\]'") as told:
        Ledger(where, SEEDS, chunk(0), Position.begin(len(SEEDS)))
    assert "\n" not in str(told.value)


def test_names_are_checked():
    with pytest.raises(UserError, match="did you mean 'tensorboard'"):
        loggers.need(["tensorbord"])
    with pytest.raises(UserError, match=r"loggers: .*tensorboard"):
        config.resolve("vdn", overrides={"env": "two_step", "loggers": ["tensorbord"]})


def test_a_logger_that_fails_stops_nothing(tmp_path, capsys):
    class Full:
        wrote = 0

        def write(self, seed, step, numbers):
            self.wrote += 1
            raise OSError("the disk\nis full")

        def flush(self):
            raise AssertionError("it is let go")

        close = flush

    full, kept = Full(), []

    class Kept:
        def write(self, seed, step, numbers):
            kept.append((seed, step, dict(numbers)))

        def flush(self):
            kept.append("flush")

        def close(self):
            kept.append("close")

    both = loggers.Loggers({"full": full, "kept": Kept()})
    for step in (1, 2):
        both.row("evaluation", {"seed": 0, "env_step": step, "solved": 1.0, "loss": None, "other": np.nan})
    both.flush()
    both.close()
    both.row("evaluation", {"seed": 0, "env_step": 3})
    assert full.wrote == 1
    assert kept == [*((0, step, {"evaluation/solved": 1.0}) for step in (1, 2)), "flush", "close"]
    assert capsys.readouterr().err == "qflock: warning: full is no longer fed: the disk is full\n"


def test_a_logger_that_cannot_begin_is_told(tmp_path):
    pytest.importorskip("tensorboardX")
    where = make(tmp_path / "run", ["tensorboard"])
    Path(where.tensorboard).write_text("in the way")
    with pytest.raises(UserError, match="logger tensorboard cannot begin"):
        Ledger(where, SEEDS, chunk(0), Position.begin(len(SEEDS)))
