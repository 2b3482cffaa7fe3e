"""Plays stories through the bridge's own workers and says where they differ from the model.

``python -m tests.bridges.host.fuzz.playing parallel 1234`` plays one again and prints all about it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import gymnasium
import jax
import numpy as np

import qflock
from qflock.bridges.host.workers import Workers
from qflock.core.errors import UserError
from qflock.core.steps import TimeStep, team_reward
from qflock.playing.host_rollout import Flow
from tests.bridges.host.fuzz import draws, model, stories
from tests.bridges.host.fuzz.showing import LOGS, Log
from tests.bridges.host.fuzz.stories import Story

HERE = __package__
TARGETS = {
    "parallel": f"pettingzoo:{HERE}.stage",
    "single": "gymnasium:StageOfOne-v0",
    "team": "gymnasium:StageOfTeam-v0",
}


def register() -> None:
    """Tell Gymnasium of the stages."""
    for kind, maker in (("single", "One"), ("team", "Team")):
        gymnasium.register(TARGETS[kind].partition(":")[2], entry_point=f"{HERE}.gymnasium_stage:{maker}")


def unregister() -> None:
    """Let Gymnasium forget the stages."""
    for kind in ("single", "team"):
        gymnasium.registry.pop(TARGETS[kind].partition(":")[2], None)


def settings(story: Story) -> dict[str, Any]:
    """What a user would set for this story."""
    given: dict[str, Any] = {"draw": story.seed, "max_steps": story.limit}
    if story.kind == "parallel":
        given["state"] = "own" if story.asks_state else "observations"
    if story.kind != "single":
        given["shared_reward"] = story.shared
    return given


class Over(Exception):
    """Enough is known: what follows a fault that was accepted says nothing."""


class Play:
    """One play of a story.

    Attributes:
        differences: each a kind, a colon and what was seen; none is as it must be.
    """

    def __init__(self, story: Story) -> None:
        self.story, self.differences = story, list[str]()
        self.log = LOGS[story.kind, story.seed] = Log()
        self.making = True
        self._passed: dict[int, int] | None = None
        self._rng = story.rng(9)
        self._returns: list[tuple[float | None, int]] = []
        self._return: float | None = 0.0

    def run(self) -> list[str]:
        """Play about two episodes."""
        try:
            self._play()
        except Over:
            pass
        except UserError as problem:
            self._refused(str(problem))
        except (Exception, SystemExit) as problem:
            self._differ("traceback", f"{type(problem).__name__}: {problem}")
        for spoilt in self.log.spoilt:
            self._differ("writes into the environment", spoilt)
        return self.differences

    def _play(self) -> None:
        story = self.story
        env = qflock.make(TARGETS[story.kind], workers="serial", **settings(story))
        if story.fault is not None and story.fault.what in stories.AT_MAKING:
            self._differ("accepted", story.fault.what)
            raise Over
        spec = env.spec
        got = model.Sizes(spec.agents, spec.actions, spec.observation, spec.state, spec.horizon)
        if got != model.sizes(story):
            self._differ("sizes", f"{got}, not {model.sizes(story)}")
            raise Over
        self.spec, self.making = spec, False
        flow = Flow(Workers(env, 1), spec, 1, 1, np.array([story.seed]))
        try:
            _, rows, _, episodes = flow.collect(self._act, (), min(2 * story.limit + 3, 14))
            self._look(jax.tree.map(lambda x: x[:, -1], rows.timestep))
        finally:
            flow.close()
        ended = np.asarray(episodes.ended)[0, :, 0]
        returns = np.asarray(episodes.episode_return)[0, ended, 0]
        lengths = np.asarray(episodes.length)[0, ended, 0]
        for (wanted, length), back, steps in zip(self._returns, returns, lengths, strict=True):
            if length != steps or (wanted is not None and not np.isclose(wanted, back)):
                self._differ("returns", f"{back} in {steps} steps, not {wanted} in {length}")

    def _act(self, memory: Any, first: np.ndarray, now: TimeStep, step: int) -> tuple[Any, np.ndarray, Any]:
        wanted = self._look(now)
        legal = [row or [True] * self.spec.actions for row in wanted.legal]
        actions = np.array(
            [
                self._rng.choice(np.flatnonzero(row)) if there else self._rng.integers(self.spec.actions)
                for row, there in zip(legal, wanted.active, strict=True)
            ]
        )
        over = wanted.terminated or wanted.truncated
        self._passed = None if over else model.passed(self.story, self.log.variant, self.log.t, actions)
        return memory, actions[None, None], ()

    def _look(self, now: TimeStep) -> model.Expected:
        """Compare a time step with the model's, and what the environment got before it."""
        story, log = self.story, self.log
        if model.faulty(story, log.variant, log.t) and not model.blind(story, log.variant, log.t):
            assert story.fault is not None
            self._differ("accepted", story.fault.what)
            raise Over
        if self._passed is None and log.t:
            self._differ("end", "the episode goes on after its end")
            raise Over
        if self._passed is not None and not log.t:
            self._differ("end", "the environment was reset in the middle of an episode")
            raise Over
        self._compare_actions()
        wanted = model.expected(story, log.variant, log.t, self._passed)
        before = len(self.differences)
        one = jax.tree.map(lambda x: np.asarray(x)[0, 0], now)
        for what, text in self._unlike(one, wanted):
            self._differ(what, text)
        if len(self.differences) > before:
            raise Over
        self._count(wanted)
        return wanted

    def _compare_actions(self) -> None:
        if self._passed is None:
            return
        try:
            got = model.numbers_of(self.log.actions, self.story)
        except (KeyError, TypeError) as problem:
            self._differ("actions", f"{self.log.actions} ({problem!r})")
            return
        wanted = {who: int(x) for who, x in got.items() if who in self._passed} == self._passed
        if not wanted or (len(got) > len(self._passed) and not self._listed_for_ever()):
            self._differ("actions", f"{got}, not {self._passed}")
        elif not all(type(x) is np.int64 for x in got.values()):
            self._differ("type of actions", str({type(x).__name__ for x in got.values()}))

    def _listed_for_ever(self) -> bool:
        """Whether agents that have left are still asked for: then any action of theirs will do."""
        return "static" in self.story.manners

    def _count(self, wanted: model.Expected) -> None:
        """Add up returns, as a player would."""
        self._return = 0.0 if self._passed is None else self._return
        if wanted.team_reward is None or self._return is None:
            self._return = None
        else:
            self._return += wanted.team_reward
        if wanted.terminated or wanted.truncated:
            self._returns.append((self._return, self.log.t))

    def _unlike(self, now: TimeStep, wanted: model.Expected) -> Iterator[tuple[str, str]]:
        """What differs between a time step and the model's."""
        ends = bool(now.terminated), bool(now.truncated)
        if ends != (wanted.terminated, wanted.truncated):
            yield "end", f"(terminated, truncated) is {ends}, not {wanted.terminated, wanted.truncated}"
        active = [w if w is None else bool(a) for a, w in zip(now.active, wanted.active, strict=True)]
        if active != wanted.active:
            yield "active", f"{np.asarray(now.active).tolist()}, not {wanted.active}"
        alone = [False] * len(active) if now.truncated_alone is None else now.truncated_alone.tolist()
        if alone != wanted.alone:
            yield "truncated alone", f"{alone}, not {wanted.alone}"
        for name, got, numbers in (
            ("observation", now.observation, wanted.views),
            ("state", now.state, wanted.state),
        ):
            array = np.asarray(got)
            if array.dtype.itemsize > 4 or array.shape != numbers.shape:
                yield name, f"{array.dtype}{array.shape}, for {numbers.shape}"
            elif not np.all(np.isclose(array.astype(float), numbers, 1e-6, 1e-6) | np.isnan(numbers)):
                yield name, f"{array.tolist()}, not {numbers.tolist()}"
        for who, (got, mask) in enumerate(zip(np.asarray(now.legal), wanted.legal, strict=True)):
            if mask is not None and got.tolist() != mask:
                yield "legal", f"of agent {who}: {got.tolist()}, not {mask}"
        team = float(team_reward(self.spec, now.reward))
        own = np.asarray(now.reward).tolist()
        if wanted.rewards is not None and own != wanted.rewards:
            yield "reward", f"{own}, not {wanted.rewards}"
        elif wanted.team_reward is not None and team != wanted.team_reward:
            yield "team reward", f"{team} of {own}, not {wanted.team_reward}"

    def _refused(self, line: str) -> None:
        """A UserError: right where the story has a fault, and if it is one line that says what is wrong."""
        story, log = self.story, self.log
        fault = story.fault
        making = fault is not None and fault.what in stories.AT_MAKING
        if self.making and model.may_be_refused(story):
            return
        if fault is None or not (making or model.faulty(story, log.variant, log.t)):
            self._differ("refused", line)
            return
        lacks = [w for w in [TARGETS[story.kind], *model.fault_text(story)] if w not in line]
        if "\n" in line or lacks:
            self._differ("message", f"for {fault.what}: {line!r} lacks {lacks}")

    def _differ(self, what: str, text: str) -> None:
        where = f"variant {self.log.variant}, step {self.log.t}"
        self.differences.append(f"{what}: {self.story.kind} {self.story.seed}, {where}: {text}")


def main() -> None:
    """Play one story again."""
    register()
    kind, seed = sys.argv[1:]
    story = draws.draw(int(seed), kind)  # type: ignore[arg-type]
    print(story)
    print(*(Play(story).run() or ["as it must be"]), sep="\n")


if __name__ == "__main__":
    main()
