"""Twenty draws of the machine that tries; that it plays what it drew; and that it sees a broken promise."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import promises
from tests.chaos import stage as stage_module
from tests.chaos.commands import BY_NAME, COMMANDS
from tests.chaos.faults import FAULTS, FINE, INPUT, STOPPED, Fault, emptied, swapped
from tests.chaos.machine import draws
from tests.chaos.stage import MARK, ROOT, Outcome, Stage

SEED = 29
QUICK = ("vdn", "pqn", "resume", "experiment-processes", "evaluate", "export-numpy", "check", "list")
"""Commands that need few references, each of which is played twice."""
MENDABLE = Fault("mendable", (STOPPED,))


def ended(code: int | None, error: str = "", left: list[str] | None = None) -> Outcome:
    return Outcome(code, "", error, 1.0, left or [])


@pytest.mark.slow
@pytest.mark.ci_slow
def test_twenty_draws_break_no_promise(tmp_path: Path) -> None:
    words = ["--seed", str(SEED), "--draws", "20", "--folder", str(tmp_path), "--commands", *QUICK]
    program = [sys.executable, "-m", "tests.chaos", *words]
    played = subprocess.run(
        program,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    assert "20 draws, 0 broken" in played.stdout


def test_the_same_seed_draws_the_same_in_turn() -> None:
    first, again = (list(itertools.islice(draws(3, COMMANDS, FAULTS), 60)) for _ in range(2))
    assert first == again
    assert first != list(itertools.islice(draws(4, COMMANDS, FAULTS), 60))
    assert {draw.fault.name for draw in first} == {fault.name for fault in FAULTS}
    assert [draw.number for draw in first] == list(range(60))
    assert all(draw.fault.fits(draw.command) for draw in first)


def test_every_command_and_fault_has_a_partner() -> None:
    assert all(any(fault.fits(command) for command in COMMANDS) for fault in FAULTS)
    assert all(any(fault.fits(command) for fault in FAULTS) for command in COMMANDS)
    assert len(COMMANDS) >= 20
    assert len(FAULTS) >= 20
    trained = {taken.split()[0] for command in COMMANDS for taken in command.takes}
    assert trained <= set(BY_NAME)


@pytest.mark.parametrize(
    ("outcome", "broken"),
    [
        (ended(STOPPED, "qflock: stopped; the state is saved.\n"), False),
        (ended(FINE, "usual\n"), False),
        (ended(FINE, "qflock: warning: going on from the state before it\n"), False),
        (ended(None), True),
        (ended(70, "qflock: internal error: KeyError; please report it\n"), True),
        (ended(INPUT, "qflock: no such file\n"), True),  # a code that is not promised for this fault
        (ended(STOPPED, ""), True),
        (ended(STOPPED, "qflock: stopped\nqflock: stopped\n"), True),
        (ended(STOPPED, "Traceback (most recent call last):\n"), True),
        (ended(FINE, "libfoo: something\n"), True),
        (ended(-signal.SIGSEGV), True),
    ],
)
def test_an_exit_code_or_a_line_that_was_not_promised_is_seen(outcome: Outcome, broken: bool) -> None:
    lines = promises.exit_code(outcome, MENDABLE) + promises.one_line(outcome, MENDABLE, "usual\n")
    assert bool(lines) == broken, lines


def test_what_stays_behind_is_seen(tmp_path: Path) -> None:
    stage = Stage(tmp_path, random.Random(0), tmp_path)
    assert promises.nothing_stays(stage, ended(FINE), MENDABLE) == []
    (stage.temporary / "socket").touch()
    (stage.work / "run" / ".state.x.partial").mkdir(parents=True)
    assert len(promises.nothing_stays(stage, ended(FINE, left=["python worker"]), MENDABLE)) == 3


def test_a_process_that_stays_is_found_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_module, "LINGERS", 0.1)
    stage = Stage(tmp_path, random.Random(0), tmp_path)
    sleeper = "import subprocess as s; s.Popen(['sleep', '600'], stdin=s.DEVNULL, start_new_session=True)"
    (stage.work / "sitecustomize.py").write_text(sleeper)
    stage.variables["PYTHONPATH"] = f"{stage.work}:{Path(__file__).parents[2] / 'src'}"
    outcome = stage.run("--version")
    assert outcome.code == FINE
    assert outcome.left == ["sleep 600"]
    assert MARK not in os.environ


def test_a_state_that_is_said_to_be_saved_must_be_there(tmp_path: Path) -> None:
    stage = Stage(tmp_path, random.Random(0), tmp_path)
    said = ended(STOPPED, "qflock: stopped; the state is saved. Go on with: qflock resume run")
    assert promises.said_is_so(stage, said) == ["the state is said to be saved, and there is none"]
    again = ended(FINE, "evaluation at 100 steps: return 1\nevaluation at 200 steps: return 2\n")
    assert promises.went_on(96, again) == []
    assert promises.went_on(128, again) == ["saved at step 128, and a resume begins before 100"]


def test_results_that_differ_are_seen(tmp_path: Path) -> None:
    for name in ("reference", "work"):
        (tmp_path / name / "out").mkdir(parents=True)
        (tmp_path / name / "out" / "policy.npz").write_text("same")
    command, reference, work = BY_NAME["export-numpy"], tmp_path / "reference", tmp_path / "work"
    assert promises.same(command, reference, work, ["out/policy.npz"]) == []
    (work / "out" / "policy.npz").write_text("other")
    assert promises.same(command, reference, work, ["out/policy.npz"]) == ["out/policy.npz differs"]
    (work / "out" / "policy.npz").rename(work / "left")
    assert len(promises.same(command, reference, work, ["out/policy.npz"])) == 2


def test_what_is_printed_is_compared_without_its_times() -> None:
    outcome = Outcome(FINE, "trained in 14 s, score 8.0\n", "", 1.0, [])
    assert promises.prints(outcome, "trained in 2.5 s, score 8.0\n") == []
    assert promises.prints(outcome, None) == []
    cache = Outcome(FINE, "cache (71.0 MiB)\ntraining 10.29 s  \n", "", 1.0, [])
    assert promises.prints(cache, "cache (0.9 MiB)\ntraining 2.3 s   \n") == []
    assert len(promises.prints(outcome, "trained in 14 s, score 7.0\n")) == 1


def test_files_are_damaged_in_their_own_ways(tmp_path: Path) -> None:
    stage = Stage(tmp_path, random.Random(0), tmp_path)
    for name in ("work/vdn/models", "other/models"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "final").write_text(name)
    final = stage.work / "vdn" / "models" / "final"
    swapped(stage, final)
    assert final.read_text() == "other/models"
    emptied(stage, final)
    assert final.read_text() == ""
