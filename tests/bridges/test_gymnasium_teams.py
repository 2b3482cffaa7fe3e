"""Gymnasium environments of teams: Tuples of spaces, lists of rewards, flags of each or of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium")

import gymnasium
from gymnasium import spaces

import qflock
from qflock.bridges.host.gymnasium_copy import Copy
from qflock.core.errors import UserError
from qflock.core.steps import TimeStep
from tests.bridges.odd import PAIR

ACTS = spaces.Tuple((spaces.Discrete(6, start=1), spaces.Discrete(4)))
VIEWS = spaces.Tuple((PAIR, spaces.Box(-9, 9, (3,), np.float32)))
SEEN = (np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0]))


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    gymnasium.register("Team-v0", entry_point="tests.bridges.odd:Team")
    yield
    gymnasium.registry.pop("Team-v0")


def team(**settings: Any) -> Copy:
    given = {"view": VIEWS, "acts": ACTS, "see": lambda step: SEEN, "pay": [1.0, 2.0]}
    return Copy("Team-v0", {"max_steps": 9, **given, **settings})


def played(copy: Copy, steps: int = 1) -> list[TimeStep]:
    rows = [copy.reset(0), *(copy.step(np.array([2, 3])) for _ in range(steps))]
    return [TimeStep(*row, measures={}) for row in rows]


def test_a_tuple_of_actions_is_a_team() -> None:
    copy = team()
    assert (copy.agents, copy.action.count, copy.observation, copy.state) == (2, 6, 3, 5)
    first, later = played(copy)
    assert later.observation.tolist() == [[1, 2, 0], [3, 4, 5]]
    assert later.state.tolist() == [1, 2, 3, 4, 5]
    assert later.reward.tolist() == [1, 2]
    assert first.legal.sum(-1).tolist() == [6, 4]
    assert copy._env.unwrapped.acted == [(3, 3)]
    assert [type(action) for action in copy._env.unwrapped.acted[0]] == [np.int64] * 2


def test_the_book_is_followed_by_lists_as_well() -> None:
    copy = team(view=list(VIEWS), acts=list(ACTS), see=lambda step: list(SEEN), pay=np.array([1.0, 2.0]))
    assert played(copy)[-1].reward.tolist() == [1, 2]


def test_a_multidiscrete_with_an_observation_for_each_number_is_a_team() -> None:
    copy = team(acts=spaces.MultiDiscrete([6, 4], start=[1, 0]))
    assert (copy.agents, copy.action.count) == (2, 6)
    played(copy)
    (acted,) = copy._env.unwrapped.acted
    assert isinstance(acted, np.ndarray)
    assert (acted.tolist(), acted.dtype) == ([3, 3], np.int64)


def test_one_reward_is_the_teams() -> None:
    for pay in (3.0, [3.0], np.array(3.0)):
        assert played(team(pay=pay))[-1].reward.tolist() == [1.5, 1.5]
        assert played(team(pay=pay, shared_reward=True))[-1].reward.tolist() == [3, 3]
    assert played(team(pay=[2.0, 2.0], shared_reward=True))[-1].reward.tolist() == [2, 2]
    with pytest.raises(UserError, match=r"paid \[1.0, 2.0\], shared_reward says .* \(step 1\)"):
        played(team(shared_reward=True))


def ending(terminated: Any, truncated: Any) -> Any:
    return lambda seen, paid, ended, cut, info: (seen, paid, terminated, truncated, info)


@pytest.mark.parametrize(
    ("flags", "end"),
    [
        ((True, False), "terminated"),
        (([True, True], False), "terminated"),
        (([True, True], [True, True]), "terminated"),
        ((np.array([True, False]), [False, True]), "truncated"),
        ((False, np.True_), "truncated"),
        ((True, True), "terminated"),
    ],
)
def test_flags_are_of_all_or_one_for_each(flags: Any, end: str) -> None:
    last = played(team(answer=ending(*flags)))[-1]
    assert getattr(last, end)
    assert last.terminated != last.truncated


def test_an_agent_that_is_done_before_the_others_is_inactive() -> None:
    copy = team(answer=ending([True, False], False))
    *_, later = played(copy, 2)
    assert later.active.tolist() == [False, True]
    assert not later.over
    assert not copy.truncated_alone.any()
    assert copy._env.unwrapped.acted[-1] == (1, 3)  # the first legal action of who is done
    copy = team(answer=ending(False, [True, False]))
    played(copy)
    assert copy.truncated_alone.tolist() == [True, False]


def test_the_clock_truncates_a_team() -> None:
    rows = played(team(max_steps=3, answer=ending(False, False)), 3)
    assert [bool(row.truncated) for row in rows] == [False, False, False, True]


@pytest.mark.parametrize(
    "info",
    [
        {"action_mask": [[0, 1, 0, 1, 0, 1], [1, 0, 0, 1]]},
        [{"action_mask": [0, 1, 0, 1, 0, 1]}, {"action_mask": np.array([1, 0, 0, 1], bool)}],
    ],
)
def test_masks_of_a_team_are_read(info: Any) -> None:
    legal = played(team(info=info))[-1].legal
    assert legal.astype(int).tolist() == [[0, 1, 0, 1, 0, 1], [1, 0, 0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"see": lambda step: SEEN[: 2 - step]}, r"must hold one for each of the 2 agents \(step 1\)"),
        (
            {"see": lambda step: SEEN[:: 1 - 2 * step]},
            r"agent 0's observation has 3 numbers, its space says 2",
        ),
        ({"pay": [1.0, 2.0, 3.0]}, r"the reward has 3 entries, the team has 2 agents \(step 1\)"),
        ({"pay": [1.0, None]}, r"agent 1's reward is None"),
        ({"answer": ending([True] * 3, False)}, r"terminated has 3 entries, the team has 2 agents"),
        (
            {"answer": lambda *a: a[:3] + a[4:]},
            r"step\(\) returned 4 values; Gymnasium's returns 5: observation",
        ),
    ],
)
def test_what_no_team_shows_is_one_line(settings: Any, line: str) -> None:
    with pytest.raises(UserError, match=rf"^gymnasium:Team-v0: .*{line}"):
        played(team(**settings))


@pytest.mark.parametrize(
    ("acts", "view"),
    [
        (ACTS, PAIR),
        (ACTS, spaces.Tuple((PAIR, PAIR, PAIR))),
        (spaces.Tuple((spaces.Discrete(2), spaces.MultiDiscrete([2, 2]))), VIEWS),
        (spaces.MultiDiscrete([2, 2]), PAIR),
        (spaces.MultiDiscrete([2, 2, 2]), VIEWS),
    ],
)
def test_actions_that_are_no_teams_are_refused(acts: Any, view: Any) -> None:
    with pytest.raises(UserError, match=r"a team needs an observation for each|only Discrete actions"):
        team(acts=acts, view=view, see=None)


def test_both_flags_are_a_termination_and_the_arrays_of_one_element_are_numbers() -> None:
    copy = Copy("Team-v0", {"max_steps": 9, "pay": np.array([1.0]), "answer": ending([True], np.array(True))})
    last = TimeStep(*[copy.reset(0), copy.step(np.array([1]))][-1], measures={})
    assert (bool(last.terminated), bool(last.truncated), last.reward.tolist()) == (True, False, [1.0])
    assert type(copy._env.unwrapped.acted[0]) is np.int64


def test_level_based_foraging_is_a_team() -> None:
    pytest.importorskip("lbforaging")
    env = qflock.make("gymnasium:Foraging-5x5-2p-1f-v3", workers="serial", max_steps=4)
    assert (env.spec.agents, env.spec.actions) == (2, 6)
    copy = env.copy()
    rows = [TimeStep(*copy.reset(0), measures={})]
    while not rows[-1].over:
        rows.append(TimeStep(*copy.step(np.zeros(2, int)), measures={}))
    assert rows[-1].truncated
    assert len(rows) == 5
