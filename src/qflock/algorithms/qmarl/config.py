"""Settings of the trainer that searches policies by Markov chain Monte Carlo, with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from qflock.algorithms._circuit_config import Circuit
from qflock.search import blocks, estimators
from qflock.settings.ranges import WIDTHS, above, at_least, between, check, need


@dataclass(frozen=True)
class QmarlConfig(Circuit):
    """Settings of `qmarl`. Steps are MCMC steps of each chain unless said otherwise."""

    LIMITS: ClassVar[tuple[str, ...]] = ("n_mcmc_steps",)
    """Settings that limit a run's length; they give way where ``total_steps`` is given anew."""

    AGENTS: ClassVar[str] = "n_gs"
    """The setting that names the number of agents, for environments that can have any."""

    network: str = "circuit"
    """The agents' network: circuit, mlp, or a file and class, my.py:Net."""
    hidden: Annotated[tuple[int, ...], WIDTHS] = (12,)
    """Widths of the agents' hidden layers (mlp)."""
    layer_norm: bool = False
    """LayerNorm before each ReLU (mlp)."""
    orthogonal: bool = True
    """Orthogonal initial weights (mlp)."""
    share_parameters: bool = True
    """One network for all agents, told apart by a one-hot id; else one network each."""
    agent_ids: bool = True
    """Agents that share a network are told apart; without, they act alike on equal observations."""
    input_stage: Literal["relative", "raw"] = "relative"
    """What networks see of declared entities: offsets from the agent, or the raw numbers."""
    memory: str = "none"
    """Persistent memory: a folder, auto for one of each environment and shape of policy, or none. A run
    starts from its best policy, and may replace it."""
    n_gs: Annotated[int, at_least(0)] = 0
    """Number of agents, the published name, where the environment can have any; 0 for as many as it has."""
    n_mcmc_steps: Annotated[int, at_least(0)] = 0
    """Stop after so many steps, if that is before total_steps; 0 for no limit."""
    sampler: Literal["metropolis", "smc", "evolution", "adam", "spsa"] = "metropolis"
    """Metropolis-Hastings chains, tempered sequential Monte Carlo, an evolution strategy; or, no samplers but
    what these must beat: Adam along the exact gradient, or along differences at random (spsa)."""
    estimator: estimators.Name = "fixed"
    """How returns enter the target: exact, fixed, penalty, same, kept, or redraw (the published rule)."""
    n_chains: Annotated[int, at_least(1)] = 8
    """Chains side by side; particles of smc, members of evolution's population."""
    episodes: Annotated[int, at_least(1)] = 32
    """Episodes of an estimate of J."""
    held_out: Annotated[int, at_least(2)] = 128
    """Fresh episodes on which a candidate must beat the best, where there is no exact score."""
    beta: Annotated[float, at_least(0)] = 200.0
    """Inverse temperature: the target is p0 exp(beta J), J being the mean return in [0, 1]."""
    proposal: Literal["walk", "langevin"] = "walk"
    """How chains propose: Gaussian steps, or steps that also follow the gradient of J (estimator exact), in a
    diagonal metric that the warm-up learns."""
    sigma_proposal: Annotated[float, above(0)] = 0.1
    """Scale of proposals at the start, in radians for angles; warm-up adapts it for each block. How far spsa
    looks to both sides."""
    target_acceptance: Annotated[float, between(0, 1, "[)")] = 0.0
    """Acceptance that scales aim at; 0 for what is fastest: 0.234 (walk) or 0.574 (langevin)."""
    search_lr: Annotated[float, above(0)] = 0.01
    """Adam's step size (adam, spsa)."""
    prior_sigma: Annotated[float, above(0)] = 3.0
    """Standard deviation of the Gaussian prior of scales, heads and weights; angles are uniform."""
    blocks: blocks.Split = "leaf"
    """Parameters that move together: all, those of a leaf, or of a circuit's layer (layer)."""
    warmup: Annotated[int, at_least(0)] = 1000
    """First steps of a stage, in which scales adapt; beta rises in the first half of them."""
    beta_start: Annotated[float, between(0, 1, "(]")] = 0.1
    """Share of beta at the start; it rises geometrically over half the warm-up. 1 for no annealing."""
    beta_again: Annotated[float, between(0, 1, "(]")] = 0.5
    """The same at the start of later stages, and of runs that go on from weights."""
    temperatures: Annotated[int, at_least(1)] = 1
    """Rungs of parallel tempering; each has n_chains chains. 1 for none."""
    temperature_ratio: Annotated[float, above(1)] = 2.0
    """Inverse temperature of a rung over that of the next, hotter one."""
    swap_every: Annotated[int, at_least(1)] = 10
    """Steps between offers to swap neighbouring rungs."""
    sweep: Annotated[int, at_least(1)] = 50
    """Steps of one update: between looks at candidates, diagnostics and stages."""
    patience: Annotated[int, at_least(1)] = 4000
    """Steps after warm-up without a better chain, after which a new stage begins."""
    window: Annotated[int, at_least(4)] = 50
    """Updates over which R-hat and effective sample size are taken, all after the warm-up of one stage."""
    acting: Literal["sample", "greedy"] = "sample"
    """How policies act while chains score them; the best is judged as it executes, greedily."""
    distil_steps: Annotated[int, at_least(0)] = 100
    """Gradient steps with which the best and the chains are distilled into one candidate, between stages and
    after a run with a memory; 0 for none."""
    distil_lr: Annotated[float, above(0)] = 0.01
    """Adam's step size in distillation."""
    distil_tau: Annotated[float, above(0)] = 1.0
    """Teachers weigh softmax(bound of their return / distil_tau)."""
    smc_ess: Annotated[float, between(0, 1, "(]")] = 0.5
    """Effective sample size, as a share of the particles, that a tempering step leaves (smc)."""
    strategy: Literal["cma_es", "sep_cma_es", "snes"] = "cma_es"
    """Evolution strategy of evosax (evolution)."""

    def __post_init__(self) -> None:
        check(self)
        need(
            self.estimator != "penalty" or self.episodes >= 2,
            "estimator penalty needs at least 2 episodes, to know its own noise",
        )
        need(
            self.proposal == "walk" or (self.estimator == "exact" and self.sampler == "metropolis"),
            "proposal langevin needs sampler metropolis and estimator exact, whose gradient it follows; else "
            "take proposal walk",
        )
        frozen = self.estimator in ("exact", "fixed")
        need(
            frozen or self.temperatures == 1,
            f"temperatures is {self.temperatures}; estimator {self.estimator} needs 1, for swaps "
            "compare returns as they are (take exact or fixed)",
        )
        need(
            frozen or self.sampler == "metropolis",
            f"sampler {self.sampler} needs estimator exact or fixed, not {self.estimator}",
        )
        need(
            self.sampler != "adam" or self.estimator == "exact",
            "sampler adam follows the gradient of exact returns: take estimator exact, or sampler spsa",
        )
        need(
            self.circuit_gradient == "shift",
            "circuit_gradient is of learners of gradients; here sampler spsa is the one of that name",
        )
        need(
            self.training() is None or not (frozen or self.distil_steps),
            "circuits that are measured in training have no exact returns, nor scenarios that repeat: take "
            "estimator penalty, same, kept or redraw, and distil_steps 0",
        )
        rates = [
            name for name in ("lr_angles", "lr_input_scaling", "lr_output_scaling") if getattr(self, name)
        ]
        need(
            not rates or self.sampler in ("adam", "spsa"),
            f"{', '.join(rates)}: sampler {self.sampler} has no step sizes of gradients; take adam or spsa",
        )
        need(
            self.estimator != "same" or (self.beta >= 1 and self.beta % 1 == 0 and self.beta_start == 1),
            f"estimator same multiplies beta returns: give a whole beta of at least 1, not {self.beta:g}, "
            "and beta_start 1",
        )
