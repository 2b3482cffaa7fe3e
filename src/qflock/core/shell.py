"""Commands as messages print them: ready to be copied into a shell, whatever is in their paths."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from typing import Any

from qflock.core.printing import STEERING

ENDS = "\t\n"
"""What a text may have and a command that stands on one line may not."""


def command(name: str, *words: Any) -> str:
    """A command of ours as it is typed, each word quoted where a shell would take it for something else.

    Args:
        name: the command, ``resume``.
        words: what follows it, as texts, numbers or paths.
    """
    return typed(["qflock", name, *map(str, words)])


def typed(words: Iterable[str]) -> str:
    """Words as they are typed: one line, without a character that steers a terminal.

    Args:
        words: as a program gets them.
    """
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """A word for a shell; ``$'...'`` of bash, zsh and ksh where it has characters that nobody can type."""
    if not STEERING.search(word) and not set(ENDS) & set(word):
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if character in ENDS or STEERING.match(character):
        return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
    return f"\\{character}" if character in "\\'" else character
