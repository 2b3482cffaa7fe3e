"""The command line. One file a command; this one finds the command and turns failures into exit codes.

A command's module has ``run(argv) -> int``. Nothing here, and nothing a command imports at its top,
imports JAX: help comes at once.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType

from qflock.commands import _shortage, _streams
from qflock.core import printing
from qflock.core.errors import UserError, in_short, shown, unknown
from qflock.core.version import __version__
from qflock.machine import interrupts, signals, streams
from qflock.settings import trust

GROUPS = {
    "learn": {
        "train": "train an algorithm on an environment",
        "resume": "go on with a run that was stopped, or train it for longer",
        "experiment": "train every method on every environment that a file names",
        "sweep": "search settings with a stated budget, on seeds of its own",
    },
    "look": {
        "evaluate": "score a run beside random play and the best reference",
        "watch": "see a run play: in the terminal, a GIF, an MP4, or a page to scrub",
        "compare": "set methods beside each other, with intervals and costs",
        "report": "one page about runs: curves, tables, replays, house rules",
        "dash": "a live page of all runs, for a browser, while they train",
    },
    "take home": {"export": "take a policy home: NumPy, PyTorch, ONNX or safetensors"},
    "your own": {
        "new": "write a file to start from: an environment, settings",
        "check": "see whether an environment keeps its promises",
    },
    "keep": {
        "runs": "what is under runs/, and what of it can go",
        "results": "keep finished runs as reference results, with a page",
    },
    "this machine": {
        "list": "name the environments, algorithms, presets and parts there are",
        "doctor": "check this installation",
        "completion": "print a script that completes commands with the Tab key",
    },
}
"""Every command with what it does, by what one wants of it."""
COMMANDS = {name: what for group in GROUPS.values() for name, what in group.items()}

MEANT = {
    "run": "train",
    "learn": "train",
    "fit": "train",
    "continue": "resume",
    "test": "evaluate",
    "play": "watch",
    "render": "watch",
    "show": "watch",
    "plot": "report",
    "tune": "sweep",
    "envs": "list",
    "ls": "list",
    "info": "doctor",
}
"""What others call what a command does."""

HELP = """qflock: cooperative multi-agent reinforcement learning in JAX

usage: qflock COMMAND [ARGUMENTS]

{commands}

examples
  qflock train qmix --env gridworld25        learn; the run lands in runs/
  qflock watch latest --gif play.gif         see what the newest run has learnt
  qflock evaluate latest --episodes 512      score it beside random and oracle

more
  qflock COMMAND --help                      what a command takes
  qflock train ALGORITHM --help              every setting with its default
  qflock train ALGORITHM --help WORD         settings with a word in them
  --debug, or QFLOCK_DEBUG=1                 show the traceback of an error
  --trust                                    use code that a run or a file names
  --code FILE.py                             stands for a file that a run names
  --version                                  the version

exit codes
  0 fine, 1 a cell of an experiment or a check failed, 2 bad input or a disk
  or output that cannot be written, 3 NaN or infinity in training (last good
  state kept), 130 interrupted by Ctrl-C, SIGTERM or the closing of the
  terminal (state saved), 75 another process of the run is gone,
  70 internal error
"""

FEW_COLLECTIONS = (100_000, 50, 50)
"""Tracing makes millions of objects that stay; looking for garbage among them took a seventh of the start."""
BAD_INPUT, INTERNAL, INTERRUPTED, BROKEN_PIPE = 2, 70, signals.EXIT, 141


def main(argv: Sequence[str] | None = None) -> int:
    """The command line.

    Args:
        argv: arguments after the program's name; those of the process by default.

    Returns:
        The exit status, see `HELP`.
    """
    if argv is None:  # the process is ours
        gc.set_threshold(*FEW_COLLECTIONS)
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments or os.environ.get("QFLOCK_DEBUG", "") not in ("", "0")
    if "--trust" in arguments:
        trust.everything()
    arguments = [word for word in arguments if word not in ("--debug", "--trust")]
    trust.name(*arguments, *(word.partition("=")[2] for word in arguments))
    warnings.showwarning = printing.show_warning

    def work() -> int:
        with _streams.kept(arguments, ours=argv is None):
            return _dispatch(arguments)

    return guarded(work, debug=debug, ours=argv is None)


def guarded(
    work: Callable[[], int], *, program: str = "qflock", debug: bool = False, ours: bool = True
) -> int:
    """Do the work of a command line, and say in one line on standard error what comes of its failures.

    Args:
        work: returns the exit status.
        program: what the line begins with.
        debug: show the traceback before it.
        ours: whether the process ends with the work: its standard streams and signals are then put in order.

    Returns:
        The exit status, see `HELP`. Where the process ends with the work and was interrupted, it ends here.
    """

    def owning() -> int:
        streams.own()
        with interrupts.kept(ends=True), signals.interrupting():
            return work()

    status = _outcome(owning if ours else work, program, debug)
    if ours and status == INTERRUPTED:
        from qflock.machine import processes

        if not processes.several():  # those take leave of each other
            signals.leave()
    return status


def _outcome(work: Callable[[], int], program: str, debug: bool) -> int:
    """The exit status that work ends with, however it ends."""
    try:
        status = work()
        printing.say(end="", stream=sys.stdout)
        return status
    except SystemExit as stopped:
        from qflock.settings import foreign

        place = foreign.place(stopped)
        if isinstance(stopped.__context__, BrokenPipeError):  # as rich ends a program whose reader has gone
            return BROKEN_PIPE
        _say(program, f"{place or 'code that was called ends the program'}: {foreign.words(stopped)}", debug)
        return BAD_INPUT
    except BrokenPipeError:
        # The reader (head, less) has gone; keep Python from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        _say(program, "interrupted", debug)
        return INTERRUPTED
    except UserError as problem:
        _say(program, str(problem), debug)
        return problem.code
    except Exception as problem:
        from qflock.machine import versions
        from qflock.settings import foreign

        what, place = f"{type(problem).__name__}: {in_short(str(problem))}", foreign.place(problem)

        old = versions.blamed(problem)
        if place:
            more = f"; {old}" if old else ""
            _say(program, f"{place}: {what}{more}; --debug shows the traceback", debug)
            return BAD_INPUT
        if (short := _shortage.line(problem)) is not None:
            _say(program, short, debug)
            return BAD_INPUT
        if old is not None:
            _say(program, f"{old} (then this may work: {what})", debug)
            return BAD_INPUT
        _say(program, f"internal error: {what}; please report it with what --debug shows", debug)
        return INTERNAL


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        printing.say(HELP.format(commands=_listed()), end="")
        return 0
    if arguments[0] in ("--version", "-V", "version"):
        printing.say(f"qflock {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        if name.lower() in MEANT:
            raise UserError(f"unknown command {shown(name)}; did you mean {MEANT[name.lower()]!r}?")
        raise unknown("command", name, COMMANDS)
    try:
        return module(name).run(rest)
    except SystemExit as stopped:
        from qflock.settings import foreign

        if stopped.code or foreign.place(stopped):
            raise
        return 0  # a help text was printed


def _listed() -> str:
    """All commands, by group."""
    width = max(map(len, COMMANDS)) + 2
    lines = []
    for title, group in GROUPS.items():
        lines += [title, *(f"  {name:{width}}{what}" for name, what in group.items())]
    return "\n".join(lines)


def module(command: str) -> ModuleType:
    """The module of a command. That of ``list`` has another name, for it would hide the type here."""
    return importlib.import_module(f"qflock.commands.{'listing' if command == 'list' else command}")


def _say(program: str, message: str, debug: bool) -> None:
    """One line on standard error, after the traceback where it was asked for."""
    if debug:
        printing.say(traceback.format_exc(), end="", stream=sys.stderr)
    printing.say(f"{program}: {printing.one_line(message)}", stream=sys.stderr)
