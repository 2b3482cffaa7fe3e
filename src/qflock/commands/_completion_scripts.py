"""Scripts that complete a command line, as each shell reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Offers(NamedTuple):
    """What may stand where.

    Attributes:
        commands, algorithms: their names.
        place: the environment where none is named.
        values: after an option that takes one of a few.
        options: after a command.
        learners, environments: after an algorithm of ``train``, and where an environment is played in.
    """

    commands: Sequence[str]
    algorithms: Sequence[str]
    place: str
    values: Mapping[str, Sequence[str]]
    options: Mapping[str, Sequence[str]]
    learners: Mapping[str, Sequence[str]]
    environments: Mapping[str, Sequence[str]]


BASH = """_qflock() {{
  local typed="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" verb="${{COMP_WORDS[1]}}"
  local offers="" place={place} at
  for ((at = 2; at < COMP_CWORD; at++)); do
    [[ "${{COMP_WORDS[at]}}" == --env ]] && place="${{COMP_WORDS[at+1]}}"
  done
  if ((COMP_CWORD == 1)); then
    offers="{commands} --help --version"
  else
    case "$before" in
{values}
      *)
        case "$verb" in
{options}
        esac
        if [[ "$verb" == train ]]; then
          ((COMP_CWORD == 2)) && offers="{algorithms} $offers"
          case "${{COMP_WORDS[2]}}" in
{learners}
          esac
        fi
        case "$verb" in
          train|evaluate|watch)
            case "$place" in
{environments}
            esac ;;
        esac ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$offers" -- "$typed"))
}}
complete -o default -F _qflock qflock
"""

ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"
"""In front of the script for bash, which zsh reads then."""

FISH = """function __qflock_offers
  set -l words (commandline -opc)
  set -l typed (commandline -ct)
  set -l place {place}
  set -l offers
  for at in (seq 2 (count $words))
    test "$words[$at]" = --env; and set -q words[(math $at + 1)]; and set place $words[(math $at + 1)]
  end
  if test (count $words) -le 1
    set offers {commands} --help --version
  else
    switch $words[-1]
{values}
      case '*'
        switch $words[2]
{options}
        end
        if test $words[2] = train
          test (count $words) -eq 2; and set offers {algorithms} $offers
          set -q words[3]; and switch $words[3]
{learners}
          end
        end
        if contains $words[2] train evaluate watch
          switch $place
{environments}
          end
        end
    end
  end
  string match --entire --regex -- '^'(string escape --style=regex -- "$typed") $offers
end
complete -c qflock -e
complete -c qflock -f -n 'test -n "$(__qflock_offers)"' -a '(__qflock_offers)'
"""
"""Where nothing of ours begins as what is typed, it offers files, as bash does."""


def script(shell: str, offers: Offers) -> str:
    """The script for a shell.

    Args:
        shell: "bash", "zsh" or "fish".
        offers: what may stand where.
    """
    cases, template = (_fish_cases, FISH) if shell == "fish" else (_cases, BASH)
    text = template.format(
        place=offers.place,
        commands=" ".join(offers.commands),
        algorithms=" ".join(offers.algorithms),
        values=cases(offers.values, 6, False),
        options=cases(offers.options, 10, False),
        learners=cases(offers.learners, 12, True),
        environments=cases(offers.environments, 14, True),
    )
    return (ZSH if shell == "zsh" else "") + text


def _cases(offers: Mapping[str, Sequence[str]], indent: int, more: bool) -> str:
    """Branches of bash's ``case`` that set ``offers``, or add to them."""
    before = "$offers " * more
    return "\n".join(f'{" " * indent}{name}) offers="{before}{" ".join(s)}" ;;' for name, s in offers.items())


def _fish_cases(offers: Mapping[str, Sequence[str]], indent: int, more: bool) -> str:
    """The same for fish's ``switch``."""
    word, space = "set -a offers" if more else "set offers", " " * indent
    return "\n".join(f"{space}case {name}\n{space}  {word} {' '.join(some)}" for name, some in offers.items())
