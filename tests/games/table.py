"""Write docs/games.md anew: ``python -m tests.games.table [LEARNERS]`` trains them, or all, on every game.

What they reach is kept in ``reached.json``; learners that are not named stay as they were.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from qflock.settings import registry
from tests.games.games import GAMES
from tests.games.limits import LIMITS
from tests.games.rules import DISCOUNT, optimum
from tests.games.training import ENOUGH, kinds, plays, shares

PAGE = Path(__file__).parents[2] / "docs" / "games.md"
REACHED = Path(__file__).parent / "reached.json"
SEEDS = 2
Kept = Mapping[str, Mapping[str, float]]
"""By learner and network, the least share of the optimum over seeds in each game."""

HEAD = f"""# Tiny games

Every registered learner of discrete actions plays {len(GAMES)} games that are small enough to be solved by
counting, with feed-forward and with recurrent agents, and must reach the optimum of each, or be listed below
with the reason why it cannot. A new learner is in it by being registered.

Two agents have up to three actions, and see where the game stands. Rewards are discounted by
{DISCOUNT}. In the last three games agents learn from their own reward, in the others from the team's; what is
asked for in most of them is [the rule for agents that leave](concepts.md#agents-that-leave). Games are scored
without their clock.

This page is written by `python -m tests.games.table`, which trains {SEEDS} seeds of everything; the slow
tests of `tests/games` train them too and fail where one falls short. Games are in `tests/games/games.py`,
the settings are small and the same for all but for those in `tests/games/training.py`.

## Games

| game | it asks for | optimum |
|---|---|---|
"""
READING = f"""
## What is reached

The worst seed's share of the optimum; **1** stands for at least {ENOUGH}. A dash: the learner has no own
rewards; a question mark: not measured yet.
"""


def page(kept: Kept) -> str:
    """The page's text."""
    games = "".join(f"| `{game.name}` | {game.asks} | {optimum(game):.2f} |\n" for game in GAMES)
    tables = [table("Feed-forward agents", "mlp", kept), table("Recurrent agents", "gru", kept)]
    reasons: dict[str, list[str]] = {}
    for (name, game), reason in LIMITS.items():
        reasons.setdefault(reason, []).append(f"`{name}` in `{game}`")
    limits = "".join(f"- {', '.join(who)}: {reason}\n" for reason, who in reasons.items()) or "Nothing.\n"
    return "\n".join([HEAD + games, READING, *tables, "## What cannot, and why\n", limits])


def table(title: str, network: str, kept: Kept) -> str:
    """What learners reach with agents of a sort; those without the choice are with the feed-forward ones."""
    which = {}
    for name in registry.names("algorithms"):
        sorts = kinds(name)
        if network in sorts or (network == "mlp" and sorts == [""]):
            which[name] = kept.get(f"{name} {network}", kept.get(name, {}))
    names = " | ".join(f"`{name}`" for name in which)
    lines = [f"### {title}\n", f"| game | {names} |", "|---|" + "---|" * len(which)]
    for game in GAMES:
        cells = [cell(row.get(game.name), plays(name, game)) for name, row in which.items()]
        lines.append(f"| `{game.name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(share: float | None, applies: bool) -> str:
    """One number of the table."""
    if share is None:
        return "?" if applies else "-"
    return "**1**" if share >= ENOUGH else f"{share:.2f}"


def measure(name: str, network: str) -> None:
    """Train one learner on every game, and keep what it reached."""
    which = [game for game in GAMES if plays(name, game)]
    least = shares(name, network, which, SEEDS).min(1)
    kept = json.loads(REACHED.read_text(encoding="utf-8")) if REACHED.exists() else {}
    kept[f"{name} {network}".strip()] = {
        g.name: round(float(x), 3) for g, x in zip(which, least, strict=True)
    }
    REACHED.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8")


if __name__ == "__main__":
    names = sys.argv[1:] or registry.names("algorithms")
    for network in ("mlp", "gru", ""):
        for name in names:
            if network in kinds(name):
                began = time.monotonic()
                measure(name, network)
                print(f"{name:12}{network:5}{time.monotonic() - began:6.1f} s", flush=True)
