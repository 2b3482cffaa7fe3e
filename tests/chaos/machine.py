"""Draws a command and a fault from a seed, plays them, and sees whether the promises hold.

Every draw has a seed of its own, so that one that failed can be played again alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import promises
from tests.chaos.commands import BY_NAME, FILE, Command
from tests.chaos.faults import FINE, Fault
from tests.chaos.stage import Outcome, Stage


@dataclass(frozen=True)
class Reference:
    """What a command does undisturbed, twice.

    Attributes:
        work: the working folder of the first play.
        seconds: how long the second took, which had nothing to compile.
        error: what it says on standard error.
        exact: the files that are the same in both.
        out: what it prints; None where that differs between the two.
    """

    work: Path
    seconds: float
    error: str
    exact: list[str]
    out: str | None


@dataclass(frozen=True)
class Draw:
    """One draw and what came of it.

    Attributes:
        number: which; with the seed it says all.
        code: the exit code under the fault.
        problems: a line for each promise that did not hold.
        seconds: all that it took.
    """

    number: int
    command: Command
    fault: Fault
    code: int | None = None
    problems: tuple[str, ...] = ()
    seconds: float = 0.0


def draws(seed: int, commands: Sequence[Command], faults: Sequence[Fault]) -> Iterator[Draw]:
    """Draws without end: faults in turn in an order that is drawn anew each round, each with some command."""
    number = 0
    while True:
        round_ = random.Random(f"{seed} round {number}")
        for fault in round_.sample(faults, len(faults)):
            fitting = [command for command in commands if fault.fits(command)]
            if fitting:
                yield Draw(number, round_.choice(fitting), fault)
                number += 1


class Machine:
    """Plays draws in a folder, where references and compiled programs are kept."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder.resolve(), seed
        # How long a command took when it last got to its end: other work on the machine comes and goes.
        self._took: dict[str, float] = {}

    def reference(self, name: str) -> Reference:
        """What a command does undisturbed; played where that is not known yet."""
        place = self.folder / "references" / name
        facts = place / "facts.json"
        if not facts.exists():
            shutil.rmtree(place, ignore_errors=True)
            found = self._twice(BY_NAME[name], place)
            facts.write_text(json.dumps(found))
        return Reference(place / "first" / "work", **json.loads(facts.read_text()))

    def _twice(self, command: Command, place: Path) -> dict[str, Any]:
        """Play a command twice undisturbed; what a `Reference` holds of it."""
        stages, outcomes = [], []
        for which in ("first", "second"):
            stages.append(stage := self._stage(place / which, command, random.Random(0)))
            with self._beside(stage, command):
                outcomes.append(stage.run(command.words))
            if problems := self._undisturbed(stage, outcomes[-1]):
                raise AssertionError(f"{command.name}, undisturbed: {'; '.join(problems)}")
        first, second = (promises.contents(stage.work) for stage in stages)
        exact = [path for path in first if first[path] == second.get(path)]
        if unlike := promises.same(command, stages[0].work, stages[1].work, exact):
            raise AssertionError(f"{command.name}, twice undisturbed: {'; '.join(unlike)}")
        return {
            "seconds": outcomes[1].seconds,
            "error": outcomes[0].error,
            "exact": exact,
            "out": None if promises.prints(outcomes[0], outcomes[1].out) else outcomes[0].out,
        }

    def play(self, draw: Draw) -> Draw:
        """Play a draw; what it left stays where it failed."""
        try:
            reference = self.reference(draw.command.name)
        except AssertionError as broken:
            return dataclasses.replace(draw, problems=(str(broken),))
        began, place = time.monotonic(), self.folder / "draws" / f"{self.seed}-{draw.number}"
        shutil.rmtree(place, ignore_errors=True)
        stage = self._stage(place, draw.command, random.Random(f"{self.seed} draw {draw.number}"))
        stage.seconds = self._took.get(draw.command.name, reference.seconds)
        code, problems = self._disturbed(stage, draw, reference)
        if not problems:
            shutil.rmtree(place, ignore_errors=True)
        took = time.monotonic() - began
        return dataclasses.replace(draw, code=code, problems=tuple(problems), seconds=took)

    def _stage(self, place: Path, command: Command, draw: random.Random) -> Stage:
        """A folder with what a command needs."""
        stage = Stage(place, draw, self.folder / "cache")
        (stage.work / "tiny.yaml").write_text(FILE)
        (stage.work / "out").mkdir()
        for taken in command.takes:
            trained, _, name = taken.partition(" as ")
            shutil.copytree(self.reference(trained).work / "run", stage.work / (name or trained))
        if command.takes:  # what may stand in another's place
            shutil.copytree(self.reference("pqn").work / "run", stage.folder / "other")
        return stage

    @contextlib.contextmanager
    def _beside(self, stage: Stage, command: Command) -> Iterator[None]:
        """While it is entered, what works in the same folder works; it gets to its end."""
        if not command.beside:
            yield
            return
        other = Stage(stage.folder / "beside", stage.draw, stage.cache)
        other.work.rmdir()
        other.work.symlink_to(stage.work)
        play = other.start(command.beside)
        play.at(stage.draw.uniform(0.0, 4.0))
        yield
        outcome = play.outcome()
        if outcome.code != FINE:
            raise AssertionError(f"what works beside it ended with {outcome.code}: {outcome.error[-500:]}")

    @staticmethod
    def _undisturbed(stage: Stage, outcome: Outcome) -> list[str]:
        fine = Fault("nothing", harmless=True)
        problems = promises.exit_code(outcome, fine) + promises.nothing_stays(stage, outcome, fine)
        return problems + ([outcome.error[-500:]] if problems else [])

    def _disturbed(self, stage: Stage, draw: Draw, reference: Reference) -> tuple[int | None, list[str]]:
        command, fault = draw.command, draw.fault
        fault.before(stage, command)
        given = self._given(stage, command)
        try:
            with self._beside(stage, command):
                play = stage.start(command.words)
                problems = fault.during(stage, command, play)
                outcome = play.outcome()
        except AssertionError as broken:
            return None, [str(broken)]
        if outcome.code == FINE:
            self._took[command.name] = outcome.seconds
        problems += promises.exit_code(outcome, fault)
        problems += promises.one_line(outcome, fault, reference.error)
        problems += promises.nothing_stays(stage, outcome, fault)
        fault.after(stage)
        problems += promises.said_is_so(stage, outcome)
        if self._given(stage, command) != given:
            problems.append("what it only reads has changed")
        for path in stage.temporary.iterdir():
            shutil.rmtree(path, ignore_errors=True)
        stage.undisturbed()
        if outcome.code == FINE and fault.harmless:
            problems += promises.prints(outcome, reference.out)
        if not fault.harms:  # what damaged files come to is the concern of tests/runs/test_damage.py
            problems += self._again(stage, command, outcome, reference)
        return outcome.code, problems

    @staticmethod
    def _given(stage: Stage, command: Command) -> dict[str, str]:
        """What the command may read and must not change."""
        if command.kind == "run" or command.beside:
            return {}
        given = [stage.work / taken for taken in command.takes]
        return {f"{run.name}/{n}": d for run in given for n, d in promises.contents(run).items()}

    def _again(self, stage: Stage, command: Command, outcome: Outcome, reference: Reference) -> list[str]:
        """Go on after a stop, or do it again, undisturbed: then all is as if nothing had happened."""
        done, run = promises.finished_cells(stage.work), stage.work / "run"
        step = promises.saved_step(run)
        if outcome.code != FINE or command.kind in ("run", "cells"):
            words = command.again if command.again and (run / "configs" / "hparams.json").exists() else ""
            again = stage.run(words or command.words)
            problems = self._undisturbed(stage, again)
            if problems:
                return [f"done again: {line}" for line in problems]
            problems += promises.went_on(step, again)
            now = promises.finished_cells(stage.work)
            if command.kind == "cells" and any(now.get(name) != digest for name, digest in done.items()):
                problems.append("a cell that was done was done again")
        else:
            problems = []
        problems += promises.half_written(stage)
        return problems + promises.same(command, reference.work, stage.work, reference.exact)
