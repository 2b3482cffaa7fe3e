"""Run a policy in copies of a host environment: what `rollout` and `evaluation` do, with a Python loop."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from qflock.bridges.host.groups import GO_ON, REST
from qflock.bridges.host.workers import Workers
from qflock.core import trees
from qflock.core.spec import Spec
from qflock.core.steps import Memory, Rows, TimeStep, team_reward
from qflock.playing.evaluation import Scores
from qflock.playing.rollout import Episodes, Renew, Tally


class Act(Protocol):
    """A policy for all environments."""

    def __call__(
        self, memory: Memory, first: np.ndarray, now: TimeStep, step: int, /
    ) -> tuple[Memory, Any, Any]:
        """One step of every environment.

        Args:
            memory: the teams'; where an episode begins it must be renewed.
            first: which environments begin an episode.
            now: leaves ``(..., A, ...)``, as ``first`` has axes.
            step: rows collected before.

        Returns:
            Memory, actions, and what the learner wants kept.
        """
        ...


class Fresh(Protocol):
    """The memories of so many teams at the start of an episode."""

    def __call__(self, num_envs: int, /) -> Memory: ...


like: Any = trees.like  # for NumPy's arrays as well
PLAYED_TOGETHER = 32
"""Into how many sequences the episodes of an evaluation are dealt, at most; so many copies can share them."""


def streams(key: PRNGKeyArray, num_envs: int) -> np.ndarray:
    """Seeds of the environments' sequences of episodes, ``(num_envs,)``.

    Args:
        key: of all of them.
        num_envs: how many seeds.
    """
    return np.asarray(jax.random.bits(key, (num_envs,), np.uint32))


class Running:
    """The environments' unfinished episodes, arrays of any one shape; returns have an axis of teams after it,
    where there are several."""

    def __init__(self, spec: Spec, shape: tuple[int, ...]) -> None:
        self._spec = spec
        teams = (spec.num_teams,) if spec.teams else ()
        self.episode_return = np.zeros((*shape, *teams), np.float32)
        self.discounted = np.zeros((*shape, *teams), np.float32)
        self._discount = np.ones(shape, np.float32)
        self.length = np.zeros(shape, np.int32)

    def add(self, over: np.ndarray, after: TimeStep) -> None:
        """Add a row; ``over`` marks environments that restarted in it.

        Args:
            over: which environments restarted, as the arrays are shaped.
            after: the time steps that came of it.
        """
        reward = np.asarray(team_reward(self._spec, after.reward))
        anew, discount = like(over, reward), like(self._discount, reward)
        self.episode_return = np.where(anew, 0, self.episode_return + reward)
        self.discounted = np.where(anew, 0, self.discounted + discount * reward)
        self._discount = np.where(over, 1, self._discount * np.float32(self._spec.discount))
        self.length = np.where(over, 0, self.length + 1)


class Flow:
    """Host environments between two stretches, those of several seeds side by side.

    Args:
        workers: they hold ``seeds * num_envs`` environments; the flow closes them.
        spec: the environment's.
        seeds, num_envs: leading axes of all arrays that `collect` gives and takes.
        start: as `streams`, of all environments.

    Attributes:
        first: which environments are at the start of an episode, ``(seeds, num_envs)``.
    """

    def __init__(self, workers: Workers, spec: Spec, seeds: int, num_envs: int, start: np.ndarray) -> None:
        self._workers, self._spec, self._lead = workers, spec, (seeds, num_envs)
        self._now = self._shaped(workers.start(start))
        self.first = np.ones(self._lead, bool)
        self._running = Running(spec, self._lead)

    def _shaped(self, now: TimeStep) -> TimeStep:
        return jax.tree.map(lambda x: x.reshape(*self._lead, *x.shape[1:]), now)

    def collect(
        self, act: Act, memory: Memory, num_steps: int, renew: Renew | None = None
    ) -> tuple[Memory, Rows, Tally, Episodes]:
        """Advance every environment by ``num_steps`` rows, see `rollout.collect`.

        Args:
            act: the behaviour policy.
            memory: leaves ``(seeds, num_envs, A, ...)``; that of agents whose episode begins is not read.
            num_steps: rows T.
            renew: as of `rollout.collect`.

        Returns:
            The memory after the stretch; rows without memory, time as their second axis; the tally; each
            episode that ended. All have the leading axis of seeds.
        """
        kept, played = [], []
        for step in range(num_steps):
            memory, actions, extras = act(memory, self.first, self._now, step)
            actions = np.asarray(actions)
            kept.append((actions, extras, self.first, self._now))
            over, before = np.asarray(self._now.over), self._now
            self._now = self._shaped(self._workers.tick(actions.reshape(-1, *actions.shape[2:])))
            anew = self._now.active & ~before.active & ~over[..., None]
            if renew is not None and anew.any():
                memory = renew(memory, anew)
            self.first = over
            self._running.add(over, self._now)
            running = self._running
            played.append((self._now.over, running.episode_return, running.discounted, running.length))
        stacked = lambda parts: jax.tree.map(lambda *x: np.stack(x, 1), *parts)
        actions, extras, first, now = zip(*kept, strict=True)
        rows = Rows(
            stacked([*now, self._now]),
            stacked(actions),
            np.stack([*first, self.first], 1),  # type: ignore[arg-type]
            (),
            jax.tree.map(np.asarray, stacked(jax.device_get(extras))),
        )
        episodes = Episodes(*(np.stack(x, 1) for x in zip(*played, strict=True)), measures={})  # type: ignore[arg-type]
        return memory, rows, _tally(rows, episodes), episodes

    def close(self) -> None:
        """End the workers."""
        self._workers.close()


def _tally(rows: Rows, episodes: Episodes) -> Tally:
    """Sums over time and environments, per seed."""
    total = lambda x: np.where(like(np.asarray(episodes.ended), x), x, 0).sum((1, 2))
    return Tally(
        (~np.asarray(rows.timestep.over[:, :-1])).sum((1, 2)),  # type: ignore[arg-type]
        np.asarray(episodes.ended).sum((1, 2)),  # type: ignore[arg-type]
        total(episodes.episode_return),
        total(episodes.discounted),
        total(episodes.length),
        {},
    )


class Place(NamedTuple):
    """Where in an evaluation each copy is. Every seat has its part of the episodes, which one copy plays in
    turn: what is drawn follows the seat and its steps, so that scores do not depend on how many copies play.

    Attributes:
        seat: ``(num_envs,)``.
        step: steps of that seat before this one, ``(num_envs,)``.
    """

    seat: np.ndarray
    step: np.ndarray


class Play(Protocol):
    """A policy that is scored in all environments."""

    def __call__(
        self, memory: Memory, first: np.ndarray, now: TimeStep, place: Place, /
    ) -> tuple[Memory, Any]:
        """One step of every environment: memory and actions; arguments as those of `Act`."""
        ...


def seats(episodes: int) -> int:
    """Into how many sequences an evaluation's episodes are dealt."""
    return min(episodes, PLAYED_TOGETHER)


def play(workers: Workers, spec: Spec, act: Play, memory: Fresh, key: PRNGKeyArray, episodes: int) -> Scores:
    """Scores of ``episodes`` fresh episodes, see `evaluation.play`.

    Args:
        workers: they hold as many copies as may be open, no more than there are `seats`.
        spec: the environment's.
        act: the policy for all environments, leaves ``(num_envs, ...)``.
        memory: of teams at the start; it is not read where an episode begins.
        key: of the episodes.
        episodes: how many.
    """
    count, num_envs = seats(episodes), workers.num_envs
    quota = np.array([episodes // count + (at < episodes % count) for at in range(count)])
    begin = streams(key, count).astype(np.int64)
    waiting = list(range(num_envs, count))
    seat, step, played = np.arange(num_envs), np.zeros(num_envs, int), np.zeros(num_envs, int)
    running, finished = Running(spec, (num_envs,)), []
    now, first, remembered = workers.start(begin[:num_envs]), np.ones(num_envs, bool), memory(num_envs)
    while True:
        over, then = np.asarray(now.over), np.full(num_envs, GO_ON)
        done, place = np.flatnonzero(over & (played == quota[seat])), Place(seat.copy(), step)
        for at in done:
            seat[at] = waiting.pop(0) if waiting else seat[at]
            then[at] = begin[seat[at]] if seat[at] != place.seat[at] else REST
        if (then == REST).all():
            break
        remembered, actions = act(remembered, first, now, place)
        now = workers.tick(np.asarray(actions), then)
        running.add(over, now)
        first, begun = over, seat != place.seat
        step, played = np.where(begun, 0, step + 1), np.where(begun, 0, played)
        for at in np.flatnonzero(np.asarray(now.over) & (then != REST)):
            scores = (running.episode_return[at], running.discounted[at], running.length[at])
            finished.append((step[at], seat[at], *scores))
            played[at] += 1
    in_order = sorted(finished, key=lambda one: one[:2])
    _, _, returns, discounted, lengths = (np.array(x) for x in zip(*in_order, strict=True))
    return Scores(returns, discounted, lengths, {})  # type: ignore[arg-type]
