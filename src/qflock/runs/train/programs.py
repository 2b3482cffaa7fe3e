"""Which program a run has: a compiled one, or for a host environment a Python loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from qflock.bridges.host.workers import HostEnvironment
from qflock.core.environment import Environment
from qflock.core.errors import UserError
from qflock.core.learner import Learner, Policy, Rollout
from qflock.core.shell import command
from qflock.core.steps import Mode
from qflock.machine import processes
from qflock.playing import conformance
from qflock.runs.train.compiled_program import CompiledBackend
from qflock.runs.train.host_program import HostBackend
from qflock.runs.train.program import Ahead, Backend, Evaluate, Program, RunState, learner_of
from qflock.runs.train.sharing import Sharing
from qflock.settings import config, registry
from qflock.settings.config import Settings


def backend(env: Environment, copies: int | None = None) -> Backend:
    """How an environment is played.

    Args:
        env: the environment.
        copies: of a host environment, how many may be open at once: as many as training had; see `copies_of`.
    """
    return HostBackend(env, copies) if isinstance(env, HostEnvironment) else CompiledBackend(env)


def copies_of(learner: Learner, seeds: int) -> int | None:
    """How many copies of the environment training had open; None where it played otherwise.

    Args:
        learner: of the run.
        seeds: how many it trained side by side.
    """
    return learner.source.num_envs * seeds if isinstance(learner.source, Rollout) else None


def build(settings: Settings) -> Program:
    """The program for the settings of a run, with its environment and learner. Nothing is computed yet.

    Raises:
        UserError: settings that cannot work together.
    """
    env = config.make_environment(settings.run.env, settings.environment)
    if registry.is_path(settings.run.env) and (wrong := conformance.misshapen(env)):
        check = command("check", settings.run.env)
        raise UserError(
            f"{settings.run.env}: {wrong[0]}; {check} lists all that is wrong ({len(wrong)} so far)"
        )
    return backend(env).program(settings, learner_of(settings, env))


def evaluator(
    env: Environment,
    policy: Policy,
    episodes: int,
    mode: Mode,
    seeds: int,
    sharing: Sharing | None = None,
    copies: int | None = None,
) -> Evaluate:
    """How well a policy plays in any environment.

    Args:
        env: where.
        policy, episodes, mode, seeds, sharing: as `program.Backend.evaluator`.
        copies: as `backend`.
    """
    return backend(env, copies).evaluator(policy, episodes, mode, seeds, sharing)


@contextmanager
def compiling(program: Program, shapes: RunState, say: Callable[[str], None], *more: Ahead) -> Iterator[None]:
    """Have the chunk compiled, or loaded from the cache, while the block makes the first state.

    XLA and its cache work outside Python's lock, so a warm start to the first update takes 0.7 s less.
    Several processes compile in one order everywhere.

    Args:
        program: of the run.
        shapes: of the run's state, with a leading axis of seeds.
        say: is told at the end how long it took.
        more: further functions to compile.
    """
    began = time.monotonic()
    chunk = program.ahead(shapes)
    if not chunk or processes.several():
        yield
        return
    functions = [*chunk, *more]
    with ThreadPoolExecutor(len(functions), "compiling") as pool:
        futures = [
            pool.submit(lambda one=one: one.function.lower(*one.shapes).compile()) for one in functions
        ]
        yield
        for one in futures:
            one.result()
    say(f"compiled in {time.monotonic() - began:.1f} s")
