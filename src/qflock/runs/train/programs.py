"""Which program a run has: a compiled one, or for a host environment a Python loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from qflock.bridges.host.workers import HostEnvironment
from qflock.core.types import Environment, Learner, Mode, Parameters
from qflock.machine import processes
from qflock.playing.evaluation import Scores
from qflock.runs.train import host_program, program
from qflock.runs.train.sharing import Sharing
from qflock.settings import config
from qflock.settings.config import Settings

RESTARTED = "episodes start anew: this environment is no pure function, so resuming is not exact"


def build(settings: Settings) -> program.Program | host_program.HostProgram:
    """The program for the settings of a run. Nothing is computed yet."""
    env = config.make_environment(settings.run.env, settings.environment)
    if isinstance(env, HostEnvironment):
        return host_program.HostProgram(settings, env)
    return program.build(settings)


def evaluator(
    env: Environment, learner: Learner, episodes: int, mode: Mode, seeds: int, share: Sharing | None = None
) -> Callable[[Parameters, PRNGKeyArray], Scores]:
    """As `program.evaluator`, for any environment."""
    if isinstance(env, HostEnvironment):
        return host_program.evaluator(env, learner, episodes, mode, seeds)
    return program.evaluator(env, learner, episodes, mode, seeds, share)


def outline(made: program.Program | host_program.HostProgram) -> Callable[..., Any]:
    """A chunk as a function whose shapes can be asked for."""
    return made.outline if isinstance(made, host_program.HostProgram) else made.chunk


@contextmanager
def compiling(
    made: program.Program | host_program.HostProgram, shapes: Any, *beside: tuple[jax.stages.Wrapped, Any]
) -> Iterator[None]:
    """Have the chunk compiled, or loaded from the cache, while the block makes the first state.

    ``beside`` are further functions, each with the shapes of what it is called with.

    XLA and its cache work outside Python's lock, so a warm start to the first update takes 0.7 s less.
    Several processes compile in one order everywhere.
    """
    if isinstance(made, host_program.HostProgram) or processes.several():
        yield
        return
    with ThreadPoolExecutor(1 + len(beside), "compiling") as pool:
        wanted = [(made.chunk, (shapes,)), *beside]
        begun = [pool.submit(lambda f=f, at=at: f.lower(*at).compile()) for f, at in wanted]
        yield
        for one in begun:
            one.result()


class Closing:
    """Ends a program's workers, however the block ends."""

    def __init__(self, made: program.Program | host_program.HostProgram) -> None:
        self._made = made

    def __enter__(self) -> None:
        pass

    def __exit__(self, *problem: Any) -> None:
        if isinstance(self._made, host_program.HostProgram):
            self._made.close()


def warnings(made: program.Program | host_program.HostProgram) -> list[str]:
    """What a resumed run must be told."""
    return [RESTARTED] if isinstance(made, host_program.HostProgram) else []
