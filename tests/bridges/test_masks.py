"""Masks of legal actions, wherever PettingZoo's and Gymnasium's environments show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium")

import gymnasium
from gymnasium import spaces

from qflock.bridges.host import gymnasium_copy, pettingzoo_copy
from qflock.core.errors import UserError

MASK = spaces.MultiBinary(4)
NEAR = spaces.Box(0, 1, (3,), np.float32)
OPEN = [[1, 0, 1, 0], [0, 1, 0, 1]]
"""What is legal after an even and after an odd number of steps."""


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    gymnasium.register("MaskedTeam-v0", entry_point="tests.bridges.odd:Team")
    yield
    gymnasium.registry.pop("MaskedTeam-v0")


def theirs(**settings: Any) -> Any:
    return pettingzoo_copy.Copy(
        "tests.bridges.odd", {"max_steps": 9, "state": "own", "choices": 4, **settings}
    )


def one(**settings: Any) -> Any:
    return gymnasium_copy.Copy("MaskedTeam-v0", {"max_steps": 9, "acts": spaces.Discrete(4), **settings})


def legal(copy: Any, steps: int = 2) -> list[Any]:
    """What is legal for the first agent at each step."""
    rows = [copy.reset(0), *(copy.step(np.zeros(copy.agents, int)) for _ in range(steps))]
    return [row[2][0].astype(int).tolist() for row in rows]


@pytest.mark.parametrize("make", [theirs, one])
@pytest.mark.parametrize("key", ["observation", "obs", "observations", "real_observation", "agent_view"])
def test_a_mask_beside_any_key_is_taken_out(make: Any, key: str) -> None:
    view = spaces.Dict({key: NEAR, "action_mask": MASK})
    copy = make(view=view, see=lambda step: {key: np.full(3, step / 8), "action_mask": OPEN[step % 2]})
    assert copy.observation == 3
    assert legal(copy) == [OPEN[0], OPEN[1], OPEN[0]]
    assert copy.step(np.zeros(copy.agents, int))[0][0].tolist() == [3 / 8] * 3


@pytest.mark.parametrize("make", [theirs, one])
def test_all_other_keys_are_the_view(make: Any) -> None:
    view = spaces.Dict({"near": NEAR, "far": spaces.Dict({"kind": spaces.Discrete(2)}), "action_mask": MASK})
    shown = lambda step: {"near": np.ones(3), "far": {"kind": 1}, "action_mask": np.array(OPEN[step % 2])}
    copy = make(view=view, see=shown)
    assert legal(copy) == [OPEN[0], OPEN[1], OPEN[0]]
    assert sorted(copy.reset(0)[0][0].tolist()) == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("make", [theirs, one])
def test_a_mask_alone_is_the_view_too(make: Any) -> None:
    copy = make(view=spaces.Dict({"action_mask": MASK}), see=lambda step: {"action_mask": OPEN[step % 2]})
    assert legal(copy) == [OPEN[0], OPEN[1], OPEN[0]]
    assert copy.reset(0)[0][0].tolist() == OPEN[0]


def test_masks_in_infos_are_read() -> None:
    told = lambda *answer: (*answer[:-1], {"ash": {"action_mask": np.array(OPEN[1], bool)}, "elm": None})
    assert legal(theirs(step=told, reset=told)) == [OPEN[1]] * 3
    assert theirs(step=told, reset=told).reset(0)[2][1].all()
    assert legal(one(info={"action_mask": OPEN[1]})) == [OPEN[1]] * 3


@pytest.mark.parametrize("kind", [bool, np.int8, np.float64])
def test_the_environments_own_mask_is_never_written_into(kind: Any) -> None:
    """Nothing is legal, so that something is allowed all the same: in an array of the bridge's own."""
    closed, view = np.zeros(4, kind), np.zeros(3, np.float32)
    told = lambda *answer: (*answer[:-1], {key: {"action_mask": closed} for key in ("ash", "elm")})
    keyed = spaces.Dict({"obs": NEAR, "action_mask": MASK})
    for copy in (
        one(info={"action_mask": closed}),
        theirs(step=told, reset=told),
        one(view=keyed, see=lambda step: {"obs": view, "action_mask": closed}),
        theirs(view=keyed, see=lambda step: {"obs": view, "action_mask": closed}),
    ):
        assert legal(copy) == [[1, 0, 0, 0]] * 3
        for row in (copy.reset(0), copy.step(np.zeros(copy.agents, int))):
            for array in row[:5]:
                array[...] = 1
        assert not closed.any()
        assert not view.any()


@pytest.mark.parametrize("make", [theirs, one])
@pytest.mark.parametrize(
    ("mask", "line"),
    [
        ([1, 0, 1], r"has 3 entries; the agent has 4 actions"),
        ([1, 0, 2, 1], r"is \[1, 0, 2, 1\]; it must hold 0 or 1 for each action"),
        ("1010", r"is '1010'; it must hold 0 or 1 for each action"),
    ],
)
def test_a_mask_that_is_none_is_one_line(make: Any, mask: Any, line: str) -> None:
    view = spaces.Dict({"obs": NEAR, "action_mask": MASK})
    see = lambda step: {"obs": np.ones(3), "action_mask": mask if step else OPEN[0]}
    with pytest.raises(UserError, match=rf"action_mask of .*observation {line} \(step 1\)$"):
        legal(make(view=view, see=see))


@pytest.mark.parametrize("make", [theirs, one])
def test_a_mask_of_another_length_is_told_when_the_environment_is_made(make: Any) -> None:
    view = spaces.Dict({"obs": NEAR, "action_mask": spaces.MultiBinary(5)})
    with pytest.raises(UserError, match="has 4 actions, and its action_mask 5 entries"):
        make(view=view)
