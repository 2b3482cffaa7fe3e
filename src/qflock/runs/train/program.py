"""What a run's program is: many seeds side by side, in chunks of updates.

One update is collect, then learn. It never prints, logs or reads a clock: between chunks plain
Python does that (see `runner`). Environments are compiled into the program, or stepped by a Python loop (see
`programs`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from qflock.core.environment import Environment
from qflock.core.errors import UserError
from qflock.core.learner import Learner, Policy
from qflock.core.spec import Box, Spec
from qflock.core.steps import Metrics, Mode, Parameters
from qflock.machine import device
from qflock.networks import conditions
from qflock.playing.evaluation import Scores
from qflock.playing.rollout import Episodes, Tally
from qflock.quantum.conditions import Training
from qflock.runs.train.sharing import COPIES, SEEDS, Sharing
from qflock.settings import registry
from qflock.settings.config import Settings


class RunState(NamedTuple):
    """Everything that a run of one seed needs to go on; with a leading seed axis inside a program."""

    learner: Any
    flow: Any  # the copies of the environment: `rollout.Flow`; empty where no copies go on between updates
    key: PRNGKeyArray


LAYOUT: Any = RunState(SEEDS, COPIES, SEEDS)  # type: ignore[arg-type]
"""Of a run's state on several devices."""


class Chunk(NamedTuple):
    """What a chunk of updates tells: means of the metrics, sums of the tally, per seed; and each episode,
    leaves (updates, T, B), where the log has a row for each."""

    metrics: Metrics
    tally: Tally
    episodes: Episodes | None = None


class Part(NamedTuple):
    """A chunk that ends early, for a run's budget is spent.

    Attributes:
        updates: how many to do, scalar; at most the program's.
        going: ``(seeds,)`` booleans: seeds that still train. The others stay as they are, and what a chunk
            tells of them means nothing.
    """

    updates: Any
    going: Any

    @classmethod
    def whole(cls, updates: int, seeds: int) -> Part:
        """A chunk that does not end early.

        Args:
            updates: the program's.
            seeds: how many there are.
        """
        return cls(np.int32(updates), np.ones(seeds, bool))


class Ahead(NamedTuple):
    """A function that can be compiled before it is called, and the shapes that it is called with."""

    function: jax.stages.Wrapped
    shapes: Sequence[Any]


class Evaluate(Protocol):
    """Scores of fresh episodes, of every seed's policy; all seeds play the same boards."""

    def __call__(self, parameters: Parameters, key: PRNGKeyArray, /) -> Scores:
        """``parameters`` and what is returned have a leading seed axis; ``key`` is of the boards."""
        ...


class Backend(Protocol):
    """How an environment is played: inside compiled programs, or by a Python loop."""

    def program(self, settings: Settings, learner: Learner) -> Program:
        """A run's program. Nothing is computed yet.

        Args:
            settings: of the run.
            learner: bound to the environment.
        """
        ...

    def evaluator(
        self, policy: Policy, episodes: int, mode: Mode, seeds: int, sharing: Sharing | None = None
    ) -> Evaluate:
        """How well a policy plays.

        Args:
            policy: how the team acts.
            episodes: episodes of each seed.
            mode: "greedy", or "sample" for the policy with its own randomness.
            seeds: length of the leading axis of the parameters.
            sharing: the devices to play on; one by default.
        """
        ...

    def references(self, key: PRNGKeyArray, episodes: int) -> Mapping[str, Scores]:
        """How well the environment's reference policies and random actions play the boards of a key.

        Args:
            key: of the boards.
            episodes: how many each policy plays.

        Returns:
            Scores by the policy's name; "random" is always there.
        """
        ...


class Program(Protocol):
    """The program of one run.

    Attributes:
        env, learner: what it trains.
        backend: how the environment is played.
        updates: updates in a chunk.
        sharing: the devices that it is compiled for.
        one_program: an update is one compiled program, so that what is in it can be counted.
        evaluate: plays the greedy episodes of an evaluation during training.
    """

    env: Environment
    learner: Learner
    backend: Backend
    updates: int
    sharing: Sharing
    one_program: bool
    evaluate: Evaluate

    def init(self, seeds: Array | np.ndarray) -> RunState:
        """The state before the first update, of seeds ``(seeds,)``."""
        ...

    def chunk(self, run: RunState, part: Part | None = None) -> tuple[RunState, Chunk]:
        """Train for ``updates`` updates, or for a part of them; the state that is given is donated.

        Args:
            run: the state.
            part: how many updates of which seeds; all of them if left out.
        """
        ...

    def outline(self, run: RunState) -> tuple[RunState, Chunk]:
        """As `chunk`, to be traced for the shapes of what it returns."""
        ...

    def ahead(self, shapes: RunState) -> Sequence[Ahead]:
        """What of a chunk can be compiled before there is a state."""
        ...

    def warnings(self) -> Sequence[str]:
        """What a resumed run must be told."""
        ...

    def close(self) -> None:
        """End what runs beside this process."""
        ...


def learner_of(settings: Settings, env: Environment) -> Learner:
    """The learner that settings name, bound to an environment, computing in the precision that they ask for.

    Args:
        settings: the algorithm's name, and its settings.
        env: what it learns in.

    Raises:
        UserError: settings that do not suit the environment; several teams for an algorithm of one: its
            module says ``SEVERAL_TEAMS = True`` where it trains more; or actions of the other kind: its
            module says ``ACTIONS``, "continuous" or "both", where it does not need discrete ones.
    """
    module = registry.algorithm(settings.algorithm)
    if env.spec.num_teams > 1 and not getattr(module, "SEVERAL_TEAMS", False):
        raise UserError(f"{settings.algorithm} trains one team; {env.spec.name} has {env.spec.num_teams}")
    _need_kind(settings.algorithm, env.spec)
    device.set_matmul_precision(settings.run.matmul_precision)
    learner = module.build(settings.learner, env)
    how = training_of(settings)
    if how is None:
        return learner
    if settings.run.devices != 1:
        raise UserError("circuits are measured in training on one device: leave devices out")
    return conditions.trained(learner, how)


def training_of(settings: Settings) -> Training | None:
    """How circuits are measured in a run's training; None for exact values.

    Args:
        settings: of the run; a learner of the user's own may have no such settings.
    """
    learner: Any = settings.learner
    return learner.training() if hasattr(learner, "training") else None


def _need_kind(algorithm: str, spec: Spec) -> None:
    """Raise a `UserError` where one of our algorithms is for actions of the other kind."""
    if registry.is_path(algorithm):
        return
    if isinstance(spec.action, Box):
        has, size, needs = "continuous", f"a Box of {spec.action.size} numbers", "discrete"
    else:
        has, size, needs = "discrete", f"{spec.action.count} of them", "continuous"
    if registry.kind_of_actions(algorithm) == needs:
        fit = [name for name in registry.names("algorithms") if registry.kind_of_actions(name) != needs]
        raise UserError(
            f"{spec.name} has {has} actions, {size}; {algorithm} is for {needs} ones: "
            f"take one of {', '.join(fit)}"
        )


@jax.jit  # one program, not one for each array's shape, and one for all chunks
def apart(tree: Any) -> Any:
    """Every array in a buffer of its own: a chunk donates them, and none can be given twice."""
    return jax.tree.map(jnp.copy, tree)


def by_seed(which: Any, these: Any, others: Any) -> Any:
    """Choose between two trees seed by seed.

    Args:
        which: ``(seeds,)`` booleans.
        these: a tree with a leading axis of seeds, for the seeds that are True.
        others: one of the same shapes, for the rest.
    """
    which = jnp.asarray(which)
    pick = lambda a, b: jnp.where(which.reshape(-1, *[1] * (a.ndim - 1)), a, b)
    return jax.tree.map(pick, these, others)


def one_after_another(seeds: int) -> bool:
    """Whether `over_seeds` gives each seed a program of its own to run, instead of vectorising them.

    Args:
        seeds: how many.
    """
    return seeds == 1 or jax.default_backend() == "cpu"


def over_seeds(function: Callable[..., Any], seeds: int) -> Callable[..., Any]:
    """``function`` for every seed of a leading axis.

    Seeds are vectorised on an accelerator. On a CPU each fills the cores by itself: one after the
    other is as fast, keeps replay's writes in place (a vectorised write copies the whole ring), and gives
    a seed the same numbers alone and among others.

    Args:
        function: of one seed; takes any arrays.
        seeds: length of the leading axis of all arguments and of what is returned.
    """
    if seeds == 1:
        return lambda *a: jax.tree.map(lambda x: x[None], function(*jax.tree.map(lambda x: x[0], a)))
    if one_after_another(seeds):
        return lambda *a: jax.lax.map(lambda one: function(*one), a)
    return jax.vmap(function)
