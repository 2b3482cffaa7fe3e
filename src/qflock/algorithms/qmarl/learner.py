"""Policies, of circuits or any other network, found by Markov chain Monte Carlo over their parameters.

The target is p0(theta) exp(beta J(theta)); J is the mean undiscounted team return of an episode, scaled to
[0, 1] by the environment's declared range. No gradients: chains propose, score whole episodes (or solve
them, where the environment has a dynamic programme), and accept or not. The policy that a run gives back
is the best that any chain met, judged greedily on scenarios that no chain was scored on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.algorithms.qmarl import ascent, distillation, keeper, others
from qflock.algorithms.qmarl import chains as qmarl_chains
from qflock.algorithms.qmarl import distil as qmarl_distil
from qflock.algorithms.qmarl import problem as qmarl_problem
from qflock.algorithms.qmarl.config import QmarlConfig
from qflock.algorithms.qmarl.pieces import bounds, pieces
from qflock.core.environment import Environment
from qflock.core.errors import UserError
from qflock.core.learner import Learner, Own
from qflock.core.portable import ByChance
from qflock.core.steps import Metrics, Parameters
from qflock.learning import categorical
from qflock.playing.rollout import Tally
from qflock.search import blocks, convergence
from qflock.search.convergence import Window

PROBES = 8
"""Observations at which R-hat and effective sample size watch action probabilities."""
SHOWN = 4
"""Episodes that each chain plays after a sweep, for the log: returns, measures, and the noise of returns."""


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


SAMPLERS = {
    "metropolis": qmarl_chains.build,
    "smc": others.smc,
    "evolution": others.evolution,
    "adam": ascent.adam,
    "spsa": ascent.spsa,
}
"""Who proposes parameters."""


class Qmarl:
    """A searcher for an environment; all methods are pure."""

    def __init__(self, config: QmarlConfig, env: Environment) -> None:
        self.config, self.env, self.spec = config, env, env.spec
        self.pieces = pieces(config, env)
        self.team, self.shape, self.score = self.pieces
        self.distil = qmarl_distil.build(config, env, *self.pieces)
        self.sampler = SAMPLERS[config.sampler](qmarl_problem.pose(config, self.shape, self.score))
        self.solved = config.estimator == "exact"
        # environment steps that a scoring counts as
        each = env.spec.horizon * (1 if self.solved else config.episodes)
        shown = self.sampler.chains * SHOWN * env.spec.horizon
        self.per_update = self.sampler.scorings * each + shown

    def init(self, key: PRNGKeyArray) -> TrainState:
        k_theta, k_sampler, k_probes = jax.random.split(key, 3)
        keys = jax.random.split(k_theta, self.sampler.num_policies)
        theta = jax.vmap(lambda k: blocks.wrap(self.shape, self.shape.ravel(self.team.init(k))))(keys)
        seen = jax.vmap(self.env.reset)(jax.random.split(k_probes, PROBES))[1].observation[:, 0]
        return self.begin(theta, theta[0], seen, k_sampler, False)

    def begin(self, theta: Array, best: Array, probes: Array, key: PRNGKeyArray, again: bool) -> TrainState:
        """The training state where a search begins.

        Args:
            theta: policies of all chains, ``(num_policies, D)``.
            best: ``(D,)``.
            probes: observations that are watched, ``(P, O)``.
            key: of what is drawn.
            again: whether a search goes on from weights.
        """
        return TrainState(
            self.sampler.start(theta, key, again),
            best,
            jnp.full((), -jnp.inf),
            jnp.bool_(False),
            Window.start(self.config.window, self.sampler.chains, PROBES * self.spec.actions),
            probes,
            jnp.int32(0),
        )

    def judge(self, s: TrainState, theta: Array, top: Array, key: PRNGKeyArray) -> TrainState:
        """Let the chains' policies challenge the best, on scenarios that no chain was scored on.

        Where returns are estimated, the challenges of a search spend one error together: those of a sweep, by
        chains and by a student, half of its share each.

        Args:
            s: the training state.
            theta: policies of the chains, ``(C, D)``.
            top: the most promising one, ``(D,)``.
            key: of what is drawn.
        """
        if self.score.exact is not None:
            theta = jnp.concatenate([s.best[None], theta])  # the best too: a run may start from one
            exact = self.score.exact
            gained = jax.vmap(lambda t: exact(self.shape.unravel(t), "greedy"))(theta)
            first = gained.argmax()
            return s._replace(best=theta[first], best_return=gained[first], judged=jnp.bool_(True))
        held_out, play = self.config.held_out, self.score.play
        of = lambda t: play(self.shape.unravel(t), key, held_out, "greedy").episode_return
        old, new = jax.vmap(of)(jnp.stack([s.best, top]))
        error = distillation.error_of(jnp.maximum(s.scorings // self.sampler.scorings, 1)) / 2
        better = distillation.surely_better(new - old, error) | ~s.judged
        return s._replace(
            best=jnp.where(better, top, s.best),
            best_return=jnp.where(better, new.mean(), old.mean()),
            judged=jnp.bool_(True),
        )

    def update(self, s: TrainState, key: PRNGKeyArray) -> tuple[TrainState, Metrics, Tally]:
        """As `core.learner.Update`: a sweep of the sampler.

        Args:
            s: the training state.
            key: of what is drawn.
        """
        k_sweep, k_judge, k_play, k_distil = jax.random.split(key, 4)
        state, metrics, renewed, settled = self.sampler.sweep(s.sampler, k_sweep)
        s = s._replace(sampler=state, scorings=s.scorings + self.sampler.scorings)
        theta, scores = self.sampler.now(state)
        top = theta[scores.argmax()]
        s = self.judge(s, theta, top, k_judge)
        if self.distil is not None and self.config.sampler == "metropolis":
            s = jax.lax.cond(renewed, lambda: self.between_stages(s, theta, scores, k_distil), lambda: s)

        play = lambda t, k: self.score.play(self.shape.unravel(t), k, SHOWN, self.config.acting)
        played = jax.vmap(play)(theta, jax.random.split(k_play, len(theta)))
        length = played.length.sum()
        tally = Tally(
            jnp.int32(self.per_update),
            jnp.int32(played.length.size),
            played.episode_return.sum(),
            played.discounted.sum(),
            length,
            {name: x.sum() for name, x in played.measures.items()},
        )
        watched = jax.vmap(lambda t: self.score.chances(self.shape.unravel(t), s.probes).ravel())(theta)
        s = s._replace(window=s.window.add(scores, watched, settled))
        mixed = convergence.judge(s.window)
        low, high = self.spec.return_range
        episodes = 0 if self.solved else self.config.episodes
        metrics = {
            **metrics,
            "best": s.best_return,
            "mean": scores.mean() * (high - low) + low,
            "lowest": scores.min() * (high - low) + low,
            "highest": scores.max() * (high - low) + low,
            "beta_sd": self.noise(played.episode_return),
            "rhat": mixed.rhat,
            "ess": mixed.ess,
            "rhat_policy": mixed.rhat_policy,
            "ess_policy": mixed.ess_policy,
            "mcmc_step": self.sampler_steps(s),
            **self.measured(),
            "network_calls": s.scorings.astype(jnp.float32) * self.score.calls(episodes),
        }
        return s, metrics, tally

    def between_stages(self, s: TrainState, theta: Array, scores: Array, key: PRNGKeyArray) -> TrainState:
        """Let the best and the best chains teach a student, which then challenges the best.

        Args:
            s: the training state.
            theta: policies of the chains, ``(C, D)``.
            scores: of the chains, ``(C,)``, in [0, 1].
            key: of what is drawn.
        """
        assert self.distil is not None
        k_bounds, k_distil, k_judge = jax.random.split(key, 3)
        first = jax.lax.top_k(scores, min(len(theta), qmarl_distil.TEACHERS - 1))[1]
        teachers = jnp.concatenate([s.best[None], theta[first]])
        surely = bounds(self.score, self.shape, teachers, k_bounds, self.config.held_out)
        student = self.distil(teachers, surely, k_distil)
        return self.judge(s, student[None], student, k_judge)

    def sampler_steps(self, s: TrainState) -> Float[Array, ""]:
        return (s.scorings // self.sampler.scorings * self.config.sweep).astype(jnp.float32)

    def measured(self) -> Metrics:
        """Measurements of an update, at most: of scorings, challenges, and episodes played for the log."""
        training = self.config.training()
        if training is None or not training.conditions.shots:
            return {}
        episodes = self.sampler.scorings * self.config.episodes + 2 * self.config.held_out
        each = training.conditions.shots * self.score.calls(episodes + self.sampler.chains * SHOWN)
        return {"measurements": jnp.float32(each)}

    def noise(self, returns: Float[Array, "C E"]) -> Float[Array, ""]:
        """beta times the standard error of one estimate of J; 0 where J is exact."""
        if self.solved:
            return jnp.zeros(())
        spread = jnp.sqrt(self.score.scale(returns).var(1, ddof=1).mean())
        return self.config.beta * spread / math.sqrt(self.config.episodes)

    def show(self, logits: Float[Array, "U"]) -> Float[Array, "U"]:
        """Log-probabilities of an agent's actions where all are legal."""
        return categorical.log_probabilities(logits, jnp.ones(self.spec.actions, bool))

    def weights(self, s: TrainState) -> Weights:
        return Weights(self.shape.unravel(s.best), self.shape.unravel(self.sampler.theta(s.sampler)))

    def start_from(self, s: TrainState, w: Weights) -> TrainState:
        """As `core.learner.StartFrom`.

        Args:
            s: the training state.
            w: to go on from.
        """
        theta = self.shape.ravel(w.chains)
        key = jax.random.fold_in(jax.random.key(0), s.scorings)
        return self.begin(theta, self.shape.ravel(w.best), s.probes, key, True)


def build(config: QmarlConfig, env: Environment) -> Learner:
    """A searcher for an environment; see `Learner` for the functions.

    Args:
        config: its settings.
        env: with discrete actions, compiled.

    Raises:
        UserError: settings that do not suit the environment.
    """
    spec = env.spec
    if config.n_gs not in (0, spec.agents):
        raise UserError(
            f"n_gs is {config.n_gs}, but {spec.name} has {spec.agents} agents, and n_gs cannot change that; "
            "leave n_gs out"
        )
    own = Qmarl(config, env)
    num_policies, updates = own.sampler.num_policies, math.ceil(config.n_mcmc_steps / config.sweep)
    execution = lambda s: own.shape.unravel(s.best)
    functions = (own.init, execution, own.weights, own.start_from)
    search = keeper.Search(config, own.shape, own.score, bounds, own.distil, *functions)
    return Learner(
        policy=own.team.policy(categorical.choose, own.show, ByChance()),
        source=Own(own.update, num_policies * max(1, round(own.per_update / num_policies))),
        init=own.init,
        learn=None,
        execution=execution,
        weights=own.weights,
        start_from=own.start_from,
        limits=updates * own.per_update or None,
        hooks=partial(keeper.hooks, search),
    )
