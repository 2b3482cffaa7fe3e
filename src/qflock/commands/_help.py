"""Help of commands that take all settings: those most used first, then by what they are about, and a search.

``--help`` leaves out the settings of circuits where there is none, ``--help all`` leaves out nothing, and
``--help WORD`` shows what has the word in its name or text. A value that a preset or a file gives is marked.
"""

from __future__ import annotations

import difflib
import itertools
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from qflock.commands import _arguments, _topics
from qflock.commands._arguments import Group
from qflock.core.errors import UserError, shown
from qflock.core.printing import say
from qflock.settings import config, descriptions, file, registry, renamed, values
from qflock.settings.config import Settings

COLUMN, WIDEST, LEAST = 27, 100, 56
"""Where texts begin; the most characters of a line; below so many, texts stand under their options."""
NETWORKS = ("network", "critic_network")
"""Settings that may say ``circuit``."""


class Option(NamedTuple):
    """A line of help.

    Attributes:
        name: as it is typed, without its dashes.
        typed: with them, and with what its value is.
        text: what it does.
        value: what it is if nobody says otherwise, as text.
    """

    name: str
    typed: str
    text: str
    value: str


def show(
    settings: Settings, own: Group, argv: Sequence[str], *, command: str, about: str, after: str = ""
) -> None:
    """Print the help of a command, or of it what was asked for.

    Args:
        settings: as they are if nothing more is typed.
        own: the command's own options, titled.
        argv: what stands after the algorithm.
        command: with the algorithm: ``qflock train qmix``.
        about: what the command does; the head of the help.
        after: the foot of the help.

    Raises:
        UserError: no option has the words that were asked for.
    """
    words = _words(argv)
    listed = {**_settings(settings, argv), **_own(own)}
    out = _Printer()
    if words and words != ["all"]:
        found = _search(list(listed.values()), words, command)
        out.section(f"settings with {' '.join(words)!r}", found)
        say(f"\nall settings: {command} --help all")
        return
    hidden = set() if words or _with_circuit(settings, argv) else set(_topics.TOPICS[_topics.CIRCUIT])
    say(f"{about}\n\nusage: {command} [ENVIRONMENT] [--SETTING VALUE ...]")
    for note in (_about(settings.learner), _note(settings)):
        out.paragraph(note)
    for title, names in _grouped(listed, own).items():
        kept = [listed[name] for name in names if name not in hidden]
        description = _about(settings.environment) if title == _topics.ENVIRONMENT else ""
        if kept:
            say()
            out.section(title, kept, description)
    say(f"\n{_more(command, len(hidden & set(listed)))}")
    say(f"\n{after}" if after else "", end="")


def _words(argv: Sequence[str]) -> list[str]:
    """What is asked for after ``--help``: words, or nothing."""
    at = next(at for at, word in enumerate(argv) if word in ("-h", "--help"))
    words = itertools.takewhile(lambda word: not word.startswith("-"), argv[at + 1 :])
    return [word.replace("-", "_").lower() for word in words]


def _with_circuit(settings: Settings, argv: Sequence[str]) -> bool:
    """Whether a network is a circuit or always one, or the line names a setting of one."""
    if not hasattr(settings.learner, "circuit_qubits"):
        return True
    typed = {word.partition("=")[0].lstrip("-").replace("-", "_") for word in argv if word.startswith("--")}
    networks = [_arguments.peek(argv, f"--{n}") or getattr(settings.learner, n, None) for n in NETWORKS]
    return "circuit" in networks or bool(typed & set(_topics.TOPICS[_topics.CIRCUIT]))


def _settings(settings: Settings, argv: Sequence[str]) -> dict[str, Option]:
    """All settings by name, with the values that they have here and who gave them."""
    given = dict.fromkeys(_arguments.of_run(argv), "given")
    path = _arguments.peek(argv, "--config")
    if path is not None:
        given = dict.fromkeys(_named(Path(path), settings.run.env), "file") | given
    if (preset := config.preset(settings.algorithm, settings.run.env)) is not None:
        given = dict.fromkeys(_named(preset, settings.run.env), "preset") | given
    found = {}
    for prefix, form in (("", settings.run), ("", settings.learner), ("env.", settings.environment)):
        if form is None:
            continue
        first, texts, hints = type(form)(), descriptions.of(type(form)), get_type_hints(type(form))
        for name in values.types_of(type(form), settings.algorithm):
            now, else_ = getattr(form, name), getattr(first, name)
            whole = prefix + name
            source = given.get(whole, "") if whole != "env" else ""
            share = settings.shares.get(whole)
            value = f"{share:g}% of total_steps, {now}" if share is not None else _value(now)
            value = f"{source}: {value}; else {_value(else_)}" if source else f"default: {value}"
            found[whole] = Option(whole, _typed(whole, hints[name], pair=True), texts.get(name, ""), value)
    return found


def _own(group: Group) -> dict[str, Option]:
    """A command's own options."""
    form = type(group.defaults)
    texts, hints = descriptions.of(form), get_type_hints(form)
    return {
        name: Option(
            name, _typed(name, hints[name], pair=False), texts.get(name, ""), f"default: {_value(now)}"
        )
        for name, now in vars(group.defaults).items()
    }


def _named(path: Path, env: str) -> set[str]:
    """The settings that a file gives on an environment, by the names that they have now."""
    read = renamed.mapping(file.read(path))
    theirs = read.pop("env", None)
    of_env: Mapping[str, Any] = theirs if isinstance(theirs, Mapping) else {}
    name = registry.canonical(str(of_env.get("name", env)))
    return {*read, *(f"env.{key}" for key in of_env if key != "name" and name == env)}


def _typed(name: str, hint: Any, pair: bool) -> str:
    """An option as it is typed: ``--lr FLOAT``, ``--dueling, --no_dueling``."""
    if hint is not bool:
        return f"--{name} {values.metavar(hint)}"
    prefix, dot, last = name.rpartition(".")
    return f"--{name}, --{prefix}{dot}no_{last}" if pair else f"--{name}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return " ".join(map(_value, value)) or "empty"
    return "none" if value is None else str(value) if value != "" else "empty"


def _grouped(listed: Iterable[str], own: Group) -> dict[str, list[str]]:
    """Names by the topic that they belong to, in the order of topics; the command's own options last."""
    mine = vars(own.defaults)
    places = sorted((name for name in listed if name not in mine), key=_topics.place)
    titles = list(_topics.TOPICS)
    found: dict[str, list[str]] = {}
    for name in places:
        found.setdefault(titles[_topics.place(name)[0]], []).append(name)
    return {**found, own.title: list(mine)}


def _search(options: Sequence[Option], words: Sequence[str], command: str) -> list[Option]:
    """What has all the words in its name or text; names before texts.

    Raises:
        UserError: there is none.
    """
    found = [option for option in options if all(_has(option, word) for word in words)]
    if not found:
        last = {option.name.rpartition(".")[2]: option.name for option in options}
        near = [n for word in words for n in difflib.get_close_matches(word, last, n=3, cutoff=0.5)]
        advice = f"close names: {', '.join(f'--{last[name]}' for name in dict.fromkeys(near))}"
        every = f"{command} --help all shows every setting"
        raise UserError(
            f"no setting has {shown(' '.join(words))} in its name or text; {advice if near else every}"
        )

    def rank(option: Option) -> int:
        return 0 if option.name in words else 1 if all(word in option.name for word in words) else 2

    return sorted(found, key=lambda option: (rank(option), _topics.place(option.name)))


def _has(option: Option, word: str) -> bool:
    """Whether a word, or what other libraries call a setting, leads to an option."""
    ours = renamed.ELSEWHERE.get(word) or renamed.RENAMED.get(word) or renamed.DOES_IT.get(word, ("",))[0]
    in_text = re.search(rf"\b{re.escape(word.replace('_', ' '))}", option.text, re.IGNORECASE)
    return word in option.name or option.name == ours or in_text is not None


def _note(settings: Settings) -> str:
    """What marks mean, where there is a preset."""
    if config.preset(settings.algorithm, settings.run.env) is None:
        return ""
    return (
        f"Values marked preset were tuned for {settings.algorithm} on {settings.run.env}; those after else "
        "hold on environments without a preset (qflock list presets)."
    )


def _about(form: Any) -> str:
    """What a class of settings says of itself, in one line."""
    own = (type(form).__doc__ or "").strip().partition("\n")[0]
    return "" if own.startswith(f"{type(form).__name__}(") else own  # as Python writes it


def _more(command: str, hidden: int) -> str:
    lines = [(f"{command} --help lr", "search names and texts"), (f"{command} --help all", "every setting")]
    if hidden:
        lines.append((f"{command} --network circuit --help", f"and the {hidden} of circuits"))
    width = max(len(line) for line, _ in lines)
    return "\n".join(["more", *(f"  {line:{width}}  {what}" for line, what in lines)])


class _Printer:
    """Sections of options, as wide as the terminal is, but no wider than reads well."""

    def __init__(self) -> None:
        self.width = min(shutil.get_terminal_size().columns, WIDEST)

    def section(self, title: str, options: Sequence[Option], description: str = "") -> None:
        """Print options under their title.

        Args:
            title, options: of the section.
            description: a line under the title.
        """
        if sys.stdout.isatty():
            from qflock.core.console import Console  # a tenth of a second, for bold letters

            Console(highlight=False).print(title, style="bold", markup=False, soft_wrap=True)
        else:
            say(title)
        self.paragraph(description, "  ")
        for option in options:
            for line in self._lines(option):
                say(line)

    def paragraph(self, text: str, indent: str = "") -> None:
        """Print a text that is wrapped; nothing where there is none.

        Args:
            text: one line.
            indent: in front of each of its lines.
        """
        if text:
            say(textwrap.fill(text, self.width, initial_indent=indent, subsequent_indent=indent))

    def _lines(self, option: Option) -> Iterator[str]:
        text = f"{option.text} ({option.value})".strip()
        if self.width < LEAST:
            yield f"  {option.typed}"
            yield from textwrap.wrap(text, self.width, initial_indent="    ", subsequent_indent="    ")
            return
        head = f"  {option.typed}"
        lines = textwrap.wrap(text, self.width - COLUMN, break_on_hyphens=False)
        if len(head) > COLUMN - 1:
            yield head
            head = ""
        for line in lines:
            yield f"{head:{COLUMN}}{line}"
            head = ""
