"""``qflock completion``: a script that completes commands, algorithms and settings with the Tab key.

The script is static: it holds the names that exist when it is printed. tyro and shtab complete one
parser; here the options depend on the algorithm and the environment that stand earlier in the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from qflock.commands import COMMANDS, _arguments, listing, module
from qflock.commands._arguments import Group
from qflock.commands._completion_scripts import Offers, script
from qflock.core.errors import UserError, unknown
from qflock.core.printing import say
from qflock.settings import config, registry
from qflock.settings.run import RunSettings

SHELLS = ("bash", "zsh", "fish")
COMMAND = "qflock completion " + "|".join(SHELLS)
ABOUT = """Print a script that completes commands, algorithms, environments and settings
with the Tab key. Print it again after installing more algorithms.

  bash: qflock completion bash > ~/.local/share/bash-completion/completions/qflock
  zsh:  qflock completion zsh >> ~/.zshrc
  fish: qflock completion fish > ~/.config/fish/completions/qflock.fish"""


@dataclass(frozen=True)
class Options:
    """There are none."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    if _arguments.wants_help(argv):
        say(f"{ABOUT}\n\nusage: {COMMAND}")
        return 0
    if len(argv) != 1:
        raise UserError(f"name the shell: {COMMAND}")
    if argv[0] not in SHELLS:
        raise unknown("shell", argv[0], SHELLS)
    say(script(argv[0], offers()), end="")
    return 0


def offers() -> Offers:
    """What may stand where."""
    forms = {name: getattr(module(name), "Options", None) for name in COMMANDS}
    groups = {name: [Group(form())] for name, form in forms.items() if form}
    groups["train"].append(Group(RunSettings(), pairs=True))
    learners = {
        name: [Group(registry.algorithm(name).Config(), pairs=True)] for name in registry.names("algorithms")
    }
    environments = {
        name: [Group(config.environment_settings(name), prefix="env", pairs=True)]
        for name in registry.names("environments")
    }
    choices = {"--env": list(environments)}
    for group in (g for each in (groups, learners, environments) for some in each.values() for g in some):
        for option, values in _choices(group).items():
            choices[option] = sorted({*choices.get(option, ()), *values})
    positional = {"list": (*listing.KINDS, *listing.PARTS), "completion": SHELLS}
    return Offers(
        commands=list(COMMANDS),
        algorithms=list(learners),
        place=RunSettings.env,
        values=choices,
        options={name: [*positional.get(name, ()), *_words(some), "--help"] for name, some in groups.items()},
        learners={name: _words(some) for name, some in learners.items()},
        environments={name: _words(some) for name, some in environments.items()},
    )


def _words(groups: list[Group]) -> list[str]:
    return [option for group in groups for option in _arguments.options(group)]


def _choices(group: Group) -> dict[str, list[str]]:
    """The values to offer after each option that takes one of a few."""
    hints = get_type_hints(type(group.defaults)) if group.defaults is not None else {}
    prefix = f"--{group.prefix}." if group.prefix else "--"
    return {prefix + name: literals for name, kind in hints.items() if (literals := _literals(kind))}


def _literals(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    return [value for inner in get_args(kind) for value in _literals(inner)]
