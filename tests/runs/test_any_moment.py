"""A run that is killed, or cannot write, at any moment of its life goes on as if nothing had happened."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qflock.core.errors import UserError
from qflock.files.storage import CannotWrite
from qflock.runs.train import runner
from qflock.settings import config
from qflock.settings.config import Settings
from tests.marks import IN_CI
from tests.runs.moments import Photographer, assert_same, compiled_once, watched

RUN = {
    "env": str(Path(__file__).parents[1] / "tiny.py") + ":Echo",
    "seeds": 2,
    "seed": 3,
    "eval_episodes": 4,
    "final_episodes": 4,
    "keep_checkpoints": 1,
    "state_interval": 0,
    "hidden": (8,),
}
REPLAY = {
    "total_steps": 300,
    "log_interval": 50,
    "eval_interval": 120,
    "save_interval": 20,
    "num_envs": 4,
    "num_steps": 8,
    "row_length": 4,
    "buffer_capacity": 256,
    "min_buffer_size": 32,
    "batch_size": 16,
    "train_frequency": 16,
}
LEARNERS: dict[str, dict[str, Any]] = {
    "qmix": REPLAY,
    "ippo": {
        "total_steps": 300,
        "log_interval": 50,
        "eval_interval": 120,
        "save_interval": 20,
        "num_envs": 4,
        "num_steps": 8,
        "minibatches": 2,
    },
    "masac": {
        **REPLAY,
        "env": str(Path(__file__).parents[1] / "tiny.py") + ":Mirror",
        "n_step": 2,
        "buffer_capacity": 128,  # it goes round twice
        "policy_delay": 2,
    },
    "qmarl": {
        "total_steps": 100_000,
        "n_mcmc_steps": 24,
        "log_interval": 1,
        "eval_interval": 500,
        "save_interval": 40,
        "network": "mlp",
        "memory": "none",
        "sweep": 4,
        "n_chains": 2,
        "episodes": 2,
        "held_out": 4,
        "window": 8,
    },
}


def settings(learner: str, folder: Path, **changes: Any) -> Settings:
    return config.resolve(learner, overrides={**RUN, **LEARNERS[learner], "run_dir": folder, **changes})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # a kill loses nothing that was written


@pytest.fixture(scope="module", autouse=True)
def _shared() -> Iterator[None]:
    with compiled_once():
        yield


def killed_everywhere(learner: str, tmp_path: Path, every: bool, tried: int) -> int:
    """Kill a run at its moments, resume each; and kill one of these resumes at its moments in turn.

    Args:
        every: all moments that differ, or one of each sort.
        tried: how many of these moments, drawn at random.
    """
    whole = tmp_path / "whole"
    camera = Photographer(whole, tmp_path / "photos", every)
    whole.mkdir()
    with watched(whole, camera):
        runner.train(settings(learner, whole), quiet=True)
    again = Photographer(tmp_path / "again", tmp_path / "more photos", every)
    middle = list(camera.taken.values())[len(camera.taken) * 2 // 3]
    shutil.copytree(middle, again.folder)
    with watched(again.folder, again):
        runner.resume(again.folder, quiet=True)
    assert_same(whole, again.folder)
    photos = [(what, p) for camera in (camera, again) for what, p in camera.taken.items() if is_run(p)]
    photos = random.Random(learner).sample(photos, min(tried, len(photos)))
    for what, photo in photos:
        runner.resume(photo, quiet=True)
        try:
            assert_same(whole, photo)
        except AssertionError as problem:
            raise AssertionError(f"killed at: {what}") from problem
        shutil.rmtree(photo)
    return len(photos)


def is_run(folder: Path) -> bool:
    """Whether a run was made before it was killed."""
    return (folder / "configs" / "hparams.json").is_file()


@pytest.mark.parametrize(
    ("learner", "tried"),
    [
        ("ippo", 20),
        pytest.param("qmix", 6, marks=IN_CI),
        pytest.param("qmarl", 6, marks=IN_CI),
        pytest.param("masac", 6, marks=IN_CI),
    ],
)
def test_killed_at_moments_of_many_sorts(learner: str, tried: int, tmp_path: Path) -> None:
    assert killed_everywhere(learner, tmp_path, False, tried) == tried


@pytest.mark.slow
@pytest.mark.parametrize("learner", LEARNERS)
def test_killed_at_every_sort_of_moment(learner: str, tmp_path: Path) -> None:
    assert killed_everywhere(learner, tmp_path, False, 1000) >= 60


@pytest.mark.slow
@pytest.mark.parametrize("learner", LEARNERS)
def test_killed_at_every_moment(learner: str, tmp_path: Path) -> None:
    assert killed_everywhere(learner, tmp_path, True, 1000) >= 150


def line_of(work: Callable[[], Any]) -> str | None:
    """The line that a disk which cannot be written stops work with; None where it does not."""
    try:
        work()
    except CannotWrite as problem:
        line = str(problem) if problem.code == 2 else f"exit status {problem.code}"
        return line.replace("\n", "<a second line>")
    return None


FAILURES = {
    errno.ENOSPC: "free some space, then go on with qflock resume",
    errno.EDQUOT: "free some of your quota, then go on with qflock resume",
    errno.EROFS: "choose a folder that can be written, with --run-dir",
}


@pytest.mark.parametrize("tried", [10, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_disk_that_fails(tried: int, tmp_path: Path) -> None:
    """At moments of many sorts, or of all: one line, exit status 2, and what was saved goes on."""
    whole = tmp_path / "whole"
    sorts: dict[str, int] = {}
    whole.mkdir()
    with watched(whole, lambda what: sorts.__setitem__(what, sorts.get(what, 0) + 1)):
        runner.train(settings("ippo", whole), quiet=True)
    stopped, chosen = 0, random.Random(0).sample(list(sorts.items()), min(tried, len(sorts)))
    for at, (what, times) in enumerate(chosen):
        folder = tmp_path / f"run{at}"
        folder.mkdir()
        number, advice = list(FAILURES.items())[at % len(FAILURES)]
        left = (times + 1) // 2  # neither the first of its sort nor the last, where there are others

        def fail(now: str, what: str = what, number: int = number) -> None:
            nonlocal left
            left -= now == what
            if now == what and left <= 0:
                raise OSError(number, os.strerror(number))

        with watched(folder, fail):
            said = line_of(lambda folder=folder: runner.train(settings("ippo", folder), quiet=True))
        stopped += said is not None
        assert said is None or said.endswith(f"{os.strerror(number)}; {advice}"), what
        if is_run(folder):
            runner.resume(folder, quiet=True)
            assert_same(whole, folder)
        shutil.rmtree(folder)
    assert stopped >= len(chosen) // 2


def run_and_kill(command: list[str], seconds: float) -> bool:
    """Start a process and kill it; whether it ended before."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        error = process.communicate(timeout=seconds)[1]
        assert process.returncode == 0, error
        return True
    except subprocess.TimeoutExpired:
        process.kill()  # SIGKILL: no goodbye
        process.communicate()
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "kills"),
    [
        ("qmix", 20),
        ("ippo", 20),
        ("qmarl", 20),
        ("masac", 5),  # 20 of them: bit for bit, in eleven minutes
    ],
)
def test_real_kills_at_random_moments(learner: str, kills: int, tmp_path: Path) -> None:
    """One run, killed again and again, a good part of the times in its first second of work."""
    whole, folder = tmp_path / "whole", tmp_path / "run"
    made = settings(learner, whole)
    words = [f"--{name}={value}" for name, value in {**RUN, **LEARNERS[learner]}.items() if name != "hidden"]
    train = [sys.executable, "-m", "qflock", "train", learner, *words, "--hidden=8", "--quiet"]
    resume = [sys.executable, "-m", "qflock", "resume", str(folder), "--quiet"]
    assert run_and_kill([*train, f"--run_dir={whole}"], 600)
    shutil.rmtree(whole)
    began = time.monotonic()  # what follows is compiled, too
    assert run_and_kill([*train, f"--run_dir={whole}"], 600)
    length = time.monotonic() - began
    draw = random.Random(made.run.seed + kills)
    done = 0
    while done < kills:
        if not is_run(folder):
            shutil.rmtree(folder, ignore_errors=True)
        if (folder / "summary.json").is_file():  # it came to its end, its pictures perhaps not: kill another
            assert run_and_kill(resume, 600)
            assert_same(whole, folder)
            shutil.rmtree(folder)
        command = resume if folder.is_dir() else [*train, f"--run_dir={folder}"]
        done += not run_and_kill(command, draw.uniform(0.2, 1.1) * length)
    if not is_run(folder):
        shutil.rmtree(folder, ignore_errors=True)
        resume = [*train, f"--run_dir={folder}"]
    assert run_and_kill(resume, 600)
    assert_same(whole, folder)


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """A real refusal of the kernel, in a process of its own."""
    import resource

    folder = tmp_path / "run"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, before[1]))
    try:
        with pytest.raises(CannotWrite, match=r"File too large; files may not grow so large here"):
            runner.train(settings("ippo", folder), quiet=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    runner.resume(folder, quiet=True)
    with pytest.raises(UserError, match="is not empty"):
        runner.train(settings("ippo", folder), quiet=True)
