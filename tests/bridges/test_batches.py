"""Copies that a worker steps in one call show what they show one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from qflock.bridges.host.groups import GO_ON, REST, TERMINATED, TRUNCATED, Batch, Orders, group

AGENTS = 2


class Sums:
    """A batch: what was added up since an episode's seed; it is over at 9 or more, or after 6 steps."""

    def __init__(self, count: int) -> None:
        self.sums, self.steps = np.zeros((count, AGENTS), np.float32), np.zeros(count, int)
        self.closed = False

    def reset(self, at: int, seed: int) -> None:
        self.sums[at], self.steps[at] = (seed % 5, seed % 3), 0

    def look(self) -> tuple[np.ndarray, ...]:
        count, done = len(self.sums), self.sums.sum(1) >= 9
        return (
            self.sums[:, :, None].copy(),
            self.sums.copy(),
            np.ones((count, AGENTS, 3), bool),
            np.ones((count, AGENTS), bool),
            self.sums.copy(),
            done,
            (self.steps >= 6) & ~done,
        )

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, ...]:
        self.sums += actions
        self.steps += 1
        return self.look()

    def close(self) -> None:
        self.closed = True


class Sum:
    """One copy of it."""

    def __init__(self) -> None:
        self._one = Sums(1)

    def reset(self, seed: int) -> tuple[np.ndarray, ...]:
        self._one.reset(0, seed)
        return tuple(part[0] for part in self._one.look())

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(part[0] for part in self._one.step(actions[None]))

    def close(self) -> None:
        pass


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_shows_what_single_copies_show(seed: int) -> None:
    """Copies go on, end and rest, and begin new sequences, in any mixture."""
    draw = np.random.default_rng(seed)
    numbers = list(range(draw.integers(1, 6)))
    single, batch = group(Orders(Sum, numbers, "sums")), group(Orders(Sum, numbers, "sums", Sums))
    assert isinstance(batch, Batch)
    assert not isinstance(single, Batch)
    streams = draw.integers(1000, size=len(numbers)).tolist()
    shown = [one.start(streams) for one in (single, batch)]
    for _ in range(40):
        for mine, theirs in zip(*shown, strict=True):
            np.testing.assert_array_equal(mine, theirs, strict=True)
        actions = draw.integers(3, size=(len(numbers), AGENTS))
        over = shown[0][TERMINATED] | shown[0][TRUNCATED]
        then = draw.choice([GO_ON, GO_ON, GO_ON, 7, 8], len(numbers))
        then = np.where(over & (draw.random(len(numbers)) < 0.5), REST, then).tolist()
        shown = [one.tick((actions, then)) for one in (single, batch)]


def test_a_batch_is_made_and_closed_once() -> None:
    made: list[Sums] = []

    def together(count: int) -> Sums:
        made.append(Sums(count))
        return made[-1]

    batch = group(Orders(Sum, [3, 4, 5], "sums", together))
    batch.close()
    assert [len(one.sums) for one in made] == [3]
    assert made[0].closed
