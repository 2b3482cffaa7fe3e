"""Read a command's arguments into a typed dataclass: tyro reads them, and every error is one line."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import io
import json
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

from qflock.core.errors import UserError
from qflock.core.printing import say
from qflock.settings import renamed, shares

if TYPE_CHECKING:
    from qflock.settings.config import Settings

OF_RUN = ("env", "total_steps")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Group(NamedTuple):
    """Options that stand together in a help text.

    Attributes:
        defaults: an instance of a dataclass; its fields are the options, its docstrings their help. None
            for a group without options.
        title: what the group is called, in front of "options".
        prefix: ``env`` makes options ``--env.grid_size``; empty makes ``--grid_size``.
        pairs: whether switches can also be switched off, ``--no_double``.
    """

    defaults: Any
    title: str = "command"
    prefix: str = ""
    pairs: bool = False


def parse(groups: Sequence[Group], argv: Sequence[str], *, command: str, about: str = "") -> list[Any]:
    """The arguments of a command.

    Args:
        groups: the options there are.
        argv: what stands after the command's name.
        command: the command, for messages and the usage line: ``qflock train qmix``, ``qflock watch RUN``.
        about: what the command does; the head of its help (that of all settings is `_help`'s).

    Returns:
        The defaults of each group, with the arguments laid over them.

    Raises:
        UserError: an unknown option, a missing or wrong value.
        SystemExit: help was asked for and printed.
    """
    if os.environ.get("NO_COLOR"):
        os.environ.setdefault("PYTHON_TYRO_ANSI_CODES", "False")  # tyro reads it once, when it is imported
    import tyro

    see = f"(see {command.removesuffix(' RUN')} --help)"
    if wants_help(argv):
        say(f"{about}\n")
    argv = _current(argv, [name for group in groups for name in options(group)])
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            parsed, rest = tyro.cli(
                _form([group for group in groups if group.defaults is not None]),
                args=list(argv),
                prog=command,
                description="",
                use_underscores=True,
                return_unknown_args=True,
                registry=_registry(),
            )
    except SystemExit as stopped:
        if not stopped.code:
            raise
        raise UserError(f"{_one_line(complaint.getvalue())} {see}") from None
    if rest:
        raise _left_over(rest[0], list(argv), see, [name for group in groups for name in options(group)])
    return [getattr(parsed, group.title, None) for group in groups]


def _current(argv: Sequence[str], options: Sequence[str]) -> list[str]:
    """Arguments with the names that settings have now; a notice where one was given by an old name."""
    words, pairs, plain = list(argv), [], {option.lstrip("-") for option in options}
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        name = renamed.current(_name(option), plain) if option.startswith("--") else _name(option)
        if name != _name(option):
            words[at] = f"--{name}{equals}{value}"
            pairs.append((option, f"--{name}"))
    renamed.notice(pairs)
    return words


def options(group: Group) -> list[str]:
    """A group's options as they are typed: ``--lr``, ``--double``, ``--no_double``, ``--env.grid_size``."""
    form = type(group.defaults)
    if group.defaults is None:
        return []
    names = [field.name for field in dataclasses.fields(form)]
    if group.pairs:
        names += [f"no_{name}" for name, wanted in get_type_hints(form).items() if wanted is bool]
    return [f"--{group.prefix}{'.' * bool(group.prefix)}{name}" for name in names]


def peek(argv: Sequence[str], option: str) -> str | None:
    """The last value of an option, found before there is a parser; None without one.

    Args:
        argv: arguments as typed.
        option: with its dashes and with underscores, as in ``--run_dir``.
    """
    value = None
    for at, word in enumerate(argv):
        names = (_name(word), renamed.ELSEWHERE.get(_name(word)))
        if not word.startswith("--") or _name(option) not in names:
            continue
        if "=" in word:
            value = word.partition("=")[2]
        elif at + 1 < len(argv):
            value = argv[at + 1]
    return value


def of_run(argv: Sequence[str]) -> dict[str, str]:
    """Settings that others hang on, found before there is a parser: the environment, and the run's length.

    Args:
        argv: arguments as typed.
    """
    found = {name: peek(argv, f"--{name}") for name in OF_RUN}
    return {name: value for name, value in found.items() if value is not None}


def counted(argv: Sequence[str], defaults: Settings) -> list[str]:
    """Arguments with steps in the place of shares of the run.

    Args:
        argv: arguments as typed.
        defaults: settings that already have the length of the run, see `of_run`.

    Raises:
        UserError: more than the whole run.
    """
    lengths = shares.shareable(type(defaults.run), type(defaults.learner))
    return shares.counted(argv, lengths, defaults.run.total_steps)


def with_env(argv: Sequence[str]) -> list[str]:
    """Arguments with ``--env`` in front of an environment that stands first and alone: ``train qmix chsh``.

    Args:
        argv: what stands after the algorithm.
    """
    words = list(argv)
    alone = bool(words) and not words[0].startswith("-") and peek(words, "--env") is None
    return ["--env", *words] if alone else words


def wants_help(argv: Sequence[str]) -> bool:
    """Whether help is asked for."""
    return "-h" in argv or "--help" in argv


def _form(groups: Sequence[Group]) -> type:
    """A dataclass of the groups' dataclasses, as tyro reads it."""
    from tyro import conf

    fields = []
    for group in groups:
        markers = [conf.arg(name=group.prefix) if group.prefix else conf.OmitArgPrefixes]
        markers += [] if group.pairs else [conf.FlagCreatePairsOff]
        kind = Annotated[(type(group.defaults), *markers)]  # type: ignore
        fields.append((group.title, kind, dataclasses.field(default=group.defaults)))
    return dataclasses.make_dataclass("Arguments", fields)


def _registry() -> Any:
    """tyro's rules for values, with our own conversion: the one that YAML and Python go through."""
    from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

    from qflock.settings import values

    registry = ConstructorRegistry()

    @registry.primitive_rule
    def _(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
        wanted = info.type
        if wanted is bool or not values.is_supported(wanted):
            return None
        several = values.is_sequence(wanted)

        def shown(value: Any) -> list[str]:
            return [_show(v) for v in value] if isinstance(value, (tuple, list)) else [_show(value)]

        def read(words: list[str]) -> Any:
            if several and not (len(words) == 1 and words[0].lower() == "none"):
                return values.convert(
                    [w for word in _unbracketed(words) for w in word.split(",") if w], wanted
                )
            return values.convert(words[0], wanted)

        return PrimitiveConstructorSpec(
            nargs="*" if several else 1,
            metavar=values.metavar(wanted),
            instance_from_str=read,
            is_instance=lambda value: True,
            str_from_instance=shown,
        )

    return registry


def _unbracketed(words: list[str]) -> list[str]:
    """The words of a list that was typed as Python writes it, ``[64,64]``, without its brackets."""
    whole = "".join(words)
    if (whole[:1], whole[-1:]) not in (("[", "]"), ("(", ")")):
        return words
    return [word.strip("[]() ") for word in words]


def _show(value: Any) -> str:
    return "none" if value is None else json.dumps(value) if isinstance(value, dict) else str(value)


def _one_line(box: str) -> str:
    """What tyro's box of an error says: the rows under its title, up to the next rule."""
    rows: list[str] = []
    for row in ANSI.sub("", box).splitlines()[1:]:
        text = row.strip(" │")
        if text.strip("─-╰╯"):
            rows.append(text)
        elif rows:
            break
    message = " ".join(rows).removeprefix("Error parsing ")
    missing = re.match(r"Missing value for argument '([^']+)'", message)
    return f"{missing[1]} needs a value" if missing else message or "these arguments cannot be read"


def _left_over(word: str, argv: list[str], see: str, known: list[str]) -> UserError:
    """The error for the first argument that nothing took."""
    plain = {option.lstrip("-"): option for option in known}
    if not word.startswith("-"):
        before = _name(argv[argv.index(word) - 1]) if argv.index(word) else ""
        if before not in plain:
            return UserError(f"unexpected argument {word!r} {see}")
        prefix, _, last = before.rpartition(".")
        off = f"{prefix}.no_{last}" if prefix else f"no_{last}"
        advice = f"; --{off} switches it off" if off in plain else ""
        return UserError(f"--{before} takes no value, got {word!r}{advice}")
    setting, value = renamed.does_it(_name(word), plain) or ("", "")
    if setting:
        return UserError(
            f"unknown option {word.partition('=')[0]}; did you mean {f'--{setting} {value}'.strip()}?"
        )
    near = difflib.get_close_matches(_name(word), plain, n=1, cutoff=0.5)
    advice = f"; did you mean {plain[near[0]]}?" if near else f" {see}"
    return UserError(f"unknown option {word.partition('=')[0]}{advice}")


def _name(word: str) -> str:
    """An option without its dashes and value, with underscores."""
    return word.partition("=")[0].lstrip("-").replace("-", "_")
