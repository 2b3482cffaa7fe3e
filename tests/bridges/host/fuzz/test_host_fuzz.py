"""Odd environments drawn from seeds: what comes out of the bridges is what a plain model says."""

from __future__ import annotations

import collections
from collections.abc import Iterator

import pytest

pytest.importorskip("gymnasium")
pytest.importorskip("pettingzoo")

from tests.bridges.host.fuzz import draws, playing, stories
from tests.marks import IN_CI

QUICK = {"parallel": range(200), "single": range(60), "team": range(60)}
MANY = {"parallel": range(200, 1400), "single": range(60, 460), "team": range(60, 460)}  # 2,000
DRAWS = [
    *(pytest.param(kind, seeds, id=f"{kind}-{len(seeds)}") for kind, seeds in QUICK.items()),
    *(pytest.param(kind, seeds, id=f"{kind}-{len(seeds)}", marks=IN_CI) for kind, seeds in MANY.items()),
]
SHOWN = 12


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    playing.register()
    yield
    playing.unregister()


@pytest.mark.parametrize(("kind", "seeds"), DRAWS)
def test_odd_environments_come_out_as_a_plain_model_says(kind: stories.Kind, seeds: range) -> None:
    found = [line for seed in seeds for line in playing.Play(draws.draw(seed, kind)).run()]
    counts = collections.Counter(line.partition(":")[0] for line in found)
    again = "play one again: python -m tests.bridges.host.fuzz.playing KIND SEED"
    assert not found, "\n".join([f"{len(found)} differences, {dict(counts)}; {again}", *found[:SHOWN]])


def test_seeds_draw_every_fault_and_every_end() -> None:
    """The generator has not lost a branch: what is never drawn is never tested."""
    drawn = [draws.draw(seed, "parallel") for seed in MANY["parallel"]]
    assert {s.fault.what for s in drawn if s.fault} == set(stories.PARALLEL_FAULTS)
    assert {e.end for s in drawn for e in s.episodes} == set(stories.PARALLEL_ENDS)
    assert {how for s in drawn for e in s.episodes for how in e.leaves.values()} >= set(stories.LEAVES)
    assert {name for s in drawn for name in s.manners} >= set(stories.MANNERS)
