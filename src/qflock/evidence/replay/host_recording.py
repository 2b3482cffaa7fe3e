"""Record whole episodes of a host environment, with the pictures that it shows of itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from qflock.bridges.host import groups, watch
from qflock.bridges.host.workers import HostEnvironment, limits_of, timestep
from qflock.core.errors import UserError
from qflock.core.spec import Spec
from qflock.core.steps import Memory
from qflock.evidence.replay.recording import Record, Recording, Values, Weigh
from qflock.playing.evaluation import Choose
from qflock.settings import foreign


class Pictures:
    """What is shown in the environment's place: its states are pictures already."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def draw(self, state: np.ndarray, size: int = 500) -> np.ndarray:
        """See `core.environment.Drawable`."""
        from PIL import Image

        height = max(1, round(state.shape[0] * size / state.shape[1]))
        return np.asarray(Image.fromarray(state).resize((size, height)))


def recorder(
    env: HostEnvironment,
    choose: Choose,
    memory: Memory,
    values: Values | None = None,
    weigh: Weigh | None = None,
) -> Record:
    """As `recording.recorder`; the states are pictures.

    Args:
        env: one with a maker of copies that are ``pictured``.
        choose, memory, values, weigh: as `recording.recorder`.
    """
    make, name = getattr(env, "pictured", None), env.spec.name
    if make is None:
        raise UserError(f"{name} cannot be drawn: its copies have no picture")

    @jax.jit
    def decide(memory: Memory, now: Any, key: PRNGKeyArray) -> Any:
        scores = values(memory, now) if values else None
        memory, actions = choose(memory, None, now, key)
        weights = None
        if weigh is not None and scores is not None:
            of_actions = jnp.take_along_axis(scores, now.settled(actions)[:, None], -1)[:, 0]
            weights = weigh(of_actions, now.state)
        return memory, actions, scores, weights

    def play(copy: Any, key: PRNGKeyArray) -> Recording:
        k_reset, k_play = jax.random.split(key)
        now, kept, steps = timestep(copy, copy.reset(int(jax.random.bits(k_reset)) >> 1)), memory, []
        shown, pictures = [now], [copy.picture()]
        for k_step in jax.random.split(k_play, env.spec.horizon):
            kept, *decided = decide(kept, now, k_step)
            steps.append(jax.device_get(decided))
            now = timestep(copy, copy.step(steps[-1][0]))
            shown, pictures = [*shown, now], [*pictures, copy.picture()]
            if now.terminated or now.truncated:
                break
        actions, scores, weights = (None if x[0] is None else np.stack(x) for x in zip(*steps, strict=True))
        assert actions is not None
        return Recording(pictures, jax.tree.map(lambda *x: np.stack(x), *shown), actions, scores, weights)

    def record(key: PRNGKeyArray) -> Recording:
        with watch.watched(name, limits_of(env)) as note:
            note.call(0, watch.MAKING)
            copy: Any = watch.Noted(
                foreign.need(lambda: groups.made(make, 0), f"{name} cannot be made"), note
            )
            try:
                return foreign.need(lambda: play(copy, key), f"{name} fails while it is watched")
            finally:
                foreign.close(copy, name)

    return record
