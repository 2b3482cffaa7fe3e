"""``qflock new``: a file to start from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from qflock.commands import _arguments, _output
from qflock.commands._arguments import Group
from qflock.core.errors import UserError, unknown
from qflock.core.printing import say
from qflock.core.shell import command

COMMAND, TRANSLATE = "qflock new environment FILE.py", "qflock new settings FILE.yaml"
ABOUT = """Write a file to start from; one that is there is left alone.
  qflock new environment my_env.py
      a small cooperative game of one file, with comments; it trains in seconds
  qflock new environment my_env.py --continuous
      the same with numbers for actions: a Box
  qflock new settings mine.yaml --from theirs.yaml
      settings of PyMARL, EPyMARL, JaxMARL or BenchMARL under our names; what
      has no counterpart is a comment"""
KINDS = ("environment", "settings")
CLASS, NAME, FILE = "MyEnv", "my_env", "THIS_FILE"
"""What stands in the template for the class, the name in its Spec and the file."""


@dataclass(frozen=True)
class Options:
    """What to write, and how to report."""

    continuous: bool = False
    """Write a game whose agents give numbers instead of choosing."""
    json: bool = False
    """Print the file and its class as one JSON object, and nothing else, on standard output."""


@dataclass(frozen=True)
class Translating:
    """What to translate, and how to report."""

    source: Path | None = None
    """The file of another library; also written --from."""
    algorithm: str | None = None
    """The algorithm, where the file does not say it."""
    json: bool = False
    """Print the file and what was translated as one JSON object, and nothing else, on standard output."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    first = next((at for at, word in enumerate(argv) if word.startswith("-")), len(argv))
    words, rest = argv[:first], argv[first:]
    if words[:1] == ["settings"]:
        return _settings(words[1:], rest)
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)
    if not words or (words[0] in KINDS and len(words) != 2):
        raise UserError(f"say what and where: {COMMAND}, as in qflock new environment my_env.py")
    if words[0] not in KINDS:
        raise unknown("kind of file", words[0], KINDS)
    learner = "ippo" if options.continuous else "qmix"
    _output.deliver(lambda: _write(Path(words[1]), options.continuous), options.json, partial(_show, learner))
    return 0


def _settings(words: list[str], rest: list[str]) -> int:
    """Translate a file of settings."""
    rest = [
        "--source" + word.removeprefix("--from") if word.split("=")[0] == "--from" else word for word in rest
    ]
    (options,) = _arguments.parse([Group(Translating())], rest, command=TRANSLATE, about=ABOUT)
    if len(words) != 1 or options.source is None:
        raise UserError(f"name the file to write and the one to translate: {TRANSLATE} --from theirs.yaml")
    path, source = Path(words[0]), options.source
    _output.deliver(lambda: _translate(path, source, options.algorithm), options.json, _show_settings)
    return 0


def _translate(path: Path, source: Path, algorithm: str | None) -> dict[str, Any]:
    """Write another library's settings under our names."""
    from qflock.settings import config, elsewhere, file

    if path.suffix not in (".yaml", ".yml"):
        raise UserError(f"{path} is no name for a file of settings; take one like mine.yaml")
    given = file.read(source)
    found = elsewhere.translate(given, algorithm)
    _create(path, elsewhere.write(found, given, source.name))
    problem = ""
    try:
        config.resolve(config=path)
    except UserError as wrong:
        problem = str(wrong)
    names = {theirs: ours for ours, (_, theirs) in found.settings.items()}
    result = {"file": str(path), "library": found.library, "algorithm": found.algorithm, "translated": names}
    return {**result, "left": found.left, "problem": problem}


def _show_settings(result: dict[str, Any]) -> None:
    done, left = len(result["translated"]), len(result["left"])
    counts = f"{done} settings of {result['library']}'s, {left} left as comments"
    if result["problem"]:
        say(f"written: {result['file']} ({counts}); look at it first: {result['problem']}")
        return
    steps = [(command("train", "--config", result["file"]), f"train {result['algorithm']} with them")]
    _output.show_next(f"written: {result['file']} ({counts})", steps)


def _create(path: Path, text: str) -> None:
    """Write a file that is not there yet."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{path} is there already; take another name") from None
    except OSError as problem:
        raise UserError(f"{path} cannot be written: {problem.strerror}") from problem


def _write(path: Path, continuous: bool) -> dict[str, Any]:
    """Write the template, with a class named after the file."""
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UserError(f"{path} is no name for a Python file; take one like my_env.py")
    name = path.stem
    cls = "".join(part.capitalize() for part in re.split("_+", name) if part) or CLASS
    template = "continuous" if continuous else "environment"
    text = resources.files("qflock").joinpath(f"templates/{template}.py").read_text(encoding="utf-8")
    for old, new in ((FILE, path.name), (CLASS, cls), (f'"{NAME}"', f'"{name}"')):
        text = text.replace(old, new)
    _create(path, text)
    return {"file": str(path), "environment": f"{path}:{cls}"}


def _show(learner: str, result: dict[str, Any]) -> None:
    name = result["environment"]
    steps = [
        (command("check", name), "see that it keeps its promises"),
        (
            command("train", learner, "--env", name, "--total_steps", "400000"),
            "learn to play it, in seconds",
        ),
    ]
    _output.show_next(f"written: {result['file']}", steps)
