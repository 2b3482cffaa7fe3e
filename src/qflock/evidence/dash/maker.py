"""A process that makes what takes long, a replay or a report: ``python -m ... replay|report RUN...``.

JAX and a run's own code have no place in the server, and a process can be stopped. It leaves no trace in a
folder: neither bytecode of a run's code nor compiled programs are kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from qflock.core import texts
from qflock.core.errors import UserError, in_short
from qflock.machine import children

LIMIT = 240
"""Seconds that it may take."""
POLITE = 10
"""Niceness: trainings go first."""
MOST = 128 * 2**20
"""Bytes of what it makes."""
EPISODES, FPS, BOARD = 1, 6.0, 420

Kind = Literal["replay", "report"]


async def make(kind: Kind, runs: Sequence[Path]) -> dict[str, Any]:
    """Let a process make it.

    Args:
        kind: "replay", of the newest weights of one run, or "report", of finished ones.
        runs: their folders.

    Returns:
        What `pages/replay.js` shows, or ``page``, the HTML of a report.

    Raises:
        UserError: it cannot be made; why.
    """
    words = children.command("qflock.evidence.dash.maker", kind, *(os.path.abspath(run) for run in runs))
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    quiet = children.environment({"QFLOCK_CACHE": "off", "PYTHONDONTWRITEBYTECODE": "1"})
    quiet.pop("JAX_COMPILATION_CACHE_DIR", None)
    process = await asyncio.create_subprocess_exec(
        *words, stdin=nothing, stdout=pipe, stderr=nothing, env=quiet, start_new_session=True
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT):
            text = b""
            while piece := await process.stdout.read(2**20):
                text += piece
                if len(text) > MOST:
                    raise UserError(f"the {kind} has more than {MOST:,} bytes")
            await process.wait()
        made = texts.from_json(text.decode())
    except TimeoutError as problem:
        raise UserError(f"the {kind} takes more than {LIMIT} seconds; make it in the terminal") from problem
    except ValueError as problem:
        raise UserError(
            f"the {kind} could not be made: its process ended with {process.returncode}"
        ) from problem
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if "problem" in made:
        raise UserError(made["problem"])
    return made


def _made(kind: str, runs: Sequence[str]) -> dict[str, Any]:
    from qflock.evidence import pages

    if kind == "report":
        from qflock.evidence.report import document

        return {"page": document.page(runs, replays=0)[0]}
    from qflock.evidence.replay import page, show
    from qflock.machine import device

    device.use("cpu")
    shown = show.episodes(runs[0], episodes=EPISODES)
    return pages.shown({"title": shown.title, "about": shown.about, **page.data(shown, FPS, BOARD)})


def main(kind: str, runs: Sequence[str]) -> None:
    """Make it and print it, as one JSON object, on standard output, where nothing else goes.

    Args:
        kind: "replay" or "report".
        runs: folders.
    """
    out = os.dup(1)
    os.dup2(2, 1)  # what others' code prints
    os.nice(POLITE)
    signal.alarm(LIMIT + 10)  # should the server be gone
    warnings.simplefilter("ignore")
    try:
        made = _made(kind, runs)
    except UserError as problem:
        made = {"problem": str(problem)}
    except Exception as problem:  # a run's own code may raise anything
        made = {
            "problem": f"the {kind} could not be made: {type(problem).__name__}: {in_short(str(problem))}"
        }
    with os.fdopen(out, "w", encoding="utf-8") as file:
        json.dump(made, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
