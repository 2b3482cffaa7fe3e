"""Train and resume for learners with a persistent memory and a history (`memory`, specs/qmarl_mcmc.md).

A run starts from the memory's best policy. When it ends, its best, and a student distilled from the memory's
best, its own and its chains, may take that place. The history of the run, step by step, goes into the memory
and into the run's folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qflock.algorithms.qmarl import distillation, history, memory
from qflock.algorithms.qmarl.distillation import Verdict
from qflock.algorithms.qmarl.memory import Memory
from qflock.core.errors import UserError
from qflock.core.hooks import NO_HOOKS, Hooks
from qflock.machine import processes
from qflock.runs import folder
from qflock.runs.folder import RunFolder
from qflock.runs.train import program, runner
from qflock.settings import config, trust
from qflock.settings.config import Settings

NOISY = 1.5
"""beta times the standard error of J from which on noise, and not J, decides what is accepted."""


def train(settings: Settings, quiet: bool = False) -> dict[str, Any]:
    """As `runner.train`; with memory and history where the learner has them."""
    with _hooks(settings, quiet) as hooks:
        return runner.train(settings, quiet, hooks)


def resume(
    run: Path | str,
    total_steps: int | None = None,
    quiet: bool = False,
    on_nan: str | None = None,
    devices: int | str | None = None,
) -> dict[str, Any]:
    """As `runner.resume`; with memory and history where the learner has them.

    In a memory, a resumed run is a run of its own.
    """
    with _hooks(folder.open_run(run).settings(), quiet) as hooks:
        return runner.resume(run, total_steps, quiet, hooks, on_nan, devices)


@contextlib.contextmanager
def _hooks(settings: Settings, quiet: bool) -> Iterator[Hooks]:
    if not hasattr(settings.learner, "memory"):
        yield NO_HOOKS
        return
    if processes.several():
        raise UserError(f"{settings.algorithm} keeps one memory and one history: train it in one process")
    with contextlib.ExitStack() as stack:
        keeper = _Keeper(settings)
        if settings.learner.memory != "none":
            keeper.store = stack.enter_context(keeper.opened())
            for line in keeper.store.messages if not quiet else ():
                print(line)
            keeper.store.begin(config.to_mapping(settings), settings.run.seed)
        yield Hooks(keeper.start, keeper.watch, keeper.end, lambda: keeper.rows, keeper.go_on)


class _Keeper:
    """What one process keeps of one run."""

    def __init__(self, settings: Settings) -> None:
        from qflock.algorithms.qmarl import distil, learner

        self.settings, self.config = settings, settings.learner
        self.env = config.make_environment(settings.run.env, settings.environment)
        self.learner = program.learner_of(settings, self.env)
        self.store: Memory | None = None
        self.rows: list[dict[str, float]] = []
        self.warned = False
        self._pieces = learner.pieces(self.config, self.env)
        self._bounds = learner.bounds
        self._distil = distil.build(self.config, self.env, *self._pieces)

    def opened(self) -> contextlib.AbstractContextManager[Memory]:
        """The memory that settings name."""
        like = jax.eval_shape(lambda: self.learner.policy(self.learner.init(jax.random.key(0))))
        network = self.config.network
        circuit = self.config.circuit_settings() if network == "circuit" else {}
        env = config.to_mapping(self.settings)["env"]
        of: dict[str, Any] = {"environment": self.settings.run.env, "policy": network, "like": like}
        of["settings"] = {"env": env, "circuit": circuit}
        where = self.config.memory
        if where != "auto":
            trust.check(where, "a folder")
        place = memory.default_folder(**of) if where == "auto" else Path(where)
        return memory.opened(place, **of)

    def start(self, state: Any) -> Any:
        """Every chain of every seed at the memory's best policy."""
        if self.store is None or self.store.best is None:
            return state
        best = self.store.best.parameters
        like = jax.vmap(self.learner.weights)(state)
        spread = lambda x, best: jnp.broadcast_to(jnp.asarray(best), x.shape)
        weights = type(like)(*(jax.tree.map(spread, part, best) for part in (like.best, like.chains)))
        return jax.vmap(self.learner.start_from)(state, weights)

    def watch(self, row: dict[str, float]) -> Iterable[str]:
        """Note a row of the history; a line where noise decides what is accepted."""
        self.rows.append(row)
        if self.store is not None:
            self.store.record(**_step(row))
            self.store.save_history()
        if row["beta_sd"] > NOISY and not self.warned:
            self.warned = True
            yield (
                f"warning: beta x sd of an estimate of J is {row['beta_sd']:.2g}, above {NOISY}: noise "
                "decides what is accepted; take more episodes, a smaller beta, or estimator penalty"
            )

    def go_on(self, rows: Any) -> None:
        """Take back the rows that were saved with a state."""
        self.rows = [dict(row) for row in rows or ()]

    def end(self, where: RunFolder, state: Any) -> dict[str, Any]:
        """Offer the run's policies to the memory, and write the history."""
        told: dict[str, Any] = {}
        run: dict[str, Any] = {
            "id": where.read_hparams()["id"],
            "parent": None,
            "started": where.read_hparams()["created"],
            "seed": self.settings.run.seed,
            "configuration_hash": history.digest(config.to_mapping(self.settings)),
            "settings": config.to_mapping(self.settings),
            "offers": [],
        }
        if self.store is not None:
            for seed in range(self.settings.run.seeds):
                self._offer(jax.tree.map(lambda x, seed=seed: x[seed], state), seed)
            assert self.store.best is not None
            told = {"memory": str(self.store.folder), "memory_best": self.store.best.score}
            run = self.store.runs[-1]
        run = {**run, "steps": [_step(row) for row in self.rows]}  # also those before the run was stopped
        history.write(where.training_history, {"run": where.name}, [run])
        return told

    def _offer(self, state: Any, seed: int) -> None:
        """A seed's best, then a student of memory, best and chains."""
        assert self.store is not None
        shape = self._pieces.shape
        weights = self.learner.weights(state)
        own = shape.ravel(weights.best)
        key = program.named(jax.random.key(self.settings.run.seed + seed), "memory")
        self._judged(own, jax.random.fold_in(key, 0), "chains")
        if self._distil is None or self.config.sampler != "metropolis":
            return
        assert self.store.best is not None
        best = shape.ravel(jax.tree.map(jnp.asarray, self.store.best.parameters))
        chains = shape.ravel(weights.chains)[:6]
        teachers = jnp.concatenate([best[None], own[None], chains])
        surely = self._bounds(
            self._pieces.score, shape, teachers, jax.random.fold_in(key, 1), self.config.held_out
        )
        student = jax.jit(self._distil)(teachers, surely, jax.random.fold_in(key, 2))
        self._judged(student, jax.random.fold_in(key, 3), "distillation")

    def _judged(self, theta: Any, key: Any, source: str) -> None:
        """Offer a policy, judged exactly, or on fresh scenarios beside the best."""
        assert self.store is not None
        shape, score = self._pieces.shape, self._pieces.score
        old = None if self.store.best is None else jax.tree.map(jnp.asarray, self.store.best.parameters)
        new = shape.unravel(theta)
        verdict: Verdict | None = None
        if score.exact is not None:
            solve = jax.jit(lambda p: score.exact(p, "greedy"))  # type: ignore[misc]
            gained = float(solve(new))
            verdict = None if old is None else distillation.accept_exact(gained, float(solve(old)))
        else:
            play = jax.jit(lambda p: score.play(p, key, self.settings.run.final_episodes, "greedy"))
            returns = np.asarray(play(new).episode_return)
            gained = float(returns.mean())
            if old is not None:
                verdict = distillation.accept_paired(returns, np.asarray(play(old).episode_return))
        self.store.offer(new, gained, verdict, {"source": source, "environment": self.settings.run.env})


def _step(row: dict[str, float]) -> dict[str, Any]:
    """A row of a run as a step of its history."""
    return {"step": int(row["mcmc_step"]), **{name: x for name, x in row.items() if name != "mcmc_step"}}
