"""What commands print: tables for people, or one JSON object for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qflock.commands import _streams
from qflock.core.printing import say
from qflock.core.shell import command
from qflock.evidence import metrics
from qflock.evidence.verdict import verdict
from qflock.machine import processes
from qflock.machine.streams import NotWritten
from qflock.settings import registry

COLUMNS = (
    "return_mean",
    "return_std",
    "return_min",
    "return_max",
    "discounted_mean",
    "length_mean",
    "solved",
)
"""The first columns of a table of scores, as evaluation.csv has them; an environment's measures follow."""

NOT_SCORES = ("seed", "episodes")
ONLY_WIDE, WIDE = ("return_std", "return_min", "return_max"), 100
"""Columns that are left out where the terminal has fewer characters than this."""


def deliver(work: Callable[[], Mapping[str, Any]], as_json: bool, show: Callable[[Any], None]) -> None:
    """Do the work of a command and print its result.

    Args:
        work: returns the result.
        as_json: print it as one JSON object, where `_streams.kept` keeps all else away.
        show: prints the result for people.

    Raises:
        NotWritten: standard output cannot be written; where the work left a run, the line says so.
    """
    result = work()
    if not processes.first():  # of the processes of one run, one talks
        return
    try:
        with _streams.given_back():
            if as_json:
                say(json.dumps(_jsonable(result), indent=2))
            else:
                show(result)
            say(end="", stream=sys.stdout)
    except NotWritten as problem:
        if "run" not in result:
            raise
        raise NotWritten(f"{problem}; the run is whole, in {result['run']}") from problem


def show_scores(result: Mapping[str, Any]) -> None:
    """A table of scores: each seed, all seeds together, acting by chance where that differs, and the
    references; under it what they come to.

    Args:
        result: ``per_seed`` (a list with ``seed`` in each), ``over_seeds`` and ``references`` (by
            name), with the columns of evaluation.csv; ``sampled``, where it was played by chance too.
    """
    from rich.markup import escape
    from rich.table import Table

    from qflock.core.console import Console

    seeds = list(result.get("per_seed", []))
    rows = [(f"seed {row.get('seed', at)}", row, "") for at, row in enumerate(seeds)]
    if len(seeds) != 1 and result.get("over_seeds"):
        rows.append((f"all {len(seeds)} seeds", result["over_seeds"], "bold"))
    sampled = _otherwise_by_chance(result)
    if sampled is not None:
        rows.append(("by chance", sampled, ""))
    references = [(name, row, "dim") for name, row in (result.get("references") or {}).items()]
    names = dict.fromkeys([*COLUMNS, *(name for _, row, _ in rows for name in row if name not in NOT_SCORES)])
    columns = [name for name in names if any(_is_number(row.get(name)) for _, row, _ in rows + references)]

    console = Console()
    if console.width < WIDE:
        columns = [name for name in columns if name not in ONLY_WIDE]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    for column in columns:
        head = metrics.of(column).head if column in metrics.TABLE else column
        table.add_column(escape(head), justify="right", no_wrap=True)
    for name, row, style in rows:
        table.add_row(name, *(_cell(column, row.get(column)) for column in columns), style=style)
    table.add_section()
    for name, row, style in references:
        table.add_row(escape(name), *(_cell(column, row.get(column)) for column in columns), style=style)
    console.print(console.fitting(table))
    if sentence := verdict(result.get("over_seeds") or {}, result.get("references") or {}):
        say(f"\n{sentence[0].upper()}{sentence[1:]}")
    if sampled is not None:
        more = [name for name in sampled if name not in COLUMNS and name not in NOT_SCORES]
        of = lambda scores: ", ".join(f"{name} {scores[name]:.4g}" for name in ("return_mean", *more))
        say(
            f"\nActing by chance, as in training, it has {of(sampled)}; greedily {of(result['over_seeds'])}. "
            "A policy without memory may need its chance; qflock evaluate RUN --sample scores it so."
        )


def _otherwise_by_chance(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Scores of acting by chance, where they are further from the greedy ones than their interval."""
    sampled = result.get("sampled", {}).get("over_seeds")
    if sampled is None:
        return None
    from qflock.runs import evaluation

    return sampled if evaluation.differ(result["over_seeds"], sampled) else None


def executed(result: Mapping[str, Any]) -> str:
    """How the policy that was scored is executed, to follow a sentence; empty where that is not known."""
    how = result.get("execution")
    return f"; execution: {how}" if how else ""


def show_training(result: Mapping[str, Any]) -> None:
    """What stands at the end of training: the scores, where the run is, and what to type next.

    Args:
        result: what the runner's ``train`` returns.
    """
    run = result["run"]
    say(
        f"\n{registry.title(result['algorithm'], result['environment'])}: "
        f"{result['env_steps']:,} steps for each seed in {result['seconds']:.0f} s, "
        f"{result['parameters']:,} parameters{executed(result)}\n"
    )
    show_scores(result)
    steps = [
        (command("evaluate", run, "--episodes", "2048"), "score it on more episodes"),
        (command("resume", run, "--total_steps", 2 * result["env_steps"]), "train it for longer"),
    ]
    if registry.can_be_watched(result["environment"]):
        steps.insert(0, (command("watch", run, "--gif", "play.gif"), "see it play"))
    show_next(f"\nThe run is in {run}", steps)


def show_next(done: str, steps: Sequence[tuple[str, str]]) -> None:
    """What was done, and what may be typed next.

    Args:
        done: the sentence in front, without its full stop.
        steps: commands, and what each does.
    """
    say(f"{done}. Next:")
    for typed, what in steps:  # a line of its own, to be copied as it is
        say(f"  {what}:\n    {typed}")


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _cell(column: str, value: Any) -> str:
    if not _is_number(value):
        return "-"
    if column == "solved":
        return f"{100 * value:.1f} %"
    return f"{value:.1f}" if column == "length_mean" else f"{value:.3f}"


def _jsonable(value: Any) -> Any:
    """Plain Python values; a number that JSON cannot hold (NaN, infinity) becomes null."""
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if hasattr(value, "tolist"):  # NumPy's and JAX's scalars and arrays
        return _jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
