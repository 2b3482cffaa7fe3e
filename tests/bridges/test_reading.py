"""What environments hand over is compared with what they promised, at every step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium")

from gymnasium import spaces

from qflock.bridges.host.pettingzoo_copy import Copy
from qflock.core.errors import UserError
from qflock.core.steps import TimeStep
from tests.bridges.odd import PAIR

ODD = "tests.bridges.odd"


def copy_of(**settings: Any) -> Copy:
    return Copy(ODD, {"max_steps": 9, "state": "own", **settings})


def played(steps: int = 1, **settings: Any) -> list[TimeStep]:
    copy = copy_of(**settings)
    rows = [copy.reset(0), *(copy.step(np.zeros(2, int)) for _ in range(steps))]
    return [TimeStep(*row, measures={}) for row in rows]


def paying(reward: Any) -> Any:
    """A step that pays elm so."""
    return lambda seen, paid, *rest: (seen, {**paid, "elm": reward}, *rest)


def flagging(terminated: Any, truncated: Any = False) -> Any:
    """A step whose flags are these, for both."""
    return lambda seen, paid, ended, cut, infos: (
        seen,
        paid,
        dict.fromkeys(ended, terminated),
        dict.fromkeys(cut, truncated),
        infos,
    )


@pytest.mark.parametrize(
    "one", [np.array([1.0]), np.array(1.0), [[1.0]], np.float64(1), True, np.int8(1)], ids=repr
)
def test_one_number_is_a_reward_however_it_is_packed(one: Any) -> None:
    paid = played(step=paying(one))[-1].reward
    assert (paid.shape, paid.dtype, paid.tolist()) == ((2,), np.float32, [1, 1])


@pytest.mark.parametrize("one", [True, np.True_, np.array([True]), 1, np.array(1.0), [1]], ids=repr)
def test_a_flag_is_a_flag_however_it_is_written(one: Any) -> None:
    for flags, end in (((one, False), "terminated"), ((np.array([False]), one), "truncated")):
        last = played(step=flagging(*flags))[-1]
        assert (last.terminated.shape, last.truncated.shape) == ((), ())
        assert getattr(last, end)
        assert last.terminated != last.truncated


def test_infos_that_are_none_say_nothing() -> None:
    played(3, step=lambda *answer: (*answer[:4], None), reset=lambda seen, infos: (seen, None))
    played(3, step=lambda *answer: (*answer[:4], dict.fromkeys(("ash", "elm"))))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (paying(None), r"elm's reward is None; it must be one number"),
        (paying(np.array([1.0, 2.0])), r"elm's reward is the array \[1.0, 2.0\]; it must be one number"),
        (paying("1"), r"elm's reward is '1'"),
        (paying(1j), r"elm's reward is 1j"),
        (paying(float("nan")), r"elm's reward is nan; it must be a finite number"),
        (paying(1e39), r"elm's reward is 1e\+39; it must be a finite number of 32 bits"),
        (flagging(None), r"terminations\['ash'\] is None; it must be True or False"),
        (flagging(False, 2), r"truncations\['ash'\] is 2; it must be True or False"),
        (flagging("no"), r"terminations\['ash'\] is 'no'"),
        (flagging(np.array([True, False])), r"terminations\['ash'\] is the array"),
        (lambda *a: (a[0], 1.0, *a[2:]), r"the rewards are 1.0; PettingZoo's are a dictionary by agent"),
        (lambda *a: (a[0], [1.0, 2.0], *a[2:]), r"the rewards are \[1.0, 2.0\]"),
        (lambda *a: (*a[:2], False, False, a[4]), r"the terminations are False"),
        (lambda *a: (*a[:4], [{}, {}]), r"the infos are \[\{\}, \{\}\]"),
        (lambda *a: (None, *a[1:]), r"the observations are None"),
        (
            lambda *a: a[:3] + a[4:],
            r"step\(\) returned 4 values; PettingZoo's returns 5: observations, rewards, terminations,",
        ),
        (lambda *a: None, r"step\(\) returned a NoneType; PettingZoo's returns 5"),
    ],
)
def test_what_is_meant_otherwise_is_one_line(change: Any, line: str) -> None:
    with pytest.raises(UserError, match=rf"^pettingzoo:tests\.bridges\.odd: {line}.* \(step 1\)$"):
        played(step=change)


def test_a_reset_that_shows_observations_alone_is_one_line() -> None:
    with pytest.raises(UserError, match=r"reset\(\) returned a dict; .* observations, infos \(reset\)$"):
        copy_of(reset=lambda seen, infos: seen)


WHOLE = spaces.Box(-5, 5, (3,), np.int8)
WIDE = spaces.Box(0, 1, (2, 3), np.float32)


@pytest.mark.parametrize(
    ("space", "shown", "read"),
    [
        (PAIR, [0.5, 1.0], [0.5, 1]),
        (PAIR, np.array([[1.0, 2.0]]), [1, 2]),
        (PAIR, np.array([1, 2], np.int64), [1, 2]),
        (WIDE, np.arange(6) / 8, np.arange(6) / 8),
        (WIDE, np.ones((2, 3, 1)), np.ones(6)),
        (WHOLE, np.array([1.0, -2.0, 3.0]), [1, -2, 3]),
        (spaces.Box(0, 1, (), np.float32), np.array([0.5]), [0.5]),
        (spaces.Discrete(3, start=-1), np.array([1]), [0, 0, 1]),
        (spaces.MultiDiscrete([2, 3]), [1, 0], [0, 1, 1, 0, 0]),
        (spaces.MultiBinary(3), [True, False, True], [1, 0, 1]),
        (spaces.Tuple((spaces.Discrete(2), PAIR)), [1, [3, 4]], [0, 1, 3, 4]),
    ],
)
def test_views_are_read_where_their_meaning_is_plain(space: Any, shown: Any, read: Any) -> None:
    rows = played(2, view=space, see=lambda step: shown)
    for row in rows:
        np.testing.assert_array_equal(row.observation, np.array([read, read], row.observation.dtype))


@pytest.mark.parametrize(
    ("space", "shown", "line"),
    [
        (PAIR, np.ones(1), r"has 1 number, its space says 2"),
        (PAIR, np.ones(3), r"has 3 numbers, its space says 2"),
        (PAIR, 0.5, r"has 1 number, its space says 2"),
        (WIDE, np.ones((3, 2)), r"has shape \(3, 2\), its space says \(2, 3\)"),
        (PAIR, None, r"is None, its space says 2 numbers"),
        (PAIR, [[1.0], [1.0, 2.0]], r"is \[\[1.0\], \[1.0, 2.0\]\], its space says"),
        (PAIR, {"x": 1}, r"is \{'x': 1\}, its space says 2 numbers"),
        (PAIR, np.array([0, np.nan]), r"holds nan, its space says finite numbers"),
        (PAIR, np.array([0, np.inf]), r"holds inf"),
        (WHOLE, np.array([0.5, 1, 1]), r"holds 0.5, its space says .*int8"),
        (WHOLE, np.array([1, 300, 1]), r"holds 300, its space says .*int8"),
        (spaces.Discrete(3), -1, r"is -1, which its space does not hold"),
        (spaces.Discrete(3), 3, r"is 3, which its space does not hold"),
        (spaces.MultiDiscrete([2, 3]), [2, 0], r"is \[2, 0\], which its space does not hold"),
        (spaces.Dict({"x": PAIR, "y": PAIR}), {"x": np.ones(2)}, r"has no 'y'"),
        (spaces.Dict({"x": PAIR}), np.ones(2), r"is a ndarray, its space says a dictionary"),
        (spaces.Tuple((PAIR, PAIR)), (np.ones(2),), r"is .*, its space says 2 parts"),
    ],
)
def test_views_that_are_not_of_their_space_are_one_line(space: Any, shown: Any, line: str) -> None:
    """The first view is, so that it is a step that tells."""
    good = space.sample()
    with pytest.raises(UserError, match=rf"^pettingzoo:\S+: .*ash's observation {line}.* \(step 1\)$"):
        played(view=space, see=lambda step: shown if step else good)


BIG = np.array([1_800_000_000_000, 5_000_000_000], np.int64)


def test_whole_numbers_that_32_bits_do_not_hold_are_floats() -> None:
    row = played(view=spaces.Box(0, 2**60, (2,), np.int64), see=lambda step: BIG)[-1]
    assert row.observation.dtype == row.state.dtype == np.float32
    np.testing.assert_allclose(row.observation, [BIG, BIG], rtol=2**-24)
    assert np.abs(row.observation[:, 1] - 5e9).max() <= 256


@pytest.mark.parametrize(
    ("low", "high", "theirs", "kept"),
    [
        (-(2**31), 2**31 - 1, np.int64, np.int32),
        (0, 2**32 - 1, np.int64, np.uint32),
        (0, 2**32 - 1, np.uint64, np.uint32),
        (0, 2**40, np.uint64, np.float32),
        (-1, 2**31, np.int64, np.float32),
        (0, 255, np.uint8, np.uint8),
    ],
)
def test_whole_numbers_keep_their_values_where_32_bits_hold_them(
    low: int, high: int, theirs: Any, kept: Any
) -> None:
    ends = np.array([low, high], theirs)
    row = played(view=spaces.Box(low, high, (2,), theirs), see=lambda step: ends)[-1]
    assert row.observation.dtype == kept
    np.testing.assert_array_equal(row.observation, [ends.astype(kept)] * 2)


def test_a_state_of_big_whole_numbers_is_one_of_floats() -> None:
    row = played(world=lambda step: BIG // 2)[-1]
    assert row.state.dtype == np.float32
    np.testing.assert_allclose(row.state, BIG // 2, rtol=2**-24)


def test_a_state_that_shrinks_is_one_line() -> None:
    told = r"^pettingzoo:\S+: state\(\) has 4 numbers, its state_space says 6; --env.state observations"
    shrinking = lambda step: np.ones(6 if step < 2 else 4, np.float32)
    with pytest.raises(UserError, match=rf"{told}.* \(step 2\)$"):
        played(2, world=shrinking)
    beside = Copy(ODD, {"max_steps": 9, "state": "observations", "world": shrinking})
    beside.reset(0)
    assert [beside.step(np.zeros(2, int))[1].size for _ in range(2)] == [4, 4]


def test_what_is_shown_is_no_array_of_the_environments() -> None:
    """An environment that fills one array again and again changes no row that was shown before."""
    own = np.zeros(2, np.float32)

    def see(step: int) -> np.ndarray:
        own[:] = step
        return own

    rows = played(2, see=see, world=lambda step: own)
    assert [row.observation.max() for row in rows] == [0, 1, 2]
    assert [row.state.max() for row in rows] == [0, 1, 2]
