"""A game of adversaries says that all its agents are trained as one team here."""

from __future__ import annotations

import warnings

import pytest

import qflock
from qflock.bridges import _adversaries
from qflock.core.errors import Notice

ONE_TEAM = "here all its agents are trained as one team"


@pytest.mark.parametrize(
    ("names", "camps"),
    [
        (["adversary_0", "adversary_1", "agent_0"], "adversary against agent"),
        (["leadadversary_0", "adversary_0", "agent_0"], "against agent"),
        (["ally_0", "ally_1", "enemy_0"], "enemy against ally"),
        (["eve_0", "bob_0", "alice_0"], "eve against alice"),
        (["red_0", "blue_0"], "red against blue"),
        (["agent 0", "agent 1"], ""),
        (["adversary_0", "adversary_1"], ""),  # hunters of a scripted prey are a team
        (["ally_0", "ally_1"], ""),
        ([0, 1], ""),
    ],
)
def test_they_are_known_by_their_agents_names(names: list[str], camps: str) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        _adversaries.tell("theirs:game", names)
    assert [(camps in str(one.message), ONE_TEAM in str(one.message)) for one in said] == (
        [(True, True)] if camps else []
    )


@pytest.mark.parametrize(
    ("env", "library"), [("jaxmarl:MPE_simple_tag_v3", "jaxmarl"), ("pettingzoo:mpe2.simple_tag_v3", "mpe2")]
)
def test_it_is_said_where_one_is_made(env: str, library: str) -> None:
    pytest.importorskip(library)
    with pytest.warns(Notice, match=f"^{env} is a game of adversaries .*{ONE_TEAM}"):
        qflock.make(env)
