"""What is promised, whatever happens (docs/reliability.md). Each check gives lines for what is broken."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from qflock.core.errors import UserError
from qflock.files import tensors
from tests.chaos.commands import Command
from tests.chaos.faults import FAILED_CELLS, FINE, NO_READER, Fault
from tests.chaos.stage import Outcome, Stage
from tests.runs.moments import assert_same

UNSEEMLY = re.compile(
    r"Traceback \(most|internal error|please report|Exception ignored|Fatal Python error", re.I
)
NOTICE = re.compile(r"(qflock: )?warning: |qflock: stopping |.*(set aside|goes? on|begins|is now )")
"""What may be said beside the one line that says why a command ended."""
LOADER = 127
"""Exit status of the system's loader, where there is too little memory for a library's own."""
HALF = re.compile(r"\.partial$|^\.new-|\.tmp$")


def died(outcome: Outcome, fault: Fault) -> bool:
    """Whether libraries ended the process, or it stands: XLA waits for threads that never began."""
    return fault.silent_death and (outcome.code is None or outcome.code < 0 or outcome.code == LOADER)


def exit_code(outcome: Outcome, fault: Fault) -> list[str]:
    """One of those that the table names; none of them where the fault should do no harm."""
    if died(outcome, fault):
        return []
    if outcome.code is None:
        return ["it hangs"]
    if outcome.code == FINE or outcome.code in fault.codes:
        return []
    last = (outcome.error.strip().splitlines() or [""])[-1]
    return [f"exit code {outcome.code}, promised are {[FINE, *fault.codes]}; it says: {last[:200]}"]


def one_line(outcome: Outcome, fault: Fault, usual: str) -> list[str]:
    """At most one line says why it ended, and it is ours.

    Args:
        usual: what the command says on standard error undisturbed.
    """
    if died(outcome, fault) or outcome.code is None:
        return []
    if found := UNSEEMLY.search(outcome.error):
        return [f"it says {found[0]!r}: ...{outcome.error[found.start() : found.start() + 600]}"]
    known = set(usual.splitlines())
    lines = [line for line in outcome.error.splitlines() if line.strip() and line not in known]
    lines = [line for line in lines if not NOTICE.match(line)]
    if outcome.code == FAILED_CELLS:  # a line for each
        lines = [line for line in lines if not line.startswith("qflock: ")]
        return [f"not ours: {lines[0][:300]}"] if lines else []
    if not fault.heard or (outcome.code == NO_READER and not lines):
        return []
    if outcome.code == FINE:
        lines = [line for line in lines if not line.startswith("qflock: ")]
        return [f"it is fine and says: {lines[0][:300]}"] if lines else []
    if len(lines) != 1 or not lines[0].startswith("qflock: "):
        return [f"{len(lines)} lines say why it ended: {' / '.join(lines)[:600]}"]
    return []


def nothing_stays(stage: Stage, outcome: Outcome, fault: Fault) -> list[str]:
    """No process; and where it could tidy up no temporary file, folder or socket, nothing half written."""
    problems = [f"a process stays: {line[:200]}" for line in outcome.left]
    if fault.tidy and outcome.code is not None and not died(outcome, fault):
        problems += [f"in the temporary folder stays {path.name}" for path in stage.temporary.iterdir()]
        problems += half_written(stage)
    return problems


def half_written(stage: Stage) -> list[str]:
    """Files and folders that are half written."""
    return [
        f"half written: {path.relative_to(stage.work)}"
        for path in stage.work.rglob("*")
        if HALF.search(path.name)
    ]


def prints(outcome: Outcome, usual: str | None) -> list[str]:
    """The result is printed as it is undisturbed, apart from how long it took and how large the cache is.

    Args:
        usual: what is printed undisturbed; None where that differs from time to time.
    """
    timeless = lambda text: re.sub(r"\d[\d.]* (s\b|([KMG]i)?B\)) *", r"N \1", text)
    if usual is None or timeless(outcome.out) == timeless(usual):
        return []
    return [f"it prints something else: {outcome.out[-300:]}"]


def contents(folder: Path) -> dict[str, str]:
    """The checksum of every file of a folder, by its name in it; locks are none."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(_content(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def _content(path: Path) -> bytes:
    """A file's bytes; those of safetensors as if its header were sorted, for its order changes by chance."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    with contextlib.suppress(ValueError):
        if path.suffix == ".safetensors":
            return json.dumps(json.loads(content[8:start]), sort_keys=True).encode() + content[start:]
    return content


def finished_cells(work: Path) -> dict[str, str]:
    """The files of the cells that an experiment's or a sweep's records call done."""
    found: dict[str, str] = {}
    for summary in sorted(work.glob("runs/**/summary.json")):
        found |= {f"{summary.parent}/{name}": digest for name, digest in contents(summary.parent).items()}
    for results in sorted(work.glob("runs/*/results.json")):
        for cell in json.loads(results.read_text())["cells"]:
            if cell["state"] == "done" and not (results.parent / cell["folder"] / "summary.json").exists():
                found[f"{cell['cell']} is called done and has no summary"] = ""
    return found


def saved_step(run: Path) -> int | None:
    """Environment steps of the newest training state that is whole; None where there is none."""
    for path in sorted(run.glob("state/state-*.safetensors"), reverse=True):
        with contextlib.suppress(UserError):
            return min(tensors.load_metadata(path)["position"]["env_steps"])
    return None


def said_is_so(stage: Stage, outcome: Outcome) -> list[str]:
    """Where it was said that the state is saved, there is one."""
    if "the state is saved" in outcome.error and saved_step(stage.work / "run") is None:
        return ["the state is said to be saved, and there is none"]
    return []


def went_on(step: int | None, outcome: Outcome) -> list[str]:
    """A resume does nothing again that its state has behind it; it tells each evaluation."""
    steps = [int(number) for number in re.findall(r"^evaluation at (\d+) steps", outcome.error, re.M)]
    if step is not None and steps and steps[0] <= step:
        return [f"saved at step {step}, and a resume begins before {steps[0]}"]
    return []


def same(command: Command, reference: Path, work: Path, exact: Iterable[str]) -> list[str]:
    """What is there in the end is what an undisturbed command leaves.

    Args:
        reference: the working folder of an undisturbed play.
        work: the working folder.
        exact: names of the files that are the same whenever it is played undisturbed.
    """
    if not command.exact:
        return [] if (work / "run" / "summary.json").is_file() else ["it does not get to its end"]
    problems = []
    for run in sorted(path.parent for path in reference.rglob("summary.json")):
        if command.kind in ("run", "cells"):
            where = work / run.relative_to(reference)
            try:
                assert_same(run, where)
            except (AssertionError, OSError, ValueError) as problem:
                problems.append(f"{where.name} differs: {' '.join(str(problem).split())[:300]}")
    now, then = contents(work), contents(reference)
    problems += [f"{name} should not be there" for name in sorted(now.keys() - then.keys())]
    problems += [f"{name} is not there" for name in sorted(then.keys() - now.keys())]
    problems += [f"{name} differs" for name in exact if now.get(name, then[name]) != then[name]]
    return problems[:6]
