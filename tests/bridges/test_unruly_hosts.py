"""Environments that end, ask, print, or can hardly be closed: one line, and nothing left open."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

pytest.importorskip("gymnasium")
pytest.importorskip("pettingzoo")

import qflock
from qflock.bridges.host.workers import Workers
from qflock.commands import main
from qflock.core.errors import Notice, UserError
from qflock.playing import conformance, host_rollout
from qflock.runs.train import host_program
from qflock.settings import foreign
from tests.marks import IN_CI

NAME = "pettingzoo:tests.bridges.unruly"
KINDS = ["serial", "threads", "processes"]
ENDS = {
    "leaves": "SystemExit: no licence left",
    "leaves quietly": "SystemExit",
    "interrupts": "KeyboardInterrupt",
    "gives up": "GeneratorExit: enough",
}
READS = {
    "asks": "EOFError: EOF when reading a line",
    "looks": "EOFError: a debugger",
    "wants a password": "EOFError",
    "has a child that asks": "CalledProcessError",
    "has a shell that reads": "CalledProcessError: .* status 7",
}


def unruly(**settings: Any) -> Any:
    return qflock.make(NAME, **{"worker_count": 1, **settings})


def played(env: Any, steps: int = 3) -> None:
    """Two copies that play some steps."""
    with Workers(env, 2) as workers:
        workers.start(np.array([1, 2]))
        for _ in range(steps):
            workers.tick(np.zeros((2, 2), int))


@pytest.mark.parametrize(
    ("way", "workers"),
    [
        *((way, workers) for way in ENDS for workers in ("serial", "threads")),
        ("leaves", "processes"),
        ("interrupts", "processes"),
    ],
)
def test_an_environment_that_ends_the_program_fails_in_one_line(way: str, workers: str) -> None:
    with pytest.raises(UserError, match=f"^{NAME} fails: {ENDS[way]}$"):
        played(unruly(way=way, workers=workers))


@pytest.mark.parametrize(
    "way", [way if way in ("asks", "looks") else pytest.param(way, marks=IN_CI) for way in READS]
)
def test_nobody_waits_for_an_answer_that_cannot_come(way: str) -> None:
    env = unruly(way=way)
    with Workers(env, 2) as workers:
        workers.start(np.array([1, 2]))
        workers.tick(np.zeros((2, 2), int))
        began = time.monotonic()
        with pytest.raises(UserError, match=f"^{NAME} fails: {READS[way]}"):
            workers.tick(np.zeros((2, 2), int))
        assert time.monotonic() - began < 5


def test_ctrl_c_in_the_middle_of_a_step_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.bridges import unruly as module

    env = unruly(way="sleeps", workers="serial")
    monkeypatch.setitem(module.WAYS, "sleeps", lambda: time.sleep(30))
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        played(env)
    timer.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("closes", ["badly", "leaves"])
@pytest.mark.parametrize("workers", ["serial", "threads"])
def test_a_close_that_fails_is_passed_over_with_a_notice(workers: str, closes: str) -> None:
    what = {"badly": "AttributeError: there is no window", "leaves": "SystemExit: 1"}[closes]
    notice = rf"close\(\) of {NAME} fails, passed over: {what}"
    with pytest.warns(Notice, match=notice):
        env = unruly(closes=closes, workers=workers)
    with pytest.warns(Notice, match=notice):
        played(env)
    with pytest.warns(Notice, match=notice):
        assert conformance.findings(env) == []


def test_a_worker_process_says_that_closing_failed_unless_it_was_said(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = f"close() of {NAME} fails, passed over: AttributeError: there is no window"
    monkeypatch.setattr(foreign, "badly_closed", set())
    played(unruly(closes="badly after a step", worker_count=2))
    assert capfd.readouterr().err.splitlines() == [f"qflock: warning: {notice}"]
    with pytest.warns(Notice, match=re.escape(notice)):
        env = unruly(closes="badly", worker_count=2)
    played(env)
    assert capfd.readouterr().err == ""


def test_every_copy_is_closed_though_one_cannot_be(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with pytest.warns(Notice):
        played(unruly(closes="leaves", workers="serial", journal=str(journal)))
    assert open_at_once(journal)[-1] == 0


def open_at_once(journal: Path) -> list[int]:
    """How many copies were open after each entry."""
    return np.cumsum([1 if line[0] == "+" else -1 for line in journal.read_text().splitlines()]).tolist()


@pytest.mark.parametrize("workers", KINDS)
def test_every_copy_has_a_number_of_its_own(workers: str) -> None:
    env = unruly(workers=workers, worker_count=2)
    with Workers(env, 3) as training, Workers(env, 2, 3) as beside:
        ports = [many.start(np.arange(many.num_envs)).observation[:, 0, 1] for many in (training, beside)]
    assert np.concatenate(ports).tolist() == [5000, 5001, 5002, 5003, 5004]
    assert "QFLOCK_COPY" not in os.environ


def scores(env: Any, copies: int, episodes: int) -> Any:
    """Scores of a policy whose actions are random, and whose episodes differ."""
    backend = host_program.HostBackend(env, copies)
    return backend.references(jax.random.key(3), episodes)["random"]


def test_scores_do_not_depend_on_how_many_copies_play() -> None:
    import gymnasium

    gymnasium.register("Meander-v0", entry_point="tests.bridges.meander:Meander", max_episode_steps=9)
    try:
        env = qflock.make("gymnasium:Meander-v0", workers="serial")
        few, many = (scores(env, copies, 40) for copies in (3, 32))
    finally:
        gymnasium.registry.pop("Meander-v0")
    assert len(set(many.length.tolist())) > 3
    assert many.length.sum() != many.episode_return.sum()
    np.testing.assert_array_equal(few.episode_return, many.episode_return)
    np.testing.assert_array_equal(few.length, many.length)
    np.testing.assert_array_equal(few.discounted, many.discounted)


SMALL = (
    "--num_envs 2 --num_steps 4 --hidden 4 --minibatches 1 --epochs 1 --total_steps 64 --log_interval 16 "
    "--eval_interval 32 --eval_episodes 9 --final_episodes 9 --device cpu --quiet"
)


def test_evaluations_open_half_of_trainings_copies_more_and_json_stands_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    journal, run = tmp_path / "journal", str(tmp_path / "run")
    env = f"--env {NAME} --env.journal {journal} --env.workers serial --env.talks"
    words = f"train pqn_iql {env} {SMALL} --run_dir {run} --json"
    assert main(words.split()) == 0
    said = capfd.readouterr()
    assert json.loads(said.out)["over_seeds"]["length_mean"] == 4
    for line in ("unruly made", "unruly, past Python", "unruly, from a child"):
        assert line in said.err
    count = open_at_once(journal)
    assert (max(count), count[-1]) == (3, 0)
    names, *rows = Path(run, "evaluation.csv").read_text().splitlines()
    steps = [row.split(",")[names.split(",").index("env_step")] for row in rows]
    assert steps == ["40", "64", "64"]  # the last row is the final evaluation
    for more, most in ([], 2), (["--env.evaluation_copies", "5"], 5):
        journal.write_text("")
        assert main(["evaluate", run, "--episodes", "9", "--json", *more]) == 0
        count = open_at_once(journal)
        assert (max(count), count[-1]) == (most, 0)
        assert json.loads(capfd.readouterr().out)["over_seeds"]["return_mean"] == 8


def test_an_evaluation_shares_its_episodes_among_few_copies() -> None:
    env = unruly(workers="serial")
    act = lambda memory, first, now, place: (memory, np.zeros((len(first), 2), int))
    with Workers(env, 3) as workers:
        played_by = host_rollout.play(workers, env.spec, act, lambda copies: (), jax.random.key(0), 40)
    assert played_by.length.tolist() == [4] * 40
    assert played_by.episode_return.tolist() == [8.0] * 40
