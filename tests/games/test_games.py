"""Every registered learner reaches the optimum of every tiny game, or its limit is known."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from qflock.settings import registry
from tests.games.games import GAMES
from tests.games.limits import LIMITS
from tests.games.rules import optimum, tables
from tests.games.training import ENOUGH, kinds, plays, shares
from tests.marks import IN_CI

PAGE = Path(__file__).parents[2] / "docs" / "games.md"
SEEDS = 2
CI = {(name, "mlp") for name in ("ippo", "iql", "mappo", "pqn_vdn", "qmix", "vdn")}
"""Tried in CI, half a minute each, nearly all of it compiling; all others by who runs every slow test."""


def pairs():
    for name in registry.names("algorithms"):
        for network in kinds(name):
            pair = (name, network)
            marks = IN_CI if pair in CI else pytest.mark.slow
            yield pytest.param(*pair, marks=marks, id="-".join(filter(None, pair)))


@pytest.mark.parametrize(("name", "network"), list(pairs()))
def test_a_learner_reaches_the_optimum_of_every_game_that_it_can(name, network):
    games = [game for game in GAMES if plays(name, game)]
    found = shares(name, network, games, SEEDS).min(1)
    missed = {
        game.name: round(float(share), 3)
        for game, share in zip(games, found, strict=True)
        if share < ENOUGH and (name, game.name) not in LIMITS
    }
    assert not missed


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_an_agent_that_is_not_there_does_nothing(game):
    table = tables(game)
    for agent in (0, 1):
        away = ~table.there[:, agent] & ~table.over
        for outcome in (table.next, table.paid):
            first = np.take(outcome, [0], axis=1 + agent)
            assert (outcome == first)[away].all()


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_the_optimum_is_the_best_of_all_plans_that_can_be_written_down(game):
    """By following every plan of joint actions to its end; the clock's world has none."""
    if game.clock:
        assert optimum(game) == pytest.approx(2 * 0.3 / 0.1, rel=0.01)
        return
    assert optimum(game) == pytest.approx(sum(followed(game)), abs=1e-5)


def followed(game, place=None, known=None):
    """The best returns from a place, by plain recursion: of the team, or of each agent."""
    known = {} if known is None else known
    place = game.start if place is None else place
    if place in known or game.over(place):
        return known.get(place, (0.0, 0.0) if game.reward == "own" else (0.0,))
    known[place] = (0.0,) * (2 if game.reward == "own" else 1)  # to wait where one is earns nothing
    there, legal = game.there(place), game.legal(place)
    options = [legal[i] if there[i] else (0,) for i in (0, 1)]
    totals = []
    for joint in itertools.product(*options):
        after, paid = game.step(place, joint)
        paid = [p * t for p, t in zip(paid, there, strict=True)] if game.reward == "own" else [sum(paid)]
        later = followed(game, after, known)
        totals.append([p + 0.9 * more for p, more in zip(paid, later, strict=True)])
    known[place] = tuple(max(column) for column in zip(*totals, strict=True))
    return known[place]


def test_every_game_has_something_to_get_wrong():
    for game in GAMES:
        assert optimum(game) > 0
        assert tables(game).legal.any(-1).sum(-1).max() > 0


def test_the_page_tells_of_every_learner_and_game():
    text = PAGE.read_text(encoding="utf-8")
    for game in GAMES:
        assert re.search(rf"\| `{game.name}` \| [^|]+ \| {optimum(game):.2f} \|", text), game.name
    for name in registry.names("algorithms"):
        assert f"`{name}`" in text or not kinds(name) or not kinds(name)
    for reason in LIMITS.values():
        assert reason in text
