"""Policies, of circuits or any other network, found by Markov chain Monte Carlo over their parameters.

The target is p0(theta) exp(beta J(theta)); J is the mean undiscounted team return of an episode, scaled to
[0, 1] by the environment's declared range. No gradients: chains propose, score whole episodes (or solve
them, where the environment has a dynamic programme), and accept or not. The policy that a run gives back
is the best that any chain met, judged greedily on scenarios that no chain was scored on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.algorithms.qmarl import chains as qmarl_chains
from qflock.algorithms.qmarl import distil as qmarl_distil
from qflock.algorithms.qmarl import distillation, others
from qflock.algorithms.qmarl import problem as qmarl_problem
from qflock.algorithms.qmarl.config import QmarlConfig
from qflock.core.errors import UserError
from qflock.core.types import Environment, Learner, Memory, Metrics, Mode, Parameters, Rows, TimeStep
from qflock.learning import categorical
from qflock.networks import agents, by_name
from qflock.playing.rollout import Tally
from qflock.search import blocks, convergence, scoring
from qflock.search.convergence import Window

PROBES = 8
"""Observations at which R-hat and effective sample size watch action probabilities."""
SHOWN = 4
"""Episodes that each chain plays after a sweep, for the log: returns, measures, and the noise of returns."""
CONFIDENT = 1.645
"""Standard errors by which a candidate must beat the best where returns are estimated: one-sided 95 %."""


@dataclass(frozen=True)
class Config(QmarlConfig):
    """Metropolis-Hastings over policies."""


class Weights(NamedTuple):
    """The best policy, and where every chain stands (leaves with a leading axis over chains)."""

    best: Parameters
    chains: Parameters


class TrainState(NamedTuple):
    """Everything that searching needs to go on."""

    sampler: Any
    best: Float[Array, "D"]
    best_return: Float[Array, ""]  # greedy, undiscounted: exact, or on the newest held-out episodes
    judged: Array  # whether the best was ever judged
    window: Window
    probes: Array  # (P, O)
    scorings: Int[Array, ""]


class Pieces(NamedTuple):
    """The network as agents have it, its parameters as a vector, and what they earn."""

    team: agents.Agents
    shape: blocks.Layout
    score: scoring.Scoring


def pieces(config: QmarlConfig, env: Environment) -> Pieces:
    """What a learner of these settings is made of."""
    spec = env.spec

    def make_network(features: int, key: PRNGKeyArray) -> Any:
        return by_name.make(
            config.network,
            features,
            spec.actions,
            key,
            circuit=config.circuit_settings(),
            hidden=config.hidden,
            layer_norm=config.layer_norm,
            orthogonal=config.orthogonal,
        )

    shared = config.share_parameters
    team = agents.build(spec, make_network, shared, config.input_stage, ids=config.agent_ids)
    alike = shared and not config.agent_ids
    return Pieces(team, blocks.layout(team.init, config.blocks), scoring.build(env, team, alike))


def bounds(
    score: scoring.Scoring, shape: blocks.Layout, theta: Float[Array, "K D"], key: PRNGKeyArray, episodes: int
) -> Float[Array, "K"]:
    """What policies surely earn: exact greedy returns, or lower bounds on common fresh scenarios."""
    if score.exact is not None:
        solve = score.exact
        return jax.vmap(lambda t: solve(shape.unravel(t), "greedy"))(theta)
    play = lambda t: score.play(shape.unravel(t), key, episodes, "greedy").episode_return
    return distillation.lower_bounds(jax.vmap(play)(theta))


def build(config: QmarlConfig, env: Environment) -> Learner:
    """A searcher for an environment; see `Learner` for the functions.

    Raises:
        UserError: settings that do not suit the environment.
    """
    spec = env.spec
    if config.n_gs not in (0, spec.agents):
        raise UserError(
            f"n_gs is {config.n_gs}, but {spec.name} has {spec.agents} agents as it is set up; "
            "change them by the environment's own settings, or leave n_gs out"
        )

    team, shape, score = pieces(config, env)
    distil = qmarl_distil.build(config, env, team, shape, score)
    problem = qmarl_problem.pose(config, shape, score)
    builders = {
        "metropolis": qmarl_chains.build,
        "smc": others.smc,
        "evolution": others.evolution,
    }
    sampler = builders[config.sampler](problem)
    solved = config.estimator == "exact"
    each = spec.horizon * (1 if solved else config.episodes)  # environment steps that a scoring counts as
    shown = sampler.chains * SHOWN * spec.horizon
    per_update = sampler.scorings * each + shown

    def init(key: PRNGKeyArray) -> TrainState:
        k_theta, k_sampler, k_probes = jax.random.split(key, 3)
        keys = jax.random.split(k_theta, sampler.copies)
        theta = jax.vmap(lambda k: blocks.wrap(shape, shape.ravel(team.init(k))))(keys)
        seen = jax.vmap(env.reset)(jax.random.split(k_probes, PROBES))[1].observation[:, 0]
        return begin(theta, theta[0], seen, k_sampler, False)

    def begin(theta: Array, best: Array, probes: Array, key: PRNGKeyArray, again: bool) -> TrainState:
        return TrainState(
            sampler.start(theta, key, again),
            best,
            jnp.full((), -jnp.inf),
            jnp.bool_(False),
            Window.start(config.window, sampler.chains, PROBES * spec.actions),
            probes,
            jnp.int32(0),
        )

    def judge(s: TrainState, theta: Array, top: Array, key: PRNGKeyArray) -> TrainState:
        """Let the chains' policies challenge the best, on scenarios that no chain was scored on."""
        if score.exact is not None:
            theta = jnp.concatenate([s.best[None], theta])  # the best too: a run may start from one
            gained = jax.vmap(lambda t: score.exact(shape.unravel(t), "greedy"))(theta)  # type: ignore[misc]
            first = gained.argmax()
            return s._replace(best=theta[first], best_return=gained[first], judged=jnp.bool_(True))
        of = lambda t: score.play(shape.unravel(t), key, config.held_out, "greedy").episode_return
        old, new = jax.vmap(of)(jnp.stack([s.best, top]))
        gain = new - old
        bound = gain.mean() - CONFIDENT * gain.std(ddof=1) / math.sqrt(config.held_out)
        better = (bound > 0) | ~s.judged
        return s._replace(
            best=jnp.where(better, top, s.best),
            best_return=jnp.where(better, new.mean(), old.mean()),
            judged=jnp.bool_(True),
        )

    def update(s: TrainState, key: PRNGKeyArray) -> tuple[TrainState, Metrics, Tally]:
        k_sweep, k_judge, k_play, k_distil = jax.random.split(key, 4)
        state, told, renewed = sampler.sweep(s.sampler, k_sweep)
        s = s._replace(sampler=state, scorings=s.scorings + sampler.scorings)
        theta, scores = sampler.now(state)
        top = theta[scores.argmax()]
        s = judge(s, theta, top, k_judge)
        if distil is not None and config.sampler == "metropolis":
            s = jax.lax.cond(renewed, lambda: between_stages(s, theta, scores, k_distil), lambda: s)

        play = lambda t, k: score.play(shape.unravel(t), k, SHOWN, config.acting)
        played = jax.vmap(play)(theta, jax.random.split(k_play, len(theta)))
        length = played.length.sum()
        tally = Tally(
            jnp.int32(per_update),
            jnp.int32(played.length.size),
            played.episode_return.sum(),
            played.discounted.sum(),
            length,
            {name: x.sum() for name, x in played.measures.items()},
        )
        watched = jax.vmap(lambda t: score.chances(shape.unravel(t), s.probes).ravel())(theta)
        s = s._replace(window=s.window.add(scores, watched))
        mixed = convergence.judge(s.window)
        low, high = spec.return_range
        metrics = {
            **told,
            "best": s.best_return,
            "mean": scores.mean() * (high - low) + low,
            "lowest": scores.min() * (high - low) + low,
            "highest": scores.max() * (high - low) + low,
            "beta_sd": noise(played.episode_return),
            "rhat": mixed.rhat,
            "ess": mixed.ess,
            "rhat_policy": mixed.rhat_policy,
            "ess_policy": mixed.ess_policy,
            "mcmc_step": sampler_steps(s),
            "network_calls": s.scorings.astype(jnp.float32) * score.calls(0 if solved else config.episodes),
        }
        return s, metrics, tally

    def between_stages(s: TrainState, theta: Array, scores: Array, key: PRNGKeyArray) -> TrainState:
        """Let the best and the best chains teach a student, which then challenges the best."""
        assert distil is not None
        k_bounds, k_distil, k_judge = jax.random.split(key, 3)
        first = jax.lax.top_k(scores, min(len(theta), qmarl_distil.TEACHERS - 1))[1]
        teachers = jnp.concatenate([s.best[None], theta[first]])
        student = distil(teachers, bounds(score, shape, teachers, k_bounds, config.held_out), k_distil)
        return judge(s, student[None], student, k_judge)

    def sampler_steps(s: TrainState) -> Float[Array, ""]:
        return (s.scorings // sampler.scorings * config.sweep).astype(jnp.float32)

    def noise(returns: Float[Array, "C E"]) -> Float[Array, ""]:
        """beta times the standard error of one estimate of J; 0 where J is exact."""
        if solved:
            return jnp.zeros(())
        spread = jnp.sqrt(score.scale(returns).var(1, ddof=1).mean())
        return config.beta * spread / math.sqrt(config.episodes)

    def explore(
        s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Int[Array, "B A"], tuple[()]]:
        memory, logits = team.step(shape.unravel(s.best), memory, now.observation)
        return memory, categorical.sample(key, logits, now.legal), ()

    def learn(s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        raise UserError("qmarl scores whole episodes of its own; it learns in pure environments only")

    def act(
        parameters: Parameters,
        agent: Int[Array, ""],
        memory: Memory,
        observation: Array,
        legal: Array,
        key: PRNGKeyArray,
        mode: Mode = "greedy",
    ) -> tuple[Memory, Int[Array, ""]]:
        memory, logits = team.one(parameters, agent, memory, observation)
        return memory, categorical.choose(key, logits, legal, mode)

    def values(
        parameters: Parameters, agent: Int[Array, ""], memory: Memory, observation: Array
    ) -> Float[Array, "U"]:
        logits = team.one(parameters, agent, memory, observation)[1]
        return categorical.log_probabilities(logits, jnp.ones(spec.actions, bool))

    def weights(s: TrainState) -> Weights:
        return Weights(shape.unravel(s.best), shape.unravel(sampler.theta(s.sampler)))

    def start_from(s: TrainState, w: Weights) -> TrainState:
        theta = shape.ravel(w.chains)
        key = jax.random.fold_in(jax.random.key(0), s.scorings)
        return begin(theta, shape.ravel(w.best), s.probes, key, True)

    updates = math.ceil(config.n_mcmc_steps / config.sweep)
    return Learner(
        copies=sampler.copies,
        steps=max(1, round(per_update / sampler.copies)),
        init=init,
        explore=explore,
        learn=learn,
        policy=lambda s: shape.unravel(s.best),
        act=act,
        memory=team.memory,
        values=values,
        weights=weights,
        start_from=start_from,
        update=update,
        total_steps=updates * per_update or None,
    )
