"""See a run, or a reference policy, play: record episodes, then show them as a GIF or in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qflock.errors import UserError, unknown
from qflock.evidence import animation
from qflock.parts.evaluation import Choose, decentralised, of_reference, random_policy
from qflock.parts.rollout import spread
from qflock.runs.evaluation import evaluation_key
from qflock.runs.policy import load_policy
from qflock.types import Drawable, Environment, Memory, Referenced


def record(env: Environment, choose: Choose, memory: Memory, key: Any) -> list[Any]:
    """The states of one episode, from its reset to its last time step, on the host.

    Args:
        choose: a policy for one copy, see `parts.evaluation`.
        memory: one agent's memory at the start.
    """
    k_reset, k_play = jax.random.split(key)

    def tick(carry: Any, key: Any) -> Any:
        state, now, memory = carry
        k_act, k_step = jax.random.split(key)
        memory, actions = choose(memory, state, now, k_act)
        state, now = env.step(k_step, state, actions)
        return (state, now, memory), (state, now.over)

    @jax.jit
    def play() -> Any:
        state, now = env.reset(k_reset)
        carry = (state, now, spread(memory, env.spec.agents))
        return state, jax.lax.scan(tick, carry, jax.random.split(k_play, env.spec.horizon))[1]

    first, (states, over) = jax.device_get(play())
    length = int(np.argmax(over)) + 1 if over.any() else len(over)
    return [first, *(jax.tree.map(lambda x, t=t: x[t], states) for t in range(length))]


def pictures(
    run: Path | str | None,
    *,
    environment: Environment | None = None,
    policy: str | None = None,
    episodes: int = 1,
    seed: int = 0,
    checkpoint: str = "final",
    environment_overrides: Mapping[str, Any] | None = None,
    size: int = 500,
) -> list[np.ndarray]:
    """Pictures of whole episodes of a run's first seed, or of a reference policy.

    Args:
        run: folder of a run; None shows a reference policy.
        environment, policy: to play in, and the name of a reference policy of it, where there is no run.
        episodes: how many.
        seed: of the episodes; they are those that ``qflock evaluate --seed`` begins with.
        checkpoint, environment_overrides: of the run, as `runs.policy.load`.
        size: about how many pixels wide.

    Raises:
        UserError: nothing to show, or the environment cannot be drawn.
    """
    memory: Memory = ()
    if run is not None:
        trained = load_policy(run, checkpoint, environment_overrides=environment_overrides)
        environment = trained.env
        choose = decentralised(trained.learner, trained.parameters)
        memory = trained.learner.memory()
    elif environment is None:
        raise UserError("nothing to show: name a run, or an environment and one of its policies")
    else:
        choose = of_reference(_reference(environment, policy or "random"))
    if not isinstance(environment, Drawable):
        raise UserError(f"{environment.spec.name} cannot be drawn: its class has no draw(state, size)")
    keys = jax.random.split(evaluation_key(seed), episodes)
    states = [state for key in keys for state in record(environment, choose, memory, key)]
    return animation.frames(environment, states, size)


def save_gif(run: Path | str | None, path: Path, *, fps: float = 8.0, **what: Any) -> Path:
    """Write what `pictures` shows as a GIF."""
    return animation.write_gif(path, pictures(run, **what), fps)


def play_in_terminal(run: Path | str | None, *, fps: float = 8.0, **what: Any) -> None:
    """Play what `pictures` shows in the terminal."""
    animation.play(pictures(run, **what), fps)


def _reference(env: Environment, name: str) -> Any:
    known = {**(env.references() if isinstance(env, Referenced) else {}), "random": random_policy}
    if name not in known:
        raise unknown(f"policy of {env.spec.name}", name, known)
    return known[name]
