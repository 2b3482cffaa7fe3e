"""Settings of the actor-critics, with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Annotated, Literal

from qflock.algorithms._circuit_config import Circuit
from qflock.settings.ranges import WIDTHS, above, at_least, between, check, need
from qflock.settings.shared import Agents, Experience, Optimiser
from qflock.settings.shares import of_steps


@dataclass(frozen=True)
class ActorCriticConfig(Experience, Optimiser, Agents, Circuit):
    """Settings shared by all actor-critics. Frequencies count environment steps summed over copies."""

    update: Literal["ppo", "a2c"] = "ppo"
    """ppo clips the probability ratio over several epochs; a2c makes one plain policy-gradient step."""
    critic: Literal["observation", "state", "both"] = "observation"
    """What the critic sees: each agent's observation, the state, or both (two networks, summed)."""
    reward: Literal["team", "own"] = "team"
    """The reward that agents learn from: the team's, or each agent's own part of it."""
    action_head: str = "auto"
    """How outputs mean an action: categorical; gaussian or beta of a Box; my.py:build; auto for the first."""
    deviation: Literal["state", "free"] = "state"
    """Deviations of a Box's gaussian: by the network, or free parameters, the same whatever is seen."""
    critic_network: str = "mlp"
    """The critic's networks: mlp, circuit, or a file and class, my.py:Net."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the agents' hidden layers."""
    critic_hidden: Annotated[tuple[int, ...], WIDTHS] = (128, 128)
    """Widths of the critic's hidden layers."""
    layer_norm: bool = False
    """LayerNorm before each ReLU."""
    gae_lambda: Annotated[float, between(0, 1)] = 0.95
    """Lambda of the advantage estimates: 0 is one-step, 1 sums all rewards."""
    lr: float = 5e-4
    """Adam's step size for the agents."""
    lr_critic: Annotated[float, above(0)] = 5e-4
    """Adam's step size for the critic."""
    lr_final: float = 1.0
    """Fraction of both step sizes left after lr_decay steps, reached in a straight line."""
    lr_decay: Annotated[int, at_least(0), of_steps] = 0
    """Environment steps over which the step sizes fall, or their share of the run, 100%; 0 keeps them."""
    max_grad_norm: float = 1.0
    """Gradients of the agents, and apart from them of the critic, are clipped to this norm."""
    num_steps: int = 32
    """Steps of each copy between two learning phases: the length of a rollout."""
    epochs: Annotated[int, at_least(1)] = 4
    """Passes over each rollout (ppo)."""
    minibatches: Annotated[int, at_least(1)] = 4
    """Gradient steps of each pass (ppo); whole copies stay together, so it divides num_envs."""
    clip: Annotated[float, above(0)] = 0.2
    """The probability ratio counts between 1 - clip and 1 + clip (ppo)."""
    value_clip: Annotated[float, at_least(0)] = 0.0
    """How far, in normalised units, a value may move in one update before it stops learning; 0 for any."""
    critic_loss: Literal["mse", "huber"] = "mse"
    """What the critics minimise: squared errors, or Huber's loss of them."""
    huber_delta: Annotated[float, above(0)] = 10.0
    """Errors above this, in normalised units, count linearly (critic_loss huber)."""
    in_turn: bool = False
    """HAPPO: agents learn one after another, knowing how those before changed; needs a network each."""
    normalise_advantages: bool = True
    """Advantages with mean 0 and deviation 1 over each rollout."""
    normalise_values: bool = True
    """Critics learn returns in units of their running mean and deviation."""
    entropy: Literal["constant", "exponential", "quantum_inspired", "target"] = "constant"
    """How the weight alpha of the policy's entropy (in nats) changes with the updates."""
    alpha0: Annotated[float, at_least(0)] = 0.01
    """The entropy's first weight."""
    alpha_min: Annotated[float, at_least(0)] = 0.0
    """Its least weight (exponential, quantum_inspired, target)."""
    alpha_max: Annotated[float, at_least(0)] = 1.0
    """Its largest weight (target)."""
    alpha_decay: Annotated[float, at_least(0)] = 5e-4
    """Lambda of the decay for each update (exponential, quantum_inspired)."""
    target_rate: Annotated[float, at_least(0)] = 0.01
    """Step size of log alpha (target)."""
    target_start: Annotated[float, between(0, 1)] = 0.9
    """Normalised entropy wanted at the start (target)."""
    target_end: Annotated[float, between(0, 1)] = 0.05
    """Normalised entropy wanted at the end (target)."""
    target_clock: Annotated[float, above(0)] = 1000.0
    """Sum of max(0.05, sqrt(1 - H^2)) over updates at which target_end is reached (target)."""
    operator: Literal["none", "mean", "temperature", "rotation"] = "none"
    """Quantum-inspired operator on the policy: mean changes what agents act with, rotation makes a target;
    temperature is the control of mean, a plain inverse temperature of the same entropy."""
    eta: Annotated[float, at_least(0)] = 0.1
    """How far amplitudes move away from their mean (operator mean)."""
    min_entropy: Annotated[float, between(0, 1, "[)")] = 0.05
    """Least normalised entropy that the operator leaves; 0 switches its floor off."""
    inverse_temperature: Annotated[float, above(0)] = 1.0
    """Multiplies the logits before the operator."""
    floor: Literal["exact", "published"] = "exact"
    """exact meets min_entropy; published repeats the published weight, which does not."""
    rotation_turns: Annotated[float, at_least(0)] = 0.25
    """Grover steps, a real number: how far the target turns towards good actions (operator rotation)."""
    rotation_limit: Annotated[float, between(0, pi / 2, "(]", written="(0, pi / 2]")] = 1.3
    """Largest angle that it turns to; sin^2 of it is the good actions' largest probability."""
    rotation_weight: Annotated[float, at_least(0)] = 0.1
    """Weight of the KL term that draws the policy to the target (operator rotation)."""
    contraction: bool = False
    """Log by how much the operator brings policies closer, as ratios of distances."""
    ramsey: bool = False
    """Ramsey guidance: only agents chosen from the graph of alike agents get alpha, the others alpha_min."""
    entropy_threshold: Annotated[float, between(0, 1)] = 0.05
    """Agents are alike whose mean normalised entropies differ by less."""
    clique_size: Annotated[int, at_least(2)] = 3
    """Agents in a clique that should not be chosen whole."""
    clique_weight: Annotated[float, at_least(0)] = 1.0
    """Cost of a clique that is chosen whole; an agent is worth its entropy."""

    def __post_init__(self) -> None:
        check(self)
        need(
            self.update == "a2c" or self.num_envs % self.minibatches == 0,
            f"minibatches {self.minibatches} does not divide num_envs {self.num_envs}",
        )
        need(
            not (self.in_turn and (self.share_parameters or self.groups)),
            "in_turn needs a network for each agent: add --no_share_parameters, and leave out groups",
        )
        need(
            self.entropy != "target" or 0 < self.alpha_min <= self.alpha_max,
            f"entropy target needs 0 < alpha_min <= alpha_max, not {self.alpha_min} and {self.alpha_max}",
        )
