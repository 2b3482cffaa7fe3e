"""Returns of the episodes that ended in a chunk: of all seeds, of each, and as columns of the log."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import numpy as np

from qflock.playing.rollout import Episodes, Tally
from qflock.runs.train.program import Chunk

OF_TEAMS = ("episode_return", "episode_return_undiscounted")
"""Columns that every team after the first has of its own."""


class Returns(NamedTuple):
    """Mean returns of the episodes that ended in a chunk; NaN where none did.

    Attributes:
        mean: over the episodes of all seeds.
        of_seeds: over those of each seed.
    """

    mean: float
    of_seeds: list[float]

    @classmethod
    def of(cls, sums: np.ndarray, episodes: np.ndarray, good: np.ndarray) -> Returns:
        """Means out of sums over episodes.

        Args:
            sums, episodes: of each seed, ``(seeds,)``.
            good: which seeds count, ``(seeds,)``.
        """
        each = [float(x) / (float(n) or math.nan) for x, n in zip(sums, episodes * good, strict=True)]
        return cls(float(np.sum(sums[good])) / (float(np.sum(episodes[good])) or math.nan), each)


def teams_of(chunk: Chunk) -> int:
    """How many teams a chunk tells of.

    Args:
        chunk: what was told, or its shapes.
    """
    returns = chunk.tally.episode_return
    return returns.shape[1] if len(returns.shape) > 1 else 1


def by_team(returns: Any, axes: int) -> list[Any]:
    """Returns, team by team.

    Args:
        returns: with ``axes`` leading axes, and one of teams where there are several.
        axes: how many.
    """
    returns = np.asarray(returns)
    return [returns] if returns.ndim == axes else list(np.moveaxis(returns, -1, 0))


def columns(discounted: Any, episode_return: Any, episodes: float) -> dict[str, float]:
    """The columns of every team's returns.

    Args:
        discounted, episode_return: sums over episodes, of each team where there are several.
        episodes: how many.
    """
    both = zip(by_team(discounted, 0), by_team(episode_return, 0), strict=True)
    return {
        f"team{team}_{name}" if team else name: float(x) / episodes
        for team, own in enumerate(both)
        for name, x in zip(OF_TEAMS, own, strict=True)
    }


def mean_episode(tally: Tally, seed: int) -> dict[str, Any]:
    """The mean over the episodes that ended in a chunk, and how many they were.

    Args:
        tally: of all seeds.
        seed: which of them, from 0.
    """
    num_episodes = float(tally.episodes[seed]) or math.nan
    return {
        "ended": int(tally.episodes[seed]),
        **columns(tally.discounted[seed], tally.episode_return[seed], num_episodes),
        "episode_length": float(tally.length[seed]) / num_episodes,
        **{name: float(x[seed]) / num_episodes for name, x in tally.measures.items()},
    }


def each_episode(episodes: Episodes, seed: int) -> list[dict[str, Any]]:
    """The episodes that ended in a chunk, in the order in which they did.

    Args:
        episodes: of all seeds.
        seed: which of them, from 0.
    """
    own = jax.tree.map(lambda x: x[seed], episodes)
    return [
        {
            "ended": 1,
            **columns(own.discounted[place], own.episode_return[place], 1.0),
            "episode_length": int(own.length[place]),
            **{name: float(x[place]) for name, x in own.measures.items()},
        }
        for place in zip(*np.nonzero(own.ended), strict=True)
    ]
