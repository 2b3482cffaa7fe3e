"""``qflock new``: a file to start from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from qflock.commands import _arguments, _output
from qflock.commands._arguments import Group
from qflock.core.errors import UserError, unknown
from qflock.core.shell import command

COMMAND = "qflock new environment FILE.py"
ABOUT = """Write a small cooperative game of one file, with comments: an environment of
your own to start from. It trains in seconds. A file that is there is left
alone."""
KINDS = ("environment",)
CLASS, NAME, FILE = "MyEnv", "my_env", "THIS_FILE"
"""What stands in the template for the class, the name in its Spec and the file."""


@dataclass(frozen=True)
class Options:
    """How to report."""

    json: bool = False
    """Print the file and its class as one JSON object, and nothing else, on standard output."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    words = [word for word in argv if not word.startswith("-")]
    rest = [word for word in argv if word.startswith("-")]
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)
    if not words or (words[0] in KINDS and len(words) != 2):
        raise UserError(f"say what and where: {COMMAND}, as in qflock new environment my_env.py")
    if words[0] not in KINDS:
        raise unknown("kind of file", words[0], KINDS)
    _output.deliver(lambda: _write(Path(words[1])), options.json, _show)
    return 0


def _write(path: Path) -> dict[str, Any]:
    """Write the template, with a class named after the file."""
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UserError(f"{path} is no name for a Python file; take one like my_env.py")
    name = path.stem
    cls = "".join(part.capitalize() for part in re.split("_+", name) if part) or CLASS
    text = resources.files("qflock").joinpath("templates/environment.py").read_text(encoding="utf-8")
    for old, new in ((FILE, path.name), (CLASS, cls), (f'"{NAME}"', f'"{name}"')):
        text = text.replace(old, new)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{path} is there already; take another name") from None
    except OSError as problem:
        raise UserError(f"{path} cannot be written: {problem.strerror}") from problem
    return {"file": str(path), "environment": f"{path}:{cls}"}


def _show(result: dict[str, Any]) -> None:
    name = result["environment"]
    steps = [
        (command("check", name), "see that it keeps its promises"),
        (command("train", "qmix", "--env", name, "--total_steps", "400000"), "learn to play it, in seconds"),
    ]
    _output.show_next(f"written: {result['file']}", steps)
