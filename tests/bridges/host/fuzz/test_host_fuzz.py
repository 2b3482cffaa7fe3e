"""Odd environments drawn from seeds: what comes out of the bridges is what a plain model says."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator

import pytest

pytest.importorskip("gymnasium")
pytest.importorskip("pettingzoo")

from tests.bridges.host.fuzz import playing, stories
from tests.marks import IN_CI

ALL = {"parallel": 1200, "single": 400, "team": 400}
QUICK = {"parallel": 120, "single": 40, "team": 40}
SHOWN = 12


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    playing.register()
    yield
    playing.unregister()


def differences(kind: stories.Kind, seeds: Iterable[int]) -> list[str]:
    """Where plays of these seeds differ from the model; each line begins with what differs, kind and seed."""
    return [line for seed in seeds for line in playing.Play(stories.draw(seed, kind)).run()]


def summary(found: list[str]) -> str:
    """The differences by what differs, and the first of them, each with its seed."""
    counts = collections.Counter(line.partition(":")[0] for line in found)
    again = "play one again: python -m tests.bridges.host.fuzz.playing KIND SEED"
    return "\n".join([f"{len(found)} differences, {dict(counts)}; {again}", *found[:SHOWN]])


@pytest.mark.parametrize("kind", QUICK)
def test_odd_environments_come_out_as_a_plain_model_says(kind: stories.Kind) -> None:
    found = differences(kind, range(QUICK[kind]))
    assert not found, summary(found)


@pytest.mark.parametrize("kind", ALL, ids=[f"{kind}-{count}" for kind, count in ALL.items()])
@pytest.mark.slow
@pytest.mark.ci_slow
def test_two_thousand_odd_environments_come_out_as_a_plain_model_says(kind: stories.Kind) -> None:
    found = differences(kind, range(QUICK[kind], QUICK[kind] + ALL[kind]))
    assert not found, summary(found)
