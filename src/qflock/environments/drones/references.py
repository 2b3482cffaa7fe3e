"""Hand-written pilots of Drones: they see the state, and say how well it can be flown."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.environment import ReferencePolicy, State
from qflock.core.steps import TimeStep
from qflock.environments.drones import physics

BRAKE = 0.35
"""Share of the distance to its pad that a pilot flies in a step, up to its top speed."""
CLEAR, SHY = 0.3, 0.7
"""Radii that a pilot keeps between its rim and a wall's end, and would like to keep between two rims."""
SOON = 2.0
"""Steps ahead for which a pilot looks at distances between drones."""
AHEAD, HELD, WAYS = 12, 5, 8
"""Steps that the navigator looks ahead, for how many of them a thrust is held, and in how many directions."""


def pilot(env: Any) -> ReferencePolicy:
    """Every drone steers by rules of its own, see `_steered`.

    Args:
        env: Drones.
    """
    return lambda key, state, timestep: _steered(env, state)


def navigator(env: Any) -> ReferencePolicy:
    """Improves on the pilots by trying thrusts out, drone by drone, in the rules themselves.

    In every step each drone in turn takes the best of: what its pilot does; one of the thrusts, held for a
    few steps. Best is what pays the team most over the next steps, if all then follow their pilots, and
    later, if the ways from there are free. Drones know what those chose whose turn came before.

    Args:
        env: Drones.
    """
    agents = env.config.n_agents
    angles = 2 * np.pi * np.arange(WAYS) / WAYS
    thrusts = jnp.asarray(np.concatenate([np.stack([np.cos(angles), np.sin(angles)], -1), np.zeros((1, 2))]))

    def improved(
        state: State, held: Float[Array, "A 2"], given: Bool[Array, "A"], agent: Int[Array, ""]
    ) -> tuple[Float[Array, "A 2"], Bool[Array, "A"]]:
        """The choices so far, with that of one more drone."""
        mine = jnp.arange(agents) == agent
        tried = jnp.concatenate([held[None], jnp.where(mine[:, None], thrusts[:, None], held)])
        giving = jnp.concatenate([given[None], jnp.broadcast_to(given | mine, (len(thrusts), agents))])
        worth = lambda held, given: _worth(env, state, held, given)
        best = jax.vmap(worth)(tried, giving).argmax()
        return tried[best], giving[best]

    def choose(key: PRNGKeyArray, state: State, timestep: TimeStep) -> Float[Array, "A 2"]:
        del key, timestep
        start = jnp.zeros((agents, 2)), jnp.zeros(agents, bool)
        advance = lambda choices, agent: (improved(state, choices[0], choices[1], agent), None)
        (held, given), _ = jax.lax.scan(advance, start, jnp.arange(agents))
        return jnp.where(given[:, None], held, _steered(env, state))

    return choose


def _worth(env: Any, state: State, held: Float[Array, "A 2"], given: Bool[Array, "A"]) -> Float[Array, ""]:
    """What the team is paid from here on, discounted, if some drones hold a thrust for some steps.

    Args:
        env: Drones.
        state: now.
        held: the thrusts.
        given: which drones hold theirs; the others follow their pilots.
    """
    discount = env.spec.discount

    def tick(carry: tuple[State, Array], t: Array) -> tuple[tuple[State, Array], None]:
        state, paid = carry
        thrust = jnp.where((given & (t < HELD))[:, None], held, _steered(env, state))
        after = env.advance(state, thrust)
        return (after, paid + discount**t * env.pay(state, after).sum()), None

    (after, paid), _ = jax.lax.scan(tick, (state, jnp.float32(0)), jnp.arange(AHEAD))
    arrival = AHEAD + after.left / env.config.speed
    later = jnp.where(after.landed, 0, (1 + after.left / after.whole) * discount**arrival)
    return paid + later.mean()


def _steered(env: Any, state: State) -> Float[Array, "A 2"]:
    """Thrust towards the next bend of the way, on the right half of a gap that others come through, away from
    drones that come near, and braking at the pad."""
    config, walls = env.config, env.walls(state.gaps)
    _, bend = physics.way(state.position, state.pads, walls, (1 + CLEAR) * config.radius)
    last = (bend == state.pads).all(-1)
    heading = jnp.sign(state.pads[:, 0] - state.position[:, 0])
    beyond = (state.position[:, 0] - bend[:, :1]) * heading[:, None] > -2 * config.radius
    oncoming = (beyond & (heading[:, None] * heading < 0) & ~state.landed).any(1)
    gap = jnp.where(bend[:, :1] == walls.x, walls.gaps, 0).sum(1)
    right = jnp.where(oncoming & ~last, gap - heading * walls.half / 2, bend[:, 1])
    offset = jnp.stack([bend[:, 0], right], -1) - state.position
    distance = jnp.maximum(physics.length(offset), physics.TINY)
    pace = jnp.where(last, jnp.minimum(BRAKE * distance, config.speed), config.speed)
    soon = state.position + SOON * state.velocity
    apart = soon[:, None] - soon
    between = jnp.maximum(physics.length(apart), physics.TINY)
    others = ~state.landed & ~np.eye(config.n_agents, dtype=bool)
    near = jnp.where(others, jnp.clip(1 - (between / config.radius - 2) / SHY, 0, 1), 0)
    wanted = offset * (pace / distance)[:, None] + config.speed * (apart * (near / between)[..., None]).sum(1)
    thrust = (wanted - (1 - config.drag) * state.velocity) / (config.drag * config.speed)
    return thrust / jnp.maximum(physics.length(thrust), 1)[:, None]
