"""``qflock check``: does an environment keep its promises?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qflock.commands import _arguments, _output, _trainability
from qflock.commands._arguments import Group
from qflock.core.errors import UserError, in_short
from qflock.core.printing import say
from qflock.core.shell import command
from qflock.settings import config, foreign, registry

COMMAND = "qflock check ENVIRONMENT"
ABOUT = """Check that an environment keeps its promises: shapes and types as its Spec
says, the same episode for the same key, resets and ends, legal actions, finite
rewards within bounds, and no difference by jit and vmap. ENVIRONMENT is a file
and class (my_env.py:MyEnv), a name from qflock list, or one of another library
(jaxmarl:..., jumanji:..., camar:..., vmas:..., pettingzoo:..., gymnasium:...).

Each finding is a line that says what is wrong where. Exit code: 0 fine, 1 not.

qflock check --trainability looks at quantum circuits instead: whether their
gradients vanish, and what they reach. It takes --circuit_qubits 2,4,6 and
--circuit_layers 1,4 for the sizes, --circuits for how many of each are drawn,
and more: qflock check --trainability --help."""


@dataclass(frozen=True)
class Options:
    """How to report."""

    json: bool = False
    """Print the findings as one JSON object, and nothing else, on standard output."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status, 1 where something is wrong."""
    if _trainability.OPTION in argv:
        return _trainability.run(argv)
    name, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (None, list(argv))
    if name is None:
        if not _arguments.wants_help(argv):
            raise UserError(f"name an environment: {COMMAND}, as in qflock check my_env.py:MyEnv")
        _arguments.parse([Group(Options())], argv, command=COMMAND, about=ABOUT)
    assert name is not None
    settings = config.environment_settings(name)
    groups = [
        Group(Options()),
        *([Group(settings, "env", "env", pairs=True)] if settings is not None else []),
    ]
    options, *environment = _arguments.parse(groups, rest, command=command("check", name), about=ABOUT)
    findings: list[str] = []

    def work() -> dict[str, Any]:
        findings.extend(_findings(name, environment[0] if environment else None))
        return {"environment": registry.canonical(name), "fine": not findings, "findings": findings}

    _output.deliver(work, options.json, _show)
    return 1 if findings else 0


def _findings(name: str, settings: Any) -> list[str]:
    from qflock.machine import device
    from qflock.playing import conformance

    device.use("cpu")
    try:
        env = config.make_environment(name, settings)
    except UserError:
        raise
    except Exception as problem:
        where = f" ({place})" if (place := foreign.place(problem)) else ""
        words = in_short(str(problem), 200)
        return [f"making it fails with {type(problem).__name__}: {words}{where}"]
    return conformance.findings(env)


def _show(result: dict[str, Any]) -> None:
    for line in result["findings"]:
        say(f"wrong: {line}")
    count = len(result["findings"])
    say(f"{result['environment']}: " + (f"{count} wrong" if count else "fine"))
