"""Notice numbers that are none: NaN or infinity in what is trained, in losses, in returns.

A look costs one pass over the weights, once a chunk of updates. A mean over nothing (no episode ended, replay
not yet full) is NaN by right and is no trouble; a loss or gradient that is NaN shows in the weights at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qflock.core.errors import UserError
from qflock.core.learner import Learner
from qflock.core.shell import command
from qflock.core.trees import named
from qflock.runs.train.program import Chunk, RunState, by_seed

LOSSES = ("loss", "td_error", "q_value")
"""Metrics that must not be infinite, besides all whose name ends in ``_loss``."""
EXIT = 3
"""Exit status of a run that met them and was told to stop."""


class Trouble(NamedTuple):
    """Where the numbers of a chunk went wrong.

    Attributes:
        seeds: for each seed, whether they did; ``(seeds,)``.
        causes: for each of these seeds, by its number: where.
    """

    seeds: np.ndarray
    causes: dict[int, str]

    def __str__(self) -> str:
        return "; ".join(f"seed {seed}: {cause}" for seed, cause in self.causes.items())


class Diverged(UserError):
    """Training met NaN or infinity and was told to stop there. Exit status 3."""

    def __init__(
        self, path: Path, trouble: Trouble, env_steps: int, saved_step: int | None, tries: int = 0
    ) -> None:
        again = f", also after {tries} rollbacks" if tries else ""
        good = f"the state of step {saved_step:,} is kept" if saved_step else "nothing was saved before"
        super().__init__(
            f"NaN or infinity after step {env_steps:,}{again} ({trouble}); {good}. Go on past it with: "
            f"{command('resume', path, '--on_nan', 'skip')}",
            code=EXIT,
        )


def inspector(learner: Learner) -> jax.stages.Wrapped:
    """A compiled look at the state after a chunk and at what the chunk tells.

    Returns:
        ``(RunState, Chunk) -> found``; by name of what is looked at, ``(seeds,)`` booleans: whether it holds
        NaN or infinity.
    """

    @jax.jit
    def look(state: RunState, chunk: Chunk) -> dict[str, Any]:
        weights = jax.vmap(learner.weights)(state.learner)
        paths, _ = jax.tree_util.tree_flatten_with_path(weights)
        flags = {
            f"weights {jax.tree_util.keystr(path, simple=True, separator='.')}": _any(~jnp.isfinite(leaf))
            for path, leaf in paths
            if jnp.issubdtype(leaf.dtype, jnp.inexact)
        }
        for name, metric in chunk.metrics.items():
            if name in LOSSES or name.endswith("_loss"):
                flags[name] = _any(jnp.isinf(metric))
        sums = jnp.stack([chunk.tally.episode_return, chunk.tally.discounted], 1)
        flags["returns"] = _any(~jnp.isfinite(sums))
        if state.flow:
            flags["rewards"] = _any(~jnp.isfinite(state.flow.running.episode_return))
        return flags

    return look


def judge(flags: dict[str, Any], seeds: Any) -> Trouble | None:
    """What a look found, on the host; None where all is well.

    Args:
        flags: of `inspector`.
        seeds: the seeds' numbers.
    """
    bad = np.any(np.stack(list(flags.values())), axis=0)
    if not bad.any():
        return None
    causes = {}
    for i, seed in enumerate(seeds):
        names = [name for name, where in flags.items() if where[i]]
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            causes[seed] = f"{names[0]}{more} not finite"
    return Trouble(bad, causes)


def without(trouble: Trouble, after: RunState, before: RunState) -> RunState:
    """The state after a chunk, but for the seeds in trouble the one before it, with another key.

    Args:
        trouble: which seeds' numbers went wrong.
        after: the state after the chunk, with a leading axis of seeds.
        before: the state before it, likewise.
    """
    return by_seed(trouble.seeds, other_keys(trouble, before), after)


def other_keys(trouble: Trouble, state: RunState) -> RunState:
    """A state from which the seeds in trouble go another way than they did.

    Args:
        trouble: which seeds' numbers went wrong.
        state: of the run, with a leading axis of seeds.
    """
    others = jax.vmap(lambda key: named(key, "another try"))(state.key)
    return state._replace(key=jnp.where(jnp.asarray(trouble.seeds), others, state.key))


def _any(bad: jax.Array) -> jax.Array:
    return bad.reshape(len(bad), -1).any(1)
