"""A learner of a table, whose experience can come from every kind of source; and environments for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp

from qflock.core.hooks import EndedRun, Hooks, RunFacts
from qflock.core.learner import Dataset, Learner, Own, Rollout
from qflock.core.spec import Box, Spec
from qflock.core.steps import Rows, TimeStep
from qflock.core.trees import spread
from qflock.learning.actions import of
from qflock.playing import evaluation, execution, rollout
from tests.tiny import Echo

RECORDED = 32
"""Sequences of a dataset."""


@dataclass(frozen=True)
class Config:
    """Settings of the toy."""

    LIMITS: ClassVar[tuple[str, ...]] = ("n_updates",)

    source: Literal["rollout", "dataset", "own"] = "rollout"
    """Where experience comes from."""
    num_envs: int = 4
    """Copies; sequences of a batch."""
    num_steps: int = 8
    """Steps of a sequence."""
    unit: str = "steps"
    """What a dataset counts."""
    n_updates: int = 0
    """Updates after which to stop; 0 for no limit."""
    merit: str = "discounted_mean"
    """What the best weights are kept by."""
    notes: str = ""
    """A file in which the hooks note what they are called for."""


class Notes(Hooks):
    """Hooks that note what they are called for."""

    def __init__(self, path: Path, run: RunFacts) -> None:
        self.path, self.run = path, run
        self.chunks = 0

    def note(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(line + "\n")

    def start(self, state: Any) -> Any:
        self.note("start")
        return state + 1.0

    def watch(self, row: Any) -> list[str]:
        self.chunks += 1
        return []

    def keep(self) -> int:
        return self.chunks

    def go_on(self, kept: int) -> None:
        self.note(f"goes on from {kept}")
        self.chunks = kept

    def end(self, run: EndedRun, state: Any) -> dict[str, Any]:
        assert (run.path / "configs").is_dir()
        self.note(f"end of {run.name}")
        return {"chunks": self.chunks}


def recorded(env: Any, steps: int) -> Rows:
    """What random actions met; of an environment that cannot be compiled, its example."""
    if hasattr(env, "copy"):
        now = spread(env.reset(jax.random.key(0))[1], steps + 1, RECORDED)
        actions = jnp.zeros((steps, RECORDED, env.spec.agents), jnp.int32)
        return Rows(now, actions, jnp.zeros((steps + 1, RECORDED), bool), jnp.zeros(RECORDED), ())
    random = jax.vmap(evaluation.random_policy(env.spec), in_axes=(0, None, 0))
    memory = jnp.zeros(env.spec.agents, jnp.int32)

    def act(memory, now, key):
        return memory, random(jax.random.split(key, RECORDED), None, now), ()

    flow = rollout.start(env, memory, jax.random.key(5), RECORDED)
    return rollout.collect(env, act, memory, flow, jax.random.key(6), steps)[1]


def build(config: Config, env: Any) -> Learner:
    """The toy, bound to an environment."""
    spec = env.spec
    actions = of(spec.action)

    def alone(parameters, agent, memory, observation, legal, key, mode):
        outputs = observation @ parameters[agent]
        chosen = actions.mode(outputs, legal) if mode == "greedy" else actions.sample(key, outputs, legal)
        return memory + 1, chosen

    policy = execution.decentralised(spec.agents, lambda: jnp.int32(0), alone)

    def explore(state, memory, now, key):
        act = lambda memory, seen, key: policy.act(state, memory, seen, key, "sample")
        memory, chosen = jax.vmap(act)(memory, now.seen, jax.random.split(key, len(now.terminated)))
        return memory, chosen, ()

    def learn(state, rows, key):
        def loss(table):
            before = rows.before
            outputs = jnp.einsum("tbao,aof->tbaf", before.observation, table)
            chance = actions.log_prob(outputs, before.legal, rows.actions)
            return -jnp.where(rows.valid[..., None], rows.after.reward * chance, 0.0).mean()

        cost, gradient = jax.value_and_grad(loss)(state)
        return state - 2.0 * gradient, {"loss": cost}

    def played(state, key):
        flow = rollout.start(env, policy.start(), key, config.num_envs)
        return rollout.collect(env, partial(explore, state), policy.start(), flow, key, config.num_steps)[1:]

    def update(state, key):
        rows, tally = played(state, key)
        state, metrics = learn(state, rows, key)
        return state, {**metrics, "network_calls": jnp.float32(7)}, tally

    def init(key):
        return jnp.zeros((spec.agents, spec.observation, actions.outputs))

    if config.source == "dataset":
        source: Any = Dataset(recorded(env, config.num_steps), config.num_envs, config.unit)
    elif config.source == "own":
        source = Own(update, config.num_envs * config.num_steps)
    else:
        source = Rollout(config.num_envs, config.num_steps, explore)

    @contextlib.contextmanager
    def hooks(run: RunFacts) -> Iterator[Hooks]:
        notes = Notes(Path(config.notes), run)
        notes.note(f"opened for {run.settings['algorithm'].rpartition('/')[2]} on {run.environment[-4:]}")
        yield notes
        notes.note("closed")

    same = lambda state: state
    return Learner(
        policy,
        source,
        init,
        None if config.source == "own" else learn,
        execution=same,
        weights=same,
        start_from=lambda state, weights: weights,
        limits=config.n_updates * source.cost or None,
        merit=config.merit,
        hooks=hooks if config.notes else None,
    )


class Rivals(Echo):
    """Two teams of one agent each; the second is paid double."""

    def __init__(self, config: Echo.Config) -> None:
        super().__init__(config)
        self.spec = Spec(
            "rivals", 2, 3, 3, 6, config.horizon, 0.9, (0.0, float(config.horizon)), teams=(0, 1)
        )

    def _show(self, state: Any, reward: Any) -> TimeStep:
        return super()._show(state, reward * jnp.array([1.0, 2.0]))


class AimState(NamedTuple):
    step: Any


class Aim:
    """One agent, paid by how near its two numbers are to 0.5 and -0.5; an episode has three steps."""

    spec = Spec("aim", 1, Box(2, (-1, -1), (1, 1)), 1, 1, 3)

    def reset(self, key: Any) -> tuple[AimState, TimeStep]:
        state = AimState(jnp.int32(0))
        return state, self._show(state, jnp.zeros(1))

    def step(self, key: Any, state: AimState, actions: Any) -> tuple[AimState, TimeStep]:
        state = AimState(state.step + 1)
        return state, self._show(state, 2 - jnp.abs(actions - jnp.array([0.5, -0.5])).sum(-1))

    def _show(self, state: AimState, reward: Any) -> TimeStep:
        over, no = state.step >= 3, jnp.bool_(False)
        nothing = jnp.zeros((1, 0), bool)
        return TimeStep(jnp.ones((1, 1)), jnp.ones(1), nothing, jnp.ones(1, bool), reward, over, no, {})
