"""An environment with continuous actions is checked, and put into PettingZoo's language, like any other."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qflock
from qflock.core.spec import Box, Spec
from qflock.core.steps import TimeStep
from qflock.playing import conformance


class Push:
    """Two agents push a place on a line, each by up to 1, and are paid for being near 0."""

    def __init__(self, names: tuple[str, ...] = ("x", "y"), mask: int = 0, away: float = 0.0) -> None:
        action = Box(2, (-1.0, 0.0), (1.0, 2.0), names)
        self.spec = Spec("push", 2, action, 1, 1, horizon=5, return_range=(-40.0, 0.0), shared_reward=True)
        self.mask, self.away = mask, away

    def reset(self, key: Any) -> Any:
        place = jax.random.uniform(key)
        return (place, jnp.int32(0)), self._show(place, jnp.int32(0), jnp.float32(0))

    def step(self, key: Any, state: Any, actions: Any) -> Any:
        place, time = state[0] + actions[:, 0].mean(), state[1] + 1
        return (place, time), self._show(place, time, -jnp.abs(place))

    def references(self) -> Any:
        return {"home": lambda key, state, now: jnp.tile(jnp.array([self.away, 1.0]), (2, 1))}

    def _show(self, place: Any, time: Any, reward: Any) -> TimeStep:
        seen, no = jnp.full((2, 1), place), jnp.bool_(False)
        legal = jnp.ones((2, self.mask), bool)
        there = jnp.ones(2, bool)
        return TimeStep(seen, seen[0], legal, there, jnp.full(2, reward), no, time >= 5, {})


def test_a_good_one_is_fine() -> None:
    assert conformance.findings(Push()) == []


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ({"names": ("push",)}, "spec.action_names has 1 names for 2 numbers"),
        ({"mask": 2}, "reset: TimeStep.legal has shape [2, 2]; the Spec says [2, 0]"),
        ({"away": 1.5}, "reference 'home': chooses [[1.5, 1.0], [1.5, 1.0]]; that is no legal action"),
    ],
)
def test_mistakes_are_named(mistake: dict[str, Any], said: str) -> None:
    found = conformance.findings(Push(**mistake))
    assert any(line.startswith(said) for line in found), found


def test_pettingzoo_sees_a_box() -> None:
    pytest.importorskip("pettingzoo")
    from gymnasium import spaces

    zoo = qflock.to_pettingzoo(Push())
    space = zoo.action_space("agent_0")
    assert isinstance(space, spaces.Box)
    np.testing.assert_array_equal(space.low, [-1, 0])
    np.testing.assert_array_equal(space.high, [1, 2])
    seen, infos = zoo.reset(seed=1)
    assert "action_mask" not in infos["agent_0"]
    after, *_ = zoo.step({"agent_0": np.array([1.0, 0.0], np.float32)})  # the other stays in the middle, 0
    np.testing.assert_allclose(after["agent_0"], seen["agent_0"] + 0.5, rtol=1e-6)
