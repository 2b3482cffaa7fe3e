"""What an algorithm is, once it is bound to an environment's sizes: pure functions over pytrees."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.core.hooks import Hooks, RunFacts
from qflock.core.portable import Portable
from qflock.core.steps import Actions, Memory, Metrics, Mode, Parameters, Rows, Seen, TimeStep


class Start(Protocol):
    """The memory of a team at the start of an episode."""

    def __call__(self) -> Memory: ...


class Act(Protocol):
    """One joint action of the team."""

    def __call__(
        self, parameters: Parameters, memory: Memory, seen: Seen, key: PRNGKeyArray, mode: Mode, /
    ) -> tuple[Memory, Actions]:
        """One unbatched time step.

        Args:
            parameters: what execution needs.
            memory: the team's.
            seen: leaves ``(A, ...)``.
            key: of the policy's own randomness.
            mode: "greedy", or "sample" to act as in training.

        Returns:
            The memory after the step, and actions ``(A,)``, or ``(A, size)`` of a Box.
        """
        ...


class Alone(Protocol):
    """The action of ONE agent, from nothing but its own observation and memory."""

    def __call__(
        self,
        parameters: Parameters,
        agent: Int[Array, ""],
        memory: Memory,
        observation: Array,
        legal: Array,
        key: PRNGKeyArray,
        mode: Mode,
        /,
    ) -> tuple[Memory, Actions]:
        """One unbatched time step of one agent.

        Args:
            agent: its index.
            memory: its own.
            observation, legal: its own, ``(O,)`` and ``(U,)``.
        """
        ...


class Scores(Protocol):
    """The numbers behind the team's choices: action values or log-probabilities; of a Box the greedy numbers,
    then the deviations, ``(A, 2 D)``."""

    def __call__(self, parameters: Parameters, memory: Memory, seen: Seen, /) -> Float[Array, "A U"]:
        """The numbers at one unbatched time step.

        Args:
            parameters: what execution needs.
            memory: the team's.
            seen: leaves ``(A, ...)``.
        """
        ...


class Policy(NamedTuple):
    """How a TEAM acts. Execution, evaluation, replay and exports need nothing else of a learner.

    Attributes:
        start: the team's memory at the start of an episode.
        act: one joint action. `playing.execution.decentralised` makes it of ``alone``, and then, and only
            then, execution is decentralised by construction.
        alone: one agent's action; None where no agent can act by itself.
        scores: numbers behind the choice, for pictures and exports; None without any.
        portable: what an export must know, declared; None where there is nothing to take home.
    """

    start: Start
    act: Act
    alone: Alone | None = None
    scores: Scores | None = None
    portable: Portable | None = None


class Explore(Protocol):
    """The behaviour policy of training, for a batch of environments."""

    def __call__(
        self, state: Any, memory: Memory, now: TimeStep, key: PRNGKeyArray, /
    ) -> tuple[Memory, Actions, Any]:
        """One step of every environment.

        Args:
            state: the training state.
            memory: the teams', leaves ``(B, ...)``; the rollout renews it where episodes begin.
            now: leaves ``(B, ...)``.

        Returns:
            Memory, actions ``(B, A)`` or ``(B, A, size)``, and what the learner wants kept, leaves
            ``(B, ...)``.
        """
        ...


class Update(Protocol):
    """An update of a learner that plays whole episodes of its own choosing."""

    def __call__(self, state: Any, key: PRNGKeyArray, /) -> tuple[Any, Metrics, Any]:
        """The training state, metrics, and the `playing.rollout.Tally` of what was played.

        Args:
            state: the training state.
            key: of everything that is drawn in the update.
        """
        ...


class Rollout(NamedTuple):
    """Experience that comes from stepping copies of the environment side by side.

    Attributes:
        num_envs: how many environments, B.
        num_steps: rows T of one update; where an episode has ended, a row is a restart and no step.
        explore: the behaviour policy.
    """

    num_envs: int
    num_steps: int
    explore: Explore

    @property
    def cost(self) -> int:
        """Environment steps that one update counts, about."""
        return self.num_envs * self.num_steps


class Dataset(NamedTuple):
    """Experience that was recorded before.

    Attributes:
        rows: N recorded sequences of T+1 rows; leaves as in `Rows`, with N for B.
        batch: sequences of one update, drawn uniformly with replacement.
        unit: what progress counts: recorded "steps", or "updates".
    """

    rows: Rows
    batch: int
    unit: str = "steps"

    @property
    def cost(self) -> int:
        """What one update counts, in ``unit``."""
        return 1 if self.unit == "updates" else self.batch * self.rows.actions.shape[0]


class Own(NamedTuple):
    """A learner that plays by itself, inside its update.

    Attributes:
        update: one update.
        cost: environment steps that one update counts.
    """

    update: Update
    cost: int


Source = Rollout | Dataset | Own


class Init(Protocol):
    """The training state before the first update: all that learning needs to go on, as one pytree."""

    def __call__(self, key: PRNGKeyArray, /) -> Any: ...


class Learn(Protocol):
    """Learn from rows, leaves ``(T+1, B, ...)``."""

    def __call__(self, state: Any, rows: Rows, key: PRNGKeyArray, /) -> tuple[Any, Metrics]:
        """The training state after an update, and metrics by name, scalars.

        Args:
            state: the training state.
            rows: T transitions, leaves ``(T+1, B, ...)``.
            key: of the update's own randomness.
        """
        ...


class Part(Protocol):
    """A part of the training state."""

    def __call__(self, state: Any, /) -> Parameters: ...


class StartFrom(Protocol):
    """The training state with these weights (as ``weights`` gives them) put in place."""

    def __call__(self, state: Any, weights: Parameters, /) -> Any:
        """The training state; what follows the weights, optimisers and targets, begins anew.

        Args:
            state: the training state.
            weights: as `Learner.weights` gives them.
        """
        ...


class Credit(Protocol):
    """How much each agent counts for the team's value: dQ_tot / dQ_i, ``(A,)``."""

    def __call__(
        self, weights: Parameters, values: Float[Array, "A"], state: Float[Array, "S"], /
    ) -> Float[Array, "A"]:
        """The credit of each agent at one unbatched time step.

        Args:
            weights: as `Learner.weights` gives them.
            values: the agents' chosen action values, ``(A,)``.
            state: the environment's, ``(S,)``.
        """
        ...


class RunHooks(Protocol):
    """What else the learner does in a run, while the block is open (see `core.hooks`)."""

    def __call__(self, run: RunFacts, /) -> AbstractContextManager[Hooks]: ...


class Learner(NamedTuple):
    """An algorithm bound to an environment's sizes.

    Attributes:
        policy: how the team acts with ``execution(state)``.
        source: where experience comes from.
        init: ``key -> TrainState``.
        learn: from rows; None for a learner whose source is its `Own`.
        execution: what execution needs of a training state, and export writes.
        weights: everything trained, mixer and critics included.
        start_from: puts weights in place.
        limits: units of the source that the learner's own settings ask for; a run ends there if that is
            before its own ``total_steps``. None where they ask for none.
        merit: the column of an evaluation by which the best weights are kept.
        hooks: what else it does in a run; None for nothing.
        credit: of a mixer, for replay pages; None without one.
    """

    policy: Policy
    source: Source
    init: Init
    learn: Learn | None
    execution: Part
    weights: Part
    start_from: StartFrom
    limits: int | None = None
    merit: str = "discounted_mean"
    hooks: RunHooks | None = None
    credit: Credit | None = None
