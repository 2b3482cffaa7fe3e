"""Signals: noticed whatever Python waits for; a run that is told to end is saved, and says how to go on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qflock.core.hooks import Hooks
from qflock.machine import signals
from qflock.runs.folder import RunFolder
from qflock.runs.train import runner, stop, work
from qflock.runs.train.ledger import Ledger
from qflock.runs.train.stop import Clock, Stopper
from qflock.runs.train.work import Interrupted
from tests.runs.moments import assert_same, compiled_once
from tests.runs.test_any_moment import settings

PROGRAM = """
import sys, time
from qflock.runs.train import stop
stop.GRACE = 0.3
with stop.Stopper("qflock resume runs/mine"):
    print("ready", flush=True)
    time.sleep(float(sys.argv[1]))  # Python goes on sleeping after its handlers ran
print("ended", flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def _shared() -> Iterator[None]:
    with compiled_once():
        yield


def started(seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_term_that_work_in_hand_does_not_answer_ends_the_process() -> None:
    process = started(60)
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    line = "stopped; the updates in hand will be done again. Go on with: qflock resume runs/mine"
    assert error.strip() == f"qflock: {line}"


def test_an_interrupt_is_told_that_it_was_heard() -> None:
    process = started(4)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out == "ended\n"
    assert error.strip().startswith("qflock: stopping when the updates in hand are done")


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in signals.STOPPING]
    with Stopper():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in signals.STOPPING] == before
    assert signal.set_wakeup_fd(-1) == -1


DEAR = {signal.SIGINT: [pytest.mark.slow, pytest.mark.ci_slow]}


@pytest.mark.parametrize("number", [pytest.param(s, marks=DEAR.get(s, [])) for s in signals.STOPPING])
def test_a_signal_between_updates_saves_the_state(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    count, chunks, told = Ledger.chunk, [], []

    def kill(self: Ledger, *arguments: object) -> float:
        mean = count(self, *arguments)  # type: ignore[arg-type]
        chunks.append(mean)
        if len(chunks) == 2:
            signal.raise_signal(number)
        return mean

    runner.train(settings("ippo", whole, state_interval=1000), quiet=True)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "chunk", kill)
        patch.setattr(Hooks, "interrupted", lambda hooks, state: told.append(state))
        began = time.monotonic()
        with pytest.raises(Interrupted) as caught:
            runner.train(settings("ippo", folder, state_interval=1000), quiet=True)
        assert time.monotonic() - began < 10
    assert caught.value.code == 130
    assert len(told) == 1, "what else the learner does in a run hears of it"
    assert str(caught.value) == f"stopped; the state is saved. Go on with: qflock resume {folder}"
    assert len(list(RunFolder(folder).state.glob("*.safetensors"))) >= 1
    runner.resume(folder, quiet=True)
    assert_same(whole, folder)


@pytest.mark.parametrize(("where", "moment"), [(Ledger, "chunk"), (work.Work, "begin")])
def test_a_second_interrupt_ends_at_once(
    where: type, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(*arguments: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(where, moment, twice)
        with pytest.raises(Interrupted, match=f"what was saved before is whole.* resume {folder}"):
            runner.train(settings("ippo", folder), quiet=True)
    runner.resume(folder, quiet=True)
    assert (folder / "summary.json").is_file()


def test_work_that_takes_long_is_saved_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(stop.time, "monotonic", lambda: now)
    clock = Clock(60)
    now = 3.0
    assert not clock.due()  # a chunk of 3 s
    now = 8.0
    assert clock.due()  # one of 5 s: who stops in the middle of the next must not wait for it
    now = 8.2
    clock.saved(8.0)
    now = 13.2
    assert clock.due()
    now = 14.2
    clock.saved(13.2)  # saving took 1 s
    now = 19.2
    assert not clock.due()  # more than a tenth of the 5 s
    now = 75.0
    assert clock.due()


def test_a_run_of_other_versions_and_cores_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.train(settings("ippo", tmp_path / "run"), quiet=True)
    machine = work.provenance.machine()
    newer = {**machine, "versions": {**machine["versions"], "jax": "99.0"}, "cpu_cores": 99}
    monkeypatch.setattr(work.provenance, "machine", lambda: newer)
    runner.resume(tmp_path / "run", total_steps=400)
    told = f"begun with jax {machine['versions']['jax']}, now 99.0, {machine['cpu_cores']} CPU cores, now 99"
    assert f"{told}: bits may differ" in " ".join(capsys.readouterr().err.split())
