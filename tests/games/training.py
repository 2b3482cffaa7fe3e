"""Train a learner on many games at once: games and seeds are an axis of one program."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qflock.core.learner import Learner, Rollout
from qflock.playing import rollout
from qflock.settings import registry
from tests.games.rules import DISCOUNT, STEPS, Game, Play, Tables, optimum, tables

ENOUGH = 0.99
"""Of the optimum: who has that has found it. The best of all others in a game has 0.97 of it."""
UPDATES = 160
"""Rollouts of 128 steps, for those that make several gradient steps of each."""
LONGER = {"a2c": 4, "entangled": 16, "eqmarl": 4, "pqn_iql": 3, "pqn_qmix": 3, "pqn_vdn": 3, "qplex": 2}
"""How many times as many others have: those with one gradient step for each, and those that explore first."""
COMMON = {
    "hidden": (32,),
    "critic_hidden": (32,),
    "central_hidden": (32,),
    "gamma": DISCOUNT,
    "num_envs": 16,
    "num_steps": 8,
    "lr": 3e-3,
    "lr_critic": 3e-3,
    "lr_final": 0.1,
    "row_length": 8,
    "buffer_capacity": 8192,
    "min_buffer_size": 512,
    "batch_size": 256,
    "train_frequency": 32,
    "target_update_interval": 512,
    "mixer_embed": 8,
    "mixer_hyper": 16,
}
"""Settings of every learner; each takes those that it has."""
OWN: dict[str, dict[str, Any]] = {
    "a2c": {"alpha0": 0.1},
    "entangled": {"lr": 1e-2, "entropy_weight": 0.05},
    "ippo": {"alpha0": 0.02},
    "mappo gru": {"alpha0": 0.02},
    "eqmarl": {
        "critic": "joint",
        "lr": 1e-2,
        "num_envs": 16,
        "entropy_form": "corrected",
        "end": "bootstrap",
    },
    "qmarl": {
        "network": "mlp",
        "n_chains": 4,
        "episodes": 1,
        "held_out": 2,
        "sweep": 20,
        "warmup": 100,
        "window": 4,
    },
}
"""What a learner needs besides, or with one of its networks."""


def kinds(name: str) -> list[str]:
    """The agents' networks that a learner is tried with; the empty name is for the only one that it has.

    None where it needs continuous actions, which these games have not.
    """
    if registry.kind_of_actions(name) == "continuous":
        return []
    return ["mlp", "gru"] if "network" in _fields(name) else [""]


def plays(name: str, game: Game) -> bool:
    """Whether a game is for a learner: own rewards need a setting, and no mixer that takes the team's."""
    kind = registry.algorithm(name).Config
    return game.reward == "team" or ("reward" in _fields(name) and getattr(kind(), "mixer", "none") == "none")


def _fields(name: str) -> set[str]:
    return {field.name for field in dataclasses.fields(registry.algorithm(name).Config)}


def learner(name: str, network: str, reward: str, env: Play) -> Learner:
    """A learner with small settings, for a game."""
    module = registry.algorithm(name)
    longer = LONGER.get(name, 1)
    clocks = {"lr_decay": longer * 20_480, "epsilon_decay": longer * 12_000}
    own = OWN.get(name, {}) | OWN.get(f"{name} {network}", {}) | ({"network": network} if network else {})
    wanted = COMMON | clocks | {"reward": reward} | own
    return module.build(module.Config(**{k: v for k, v in wanted.items() if k in _fields(name)}), env)


def shares(name: str, network: str, games: Sequence[Game], seeds: int) -> np.ndarray:
    """What a learner reaches of each game's optimum with greedy play, ``(games, seeds)``."""
    found = np.zeros((len(games), seeds))
    for reward in ("team", "own"):
        which = [i for i, game in enumerate(games) if game.reward == reward]
        if not which:
            continue
        stacked = jax.tree.map(lambda *x: np.stack(x), *(tables(games[i]) for i in which))
        one = partial(_trained, name, network, reward)
        over_seeds = jax.vmap(one, in_axes=(None, 0))
        keys = jax.random.split(jax.random.key(0), seeds)
        scores = jax.jit(jax.vmap(over_seeds, in_axes=(0, None)))(stacked, keys)
        found[which] = np.asarray(scores) / np.array([[optimum(games[i])] for i in which])
    return found


def _trained(name: str, network: str, reward: str, game: Tables, key: Any) -> Any:
    """The score of one seed in one game after training."""
    env = Play(game)
    made = learner(name, network, reward, env)
    k_init, k_flow, k_updates, k_play = jax.random.split(key, 4)
    state, memory, source = made.init(k_init), made.policy.start(), made.source
    state = jax.tree.map(
        lambda x: jnp.asarray(x, x.dtype), state
    )  # no weak types: a loop's state keeps its own
    keys = jax.random.split(k_updates, UPDATES * LONGER.get(name, 1))
    if isinstance(source, Rollout):

        def update(carry: Any, key: Any) -> tuple[Any, None]:
            state, flow = carry
            k_collect, k_learn = jax.random.split(key)
            act = partial(source.explore, state)
            flow, rows, _ = rollout.collect(env, act, memory, flow, k_collect, source.num_steps)
            return (made.learn(state, rows, k_learn)[0], flow), None

        flow = rollout.start(env, memory, k_flow, source.num_envs)
        state = jax.lax.scan(update, (state, flow), keys)[0][0]
    else:
        state = jax.lax.scan(lambda s, k: (source.update(s, k)[0], None), state, keys)[0]
    return _score(env, made, made.execution(state), reward, k_play)


def _score(env: Play, made: Learner, parameters: Any, reward: str, key: Any) -> Any:
    """The discounted return of greedy play without a clock; with own rewards, of agents that are there."""
    env = Play(env.game._replace(clock=jnp.int32(0)))
    state, now = env.reset(key)

    def advance(carry: Any, key: Any) -> tuple[Any, Any]:
        state, now, memory, ended = carry
        memory, actions = made.policy.act(parameters, memory, now.seen, key, "greedy")
        state, after = env.step(key, state, actions)
        counts = now.active if reward == "own" else jnp.ones_like(now.active)
        paid = jnp.where(ended, 0.0, (after.reward * counts).sum())
        return (state, after, memory, ended | after.over), paid

    start = (state, now, made.policy.start(), now.over)
    paid = jax.lax.scan(advance, start, jax.random.split(key, STEPS))[1]
    return paid @ DISCOUNT ** jnp.arange(STEPS)
