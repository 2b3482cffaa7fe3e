"""What qmarl does in a run besides updates: a persistent memory and a history (see `core.hooks`).

A run starts from the memory's best policy. When it ends, its best, and a student distilled from the memory's
best, its own and its chains, may take that place. The history of the run, step by step, goes into the memory
and into the run's folder. In a memory, a resumed run is a run of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.algorithms.qmarl import distillation, history, memory
from qflock.algorithms.qmarl.config import QmarlConfig
from qflock.algorithms.qmarl.distil import Distil
from qflock.algorithms.qmarl.distillation import Verdict
from qflock.algorithms.qmarl.memory import Memory
from qflock.core.errors import UserError
from qflock.core.hooks import EndedRun, Hooks, RunFacts
from qflock.core.learner import Init, Part, StartFrom
from qflock.core.printing import say
from qflock.core.trees import named
from qflock.search import blocks, scoring
from qflock.settings import trust

NOISY = 1.5
"""beta times the standard error of J from which on noise, and not J, decides what is accepted."""


class Bounds(Protocol):
    """What policies surely earn: exact greedy returns, or lower bounds on common fresh scenarios."""

    def __call__(
        self,
        score: scoring.Scoring,
        shape: blocks.Layout,
        theta: Float[Array, "K D"],
        key: PRNGKeyArray,
        episodes: int,
        /,
    ) -> Float[Array, "K"]:
        """One bound for each policy, in the unit of returns.

        Args:
            score: what policies earn.
            shape: of the parameters.
            theta: K policies, ``(K, D)``.
            key: of the scenarios.
            episodes: of each policy, where returns are not exact.
        """
        ...


class Search(NamedTuple):
    """What a keeper needs of the learner that searches.

    Attributes:
        config: its settings.
        shape, score: of its policies.
        bounds: what they surely earn.
        distil: one policy out of several; None where nothing can be distilled.
        init, execution, weights, start_from: as in `core.learner.Learner`.
    """

    config: QmarlConfig
    shape: blocks.Layout
    score: scoring.Scoring
    bounds: Bounds
    distil: Distil | None
    init: Init
    execution: Part
    weights: Part
    start_from: StartFrom


@contextlib.contextmanager
def hooks(search: Search, run: RunFacts) -> Iterator[Hooks]:
    """What is done in a run, while the block is open; holds the memory that the settings name.

    Args:
        search: what the learner gives.
        run: what it is told of the run.

    Raises:
        UserError: several processes train the run; a memory that another process holds, or of something else.
        CannotWrite: the memory's folder cannot be made or written.
    """
    if not run.alone:
        name = run.settings["algorithm"]
        raise UserError(f"{name} keeps one memory and one history: train it in one process")
    with contextlib.ExitStack() as stack:
        keeper = Keeper(search, run)
        if search.config.memory != "none":
            keeper.store = stack.enter_context(_opened(search, run))
            for line in keeper.store.messages if not run.quiet else ():
                say(line)
            keeper.store.begin(run.settings, run.seed)
        yield keeper


def _opened(search: Search, run: RunFacts) -> contextlib.AbstractContextManager[Memory]:
    """The memory that settings name."""
    config = search.config
    like = jax.eval_shape(lambda: search.execution(search.init(jax.random.key(0))))
    circuit = config.circuit_settings() if config.network == "circuit" else {}
    of: dict[str, Any] = {"environment": run.environment, "policy": config.network, "like": like}
    of["settings"] = {"env": run.settings["env"], "circuit": circuit}
    if config.memory != "auto":
        trust.check(config.memory, "a folder")
    place = memory.default_folder(**of) if config.memory == "auto" else Path(config.memory)
    return memory.opened(place, **of)


class Keeper(Hooks):
    """What one process keeps of one run.

    Attributes:
        store: the memory that it holds; None without one.
        rows: what the run told so far, chunk by chunk.
    """

    def __init__(self, search: Search, run: RunFacts) -> None:
        self.store: Memory | None = None
        self.rows: list[dict[str, float]] = []
        self._search, self._run = search, run
        self._warned = False

    def start(self, state: Any) -> Any:
        """Every chain of every seed at the memory's best policy."""
        if self.store is None or self.store.best is None:
            return state
        best = self.store.best.parameters
        like = jax.vmap(self._search.weights)(state)
        spread = lambda x, best: jnp.broadcast_to(jnp.asarray(best), x.shape)
        weights = type(like)(*(jax.tree.map(spread, part, best) for part in (like.best, like.chains)))
        return jax.vmap(self._search.start_from)(state, weights)

    def watch(self, row: Mapping[str, float]) -> Iterable[str]:
        """Note a row of the history; a line where noise decides what is accepted."""
        self.rows.append(dict(row))
        if self.store is not None:
            self.store.record(**_step(row))
            self.store.save_history()
        if row["beta_sd"] > NOISY and not self._warned:
            self._warned = True
            yield (
                f"warning: beta x sd of an estimate of J is {row['beta_sd']:.2g}, above {NOISY}: noise "
                "decides what is accepted; take more episodes, a smaller beta, or estimator penalty"
            )

    def keep(self) -> Any:
        """The rows so far."""
        return self.rows

    def go_on(self, kept: Any) -> None:
        """Take back the rows that were saved with a state."""
        self.rows = [dict(row) for row in kept or ()]

    def interrupted(self, state: Any) -> None:
        """Offer the best of each seed to the memory; a student waits for the run's end."""
        for seed in range(self._run.seeds) if self.store is not None else ():
            own = jax.tree.map(lambda x, seed=seed: x[seed], state)
            self._offer_own(self._search.shape.ravel(self._search.weights(own).best), seed)

    def end(self, run: EndedRun, state: Any) -> dict[str, Any]:
        """Offer the run's policies to the memory, and write the history.

        Args:
            run: the run's folder.
            state: learner states of all seeds, leaves ``(seeds, ...)``.
        """
        more: dict[str, Any] = {}
        record: dict[str, Any] = {
            "id": run.id,
            "parent": None,
            "started": run.created,
            "seed": self._run.seed,
            "configuration_hash": history.digest(self._run.settings),
            "settings": self._run.settings,
            "offers": [],
        }
        if self.store is not None:
            for seed in range(self._run.seeds):
                self._offer(jax.tree.map(lambda x, seed=seed: x[seed], state), seed)
            assert self.store.best is not None
            more = {"memory": str(self.store.folder), "memory_best": self.store.best.score}
            record = self.store.runs[-1]
        record = {
            **record,
            "steps": [_step(row) for row in self.rows],
        }  # also those before the run was stopped
        history.write(run.path / history.NAME, {"run": run.name}, [record])
        return more

    def _offer(self, state: Any, seed: int) -> None:
        """A seed's best, then a student of memory, best and chains."""
        assert self.store is not None
        search, shape = self._search, self._search.shape
        weights: Any = search.weights(state)
        own = shape.ravel(weights.best)
        key = self._offer_own(own, seed)
        if search.distil is None or search.config.sampler != "metropolis":
            return
        assert self.store.best is not None
        best = shape.ravel(jax.tree.map(jnp.asarray, self.store.best.parameters))
        chains = shape.ravel(weights.chains)[:6]
        teachers = jnp.concatenate([best[None], own[None], chains])
        surely = search.bounds(
            search.score, shape, teachers, jax.random.fold_in(key, 1), search.config.held_out
        )
        student = jax.jit(search.distil)(teachers, surely, jax.random.fold_in(key, 2))
        self._judged(student, jax.random.fold_in(key, 3), "distillation")

    def _offer_own(self, best: Any, seed: int) -> PRNGKeyArray:
        """Offer a seed's best policy; the key of all that is drawn for the seed's offers."""
        key = named(jax.random.key(self._run.seed + seed), "memory")
        self._judged(best, jax.random.fold_in(key, 0), "chains")
        return key

    def _judged(self, theta: Any, key: PRNGKeyArray, source: str) -> None:
        """Offer a policy, judged exactly, or on fresh scenarios beside the best."""
        assert self.store is not None
        shape, score = self._search.shape, self._search.score
        old = None if self.store.best is None else jax.tree.map(jnp.asarray, self.store.best.parameters)
        new = shape.unravel(theta)
        verdict: Verdict | None = None
        if score.exact is not None:
            solve = jax.jit(lambda p: score.exact(p, "greedy"))  # type: ignore[misc]
            gained = float(solve(new))
            verdict = None if old is None else distillation.accept_exact(gained, float(solve(old)))
        else:
            play = jax.jit(lambda p: score.play(p, key, self._run.final_episodes, "greedy"))
            returns = np.asarray(play(new).episode_return)
            gained = float(returns.mean())
            if old is not None:
                offers = [offer for run in self.store.runs for offer in run["offers"]]
                challenge = 1 + sum(offer["rule"] == "paired" for offer in offers)
                sure = 1 - distillation.error_of(challenge)
                verdict = distillation.accept_paired(returns, np.asarray(play(old).episode_return), sure)
        self.store.offer(new, gained, verdict, {"source": source, "environment": self._run.environment})


def _step(row: Mapping[str, float]) -> dict[str, Any]:
    """A row of a run as a step of its history."""
    return {"step": int(row["mcmc_step"]), **{name: x for name, x in row.items() if name != "mcmc_step"}}
