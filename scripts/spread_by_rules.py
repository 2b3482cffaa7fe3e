"""What rules score in JaxMARL's simple spread with continuous actions: how far a learner could come.

    python scripts/spread_by_rules.py [--max_steps 26]

Each agent flies to a landmark at full thrust and brakes there. ``assigned``: the landmarks are divided so
that the ways are shortest in all; ``own``: agent i takes landmark i; ``nearest``: everyone takes the nearest.
Scores are mean undiscounted returns of an agent, over 4,096 episodes.
"""

from __future__ import annotations

import argparse
import itertools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import qflock

AGENTS = 3
ORDERS = jnp.array(list(itertools.permutations(range(AGENTS))))
RULES = ("assigned", "own", "nearest")
THRUST, BRAKE = 8.0, 2.0
"""Per unit of distance, and per unit of speed; thrust is cut at 1."""


def act(seen: Float[Array, "A O"], rule: str) -> Float[Array, "A 5"]:
    """What the agents do: numbers for nothing, left, right, down and up.

    Args:
        seen: their observations: velocity, place, then the landmarks' offsets.
        rule: one of `RULES`.
    """
    velocity, place = seen[:, :2], seen[:, 2:4]
    landmarks = seen[0, 4 : 4 + 2 * AGENTS].reshape(AGENTS, 2) + place[0]
    distance = jnp.linalg.norm(place[:, None] - landmarks, axis=-1)
    each = jnp.arange(AGENTS)
    goal = {
        "assigned": ORDERS[distance[each, ORDERS].sum(-1).argmin()],
        "own": each,
        "nearest": distance.argmin(-1),
    }[rule]
    thrust = jnp.clip(THRUST * (landmarks[goal] - place) - BRAKE * velocity, -1, 1)
    sides = jnp.stack([-thrust, thrust], -1).reshape(AGENTS, 4)
    return jnp.concatenate([jnp.zeros((AGENTS, 1)), jnp.maximum(sides, 0.0)], -1)


def score(rule: str, episodes: int = 4096, max_steps: int = 25) -> float:
    """An agent's mean return.

    Args:
        rule: one of `RULES`.
        episodes: how many are played.
        max_steps: of an episode: as many rewards.
    """
    env = qflock.make("jaxmarl:MPE_simple_spread_v3", action_type="Continuous", max_steps=max_steps)

    def step(carry: tuple, key: Array) -> tuple:
        state, seen = carry
        state, timestep = env.step(key, state, act(seen, rule))
        return (state, timestep.observation), timestep.reward.sum()

    def play(key: Array) -> Array:
        first, *keys = jax.random.split(key, max_steps + 1)
        state, timestep = env.reset(first)
        return jax.lax.scan(step, (state, timestep.observation), jnp.stack(keys))[1].sum()

    return float(jax.jit(jax.vmap(play))(jax.random.split(jax.random.key(0), episodes)).mean()) / AGENTS


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--max_steps", type=int, default=25, help="of an episode")
    given = parser.parse_args()
    for rule in RULES:
        print(f"{rule:10}{score(rule, max_steps=given.max_steps):8.2f}")


if __name__ == "__main__":
    main()
