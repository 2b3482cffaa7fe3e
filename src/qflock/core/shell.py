"""Commands as messages print them: ready to be copied into a shell, whatever is in their paths."""

from __future__ import annotations

import shlex
from typing import Any


def command(name: str, *words: Any) -> str:
    """A command of ours as it is typed, each word quoted where a shell would take it for something else.

    Args:
        name: the command, ``resume``.
        words: what follows it, as texts, numbers or paths.
    """
    return shlex.join(["qflock", name, *map(str, words)])
