"""The first line of a run: what is trained, with what, and where it will lie. Imports no JAX."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qflock.core import notebook
from qflock.core.printing import say
from qflock.settings import config, registry
from qflock.settings.run import RunSettings


def of_training(algorithm: str, env: str, device: str, where: Path) -> str:
    """What is said of a new run.

    Args:
        algorithm, env: names or files.
        device: as it was asked for.
        where: the run's folder, which need not be there yet.
    """
    preset = config.preset(algorithm, env)
    own = f"preset {preset.stem}" if preset is not None else "no preset"
    return f"{registry.title(algorithm, env)}: {own}, device {device}, run folder {where}; compiling"


def of_resuming(recorded: Mapping[str, Any], device: str | None, where: Path) -> str:
    """What is said of a run that goes on.

    Args:
        recorded: its settings, of whatever version of qflock.
        device: as it was asked for, if it was.
        where: the run's folder.
    """
    env = recorded.get("env")
    env = str(env["name"] if isinstance(env, Mapping) else env)
    title = registry.title(str(recorded.get("algorithm")), env)
    on = device or recorded.get("device", RunSettings.device)
    return f"{title}: going on in {where}, device {on}; compiling"


def tell(line: str) -> None:
    """Say it on standard error; in a notebook, which shows that as a failure, on standard output."""
    with contextlib.suppress(OSError, ValueError):  # as all progress: what cannot be shown stops nothing
        say(line, stream=sys.stdout if notebook.running() else sys.stderr)


@contextlib.contextmanager
def first(line: str) -> Iterator[None]:
    """Say it when the block has come to its end; a terminal shows it already.

    Args:
        line: of `of_training` or `of_resuming`; empty for none.
    """
    if not line:
        yield
        return
    with shown(line):
        yield
    tell(line)


@contextlib.contextmanager
def shown(line: str) -> Iterator[None]:
    """While settings are read, which imports JAX, a terminal shows the line already.

    It goes away afterwards: where the settings are bad, their error is all that is left.

    Args:
        line: as `tell` will say it.
    """
    if not sys.stderr.isatty():
        yield
        return
    from rich.live import Live
    from rich.text import Text

    from qflock.core.console import Console

    console = Console(stderr=True)
    with Live(Text(line), console=console, auto_refresh=False, transient=True, redirect_stdout=False):
        yield
