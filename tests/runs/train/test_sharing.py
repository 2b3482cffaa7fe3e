"""Several devices and several processes give what one device gives; runs on them save and resume."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.files import csv_log, tensors
from qflock.machine import processes
from qflock.runs.train import programs
from qflock.settings import config

TINY = str(Path(__file__).parents[2] / "tiny.py") + ":Echo"
TOLERANCE = 1e-4
"""Of a number x + 1, after twelve updates: sums come in another order."""


def start(todo, devices, **environment):
    """`sharing_run` with so many simulated devices."""
    flags = f"--xla_cpu_multi_thread_eigen=false --xla_force_host_platform_device_count={devices}"
    command = [sys.executable, str(Path(__file__).parent / "sharing_run.py"), json.dumps(todo)]
    told = {**os.environ, "XLA_FLAGS": flags, **environment}
    return subprocess.Popen(command, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def results(process):
    try:
        out, error = process.communicate(timeout=900)
    finally:
        process.kill()
    assert process.returncode == 0, error[-3000:]
    return [json.loads(line) for line in out.splitlines() if not line.startswith("[Gloo]")]


def numbers(run):
    """Every number of logs and weights."""
    found = {f"{name} {c}": x for name in LOGS for c, x in csv_log.read(Path(run) / name).items()}
    for name in ("final_model", "best_model_weights"):
        found |= tensors.load_arrays(Path(run) / "models" / f"{name}.safetensors")
    return found


LOGS = ("training_log.csv", "evaluation.csv")


def assert_near(one, other, tolerance):
    a, b = numbers(one), numbers(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.left_out
def test_eight_devices_give_what_one_gives():
    """Four devices share the copies of each of two seeds."""
    value, actor = results(start([("compare", "qmix", 2, 8), ("compare", "ippo", 2, 8)], 8))
    for told in (value, actor):
        assert told["apart"] < TOLERANCE
        assert told["devices"] == 8
        assert told["seeds_and_copies_here"] == [[1, 2]]  # each device really has its part alone


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.left_out
def test_learners_with_replay_share_each_batch():
    """Own errors, a second error beside them, and agents that remember: each mean is the batch's, though a
    device has another number of transitions that count."""
    remembering = {"network": "gru", "row_length": 8, "last_action": True}
    todo = [("compare", "madqn", 1, 4), ("compare", "qmix", 1, 4, remembering)]
    for told in results(start(todo, 4)):
        assert told["apart"] < TOLERANCE
        assert told["seeds_and_copies_here"] == [[1, 2]]


@pytest.mark.slow
@pytest.mark.ci_slow
def test_devices_talk_seldom():
    """A gradient step adds up counts and gradients; a rollout is gathered at once, its tallies added up."""
    (told,) = results(start([("exchanges", "qmix", 2)], 2))
    assert 2 <= told.pop("all-reduce") <= 4
    assert told == {"all-gather": 1, "all-to-all": 0, "collective-permute": 0}


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_sharded_run_resumes_bit_for_bit_and_on_other_devices(tmp_path):
    whole, short, alone, moved = (str(tmp_path / name) for name in ("whole", "short", "alone", "moved"))
    todo = [
        ("train", whole, 2, 4, 3_000),
        ("train", short, 2, 4, 1_500),
        ("resume", short, {"total_steps": 3_000, "quiet": True}),
        ("train", alone, 2, 1, 3_000),
        ("train", moved, 2, 4, 1_500),
        ("resume", moved, {"total_steps": 3_000, "quiet": True, "devices": 1}),
    ]
    results(start(todo, 4))
    assert_near(whole, short, 0)
    assert_near(whole, alone, TOLERANCE)
    assert_near(whole, moved, TOLERANCE)
    assert config.read_yaml(Path(moved) / "configs" / "config.yaml").run.devices == 1


@pytest.mark.slow
@pytest.mark.ci_slow
def test_two_processes_train_what_one_trains(tmp_path):
    """One seed whose copies they share, through save, resume, evaluation and weights."""
    together, alone = str(tmp_path / "together"), str(tmp_path / "alone")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    todo = [("train", together, 1, 1, 1_500), ("resume", together, {"total_steps": 2_400, "quiet": True})]
    place = {processes.COORDINATOR: address, processes.COUNT: "2", "TMPDIR": str(tmp_path / "scratch")}
    (tmp_path / "scratch").mkdir()
    both = [start(todo, 1, **place, **{processes.INDEX: str(index)}) for index in (0, 1)]
    first, second = (results(process) for process in both)
    assert first == second
    assert not list((tmp_path / "scratch").iterdir())  # only the first process leaves anything behind
    results(start([("train", alone, 1, 1, 2_400)], 1))
    assert_near(together, alone, TOLERANCE)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_cpu_counts_as_many_devices_as_are_asked_for(tmp_path):
    """Two seeds, each on a device of its own, give the bits that one device gives."""
    command = [sys.executable, "-m", "qflock", "train", "vdn", "--env", "two_step", "--seeds", "2", "--quiet"]
    told = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    for devices in ("1", "2"):
        words = ["--total_steps", "4000", "--log_interval", "1000", "--eval_interval", "2000"]
        words += ["--hidden", "8", "--run_dir", str(tmp_path / devices), "--devices", devices]
        subprocess.run([*command, *words], env=told, check=True, capture_output=True, timeout=600)
    assert_near(tmp_path / "1", tmp_path / "2", 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": 1000}, "devices is 1000, but JAX sees"),
        ({"devices": 0}, "devices is 0; it must be at least 1"),
        ({"devices": "some"}, "devices: expected a whole number or one of all"),
    ],
)
def test_devices_that_cannot_be_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        programs.build(config.resolve("qmix", overrides={"env": TINY, **changes}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({processes.COUNT: "2"}, "QFLOCK_PROCESS must be a whole number; it is ''"),
        ({processes.COUNT: "2", processes.INDEX: "2"}, r"QFLOCK_PROCESS is 2; .* must lie in \[0, 1\]"),
        ({processes.COORDINATOR: "first.machine"}, "'first.machine'; it must be host:port of the first"),
        ({processes.COORDINATOR: "127.0.0.1:99999"}, "'127.0.0.1:99999'; it must be host:port"),
        ({processes.COORDINATOR: "auto"}, "is auto, but JAX knows no cluster here; name host:port"),
    ],
)
def test_a_place_among_processes_that_cannot_be_is_refused(monkeypatch, given, message):
    for name in (processes.COUNT, processes.INDEX):
        monkeypatch.delenv(name, raising=False)
    for name, text in {processes.COORDINATOR: "127.0.0.1:1", **given}.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(UserError, match=message), processes.joined(30):
        pass
