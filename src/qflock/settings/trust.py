"""Code and folders outside of a run that a file names: used only where the user has named them too.

A run's settings, a YAML file or an experiment may name Python code, ``/home/me/my_env.py:MyEnv``. Importing
it runs it, so a run or a file that came from somebody else could run anything. What the user types on a
command line, or gives to `qflock.train` and `qflock.make`, is used, and remembered. What only a file names
must be remembered from before, or the command say ``--trust``. Remembered paths stand one a line in
``trusted`` in the user's state folder (``XDG_STATE_HOME``, else ``~/.local/state``), under ``qflock/``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from qflock.core.errors import UserError

VARIABLE = "QFLOCK_TRUST"
"""Set to 1, all that files name is used: for tests, and for workers of a command that said ``--trust``."""
_named: set[str] = set()
_said = False  # --trust, to this very process


def name(*values: Any) -> None:
    """The user has named these, in this process: texts or paths; anything else is passed over."""
    for value in values:
        if isinstance(value, str | Path) and str(value):
            _named.update((str(value), _resolved(str(value).partition(":")[0])))


def everything() -> None:
    """The user trusts what the files of this command name."""
    global _said
    _said = True
    os.environ[VARIABLE] = "1"


def check(path: Path | str, what: str) -> None:
    """See that the user knows a path, and remember it.

    Args:
        path: a file or folder.
        what: what it is, for the message: ``Python code``.

    Raises:
        UserError: only a file names it.
    """
    _check(_resolved(str(path)), what)


def check_module(target: str, module: str, folder: str | None = None) -> None:
    """See that a module which an environment's name imports is an installed one, or known to the user.

    It is remembered by where it lies: the same name means another module in another folder.

    Args:
        target: the name, ``pettingzoo:my_package.my_env``.
        module: its module; the package is looked for, and not imported.
        folder: where to look for it; on Python's path where there is none.

    Raises:
        UserError: it lies where anybody may have put it, and only a file names it.
    """
    package = module.partition(".")[0]
    try:
        found = PathFinder.find_spec(package, [folder]) if folder else importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return
    places = [found.origin or "", *(found.submodule_search_locations or ())] if found else []
    roots = [Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib")]
    if places and not any(Path(place).is_relative_to(root) for place in places for root in roots):
        text = _resolved(next(filter(None, places)))
        _check(text, "Python code that is not installed,", named=target in _named)


def _check(text: str, what: str, named: bool = False) -> None:
    trusted = os.environ.get(VARIABLE, "") == "1"
    if trusted and not _said:
        return
    store = _store()
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if text in store.read_text(encoding="utf-8").splitlines():
            return
    if not named and text not in _named and not trusted:
        raise UserError(f"{text} is {what} that a file names and you never did; look at it, then add --trust")
    if len(text.splitlines()) != 1:
        return
    with contextlib.suppress(OSError):  # then it has to be named again next time
        store.parent.mkdir(parents=True, exist_ok=True)
        with store.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def _resolved(path: str) -> str:
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        return str(Path(path).expanduser().resolve())
    return path


def _store() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    with contextlib.suppress(RuntimeError):
        return Path(base).expanduser() / "qflock" / "trusted"
    return Path(os.devnull)
