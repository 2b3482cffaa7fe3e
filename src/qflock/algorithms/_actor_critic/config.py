"""Settings of the actor-critics, with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Literal

from qflock.algorithms._circuit_config import CircuitConfig
from qflock.core.errors import UserError


@dataclass(frozen=True)
class ActorCriticConfig(CircuitConfig):
    """Settings shared by all actor-critics. Frequencies count environment steps summed over copies."""

    update: Literal["ppo", "a2c"] = "ppo"
    """ppo clips the probability ratio over several epochs; a2c makes one plain policy-gradient step."""
    critic: Literal["observation", "state", "both"] = "observation"
    """What the critic sees: each agent's observation, the state, or both (two networks, summed)."""
    reward: Literal["team", "own"] = "team"
    """The reward that agents learn from: the team's, or each agent's own part of it."""
    network: str = "mlp"
    """The agents' network: mlp, gru, circuit, or a file and class, my.py:Net."""
    critic_network: str = "mlp"
    """The critic's networks: mlp, circuit, or a file and class, my.py:Net."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the agents' hidden layers."""
    critic_hidden: tuple[int, ...] = (128, 128)
    """Widths of the critic's hidden layers."""
    layer_norm: bool = False
    """LayerNorm before each ReLU."""
    orthogonal: bool = True
    """Orthogonal initial weights."""
    share_parameters: bool = True
    """One network for all agents, told apart by a one-hot id; else one network each."""
    groups: tuple[int, ...] = ()
    """A group for each agent, 0,0,1: agents of a group share a network. Replaces share_parameters."""
    last_action: bool = False
    """Agents also see the action that they took last."""
    input_stage: Literal["relative", "raw"] = "relative"
    """What networks see of what is declared: offsets of entities and one-hot codes, or the raw numbers."""
    gamma: float = 0.99
    """Discount."""
    gae_lambda: float = 0.95
    """Lambda of the advantage estimates: 0 is one-step, 1 sums all rewards."""
    lr: float = 5e-4
    """Adam's step size for the agents."""
    lr_critic: float = 5e-4
    """Adam's step size for the critic."""
    lr_final: float = 1.0
    """Fraction of both step sizes left after lr_decay steps, reached in a straight line."""
    lr_decay: int = 0
    """Environment steps over which the step sizes fall; 0 keeps them."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW); 0 is Adam."""
    max_grad_norm: float = 1.0
    """Gradients of the agents, and apart from them of the critic, are clipped to this norm."""
    num_envs: int = 128
    """Environments stepped side by side."""
    num_steps: int = 32
    """Steps of each copy between two learning phases: the length of a rollout."""
    epochs: int = 4
    """Passes over each rollout (ppo)."""
    minibatches: int = 4
    """Gradient steps of each pass (ppo); whole copies stay together, so it divides num_envs."""
    clip: float = 0.2
    """The probability ratio counts between 1 - clip and 1 + clip (ppo)."""
    value_clip: float = 0.0
    """How far, in normalised units, a value may move in one update before it stops learning; 0 for any."""
    normalise_advantages: bool = True
    """Advantages with mean 0 and deviation 1 over each rollout."""
    normalise_values: bool = True
    """Critics learn returns in units of their running mean and deviation."""
    entropy: Literal["constant", "exponential", "quantum_inspired", "target"] = "constant"
    """How the weight alpha of the policy's entropy (in nats) changes with the updates."""
    alpha0: float = 0.01
    """The entropy's first weight."""
    alpha_min: float = 0.0
    """Its least weight (exponential, quantum_inspired, target)."""
    alpha_max: float = 1.0
    """Its largest weight (target)."""
    alpha_decay: float = 5e-4
    """Lambda of the decay for each update (exponential, quantum_inspired)."""
    target_rate: float = 0.01
    """Step size of log alpha (target)."""
    target_start: float = 0.9
    """Normalised entropy wanted at the start (target)."""
    target_end: float = 0.05
    """Normalised entropy wanted at the end (target)."""
    target_clock: float = 1000.0
    """Sum of max(0.05, sqrt(1 - H^2)) over updates at which target_end is reached (target)."""
    operator: Literal["none", "mean", "rotation"] = "none"
    """Quantum-inspired operator on the policy: mean changes what agents act with, rotation makes a target."""
    eta: float = 0.1
    """How far amplitudes move away from their mean (operator mean)."""
    min_entropy: float = 0.05
    """Least normalised entropy that the operator leaves; 0 switches its floor off."""
    inverse_temperature: float = 1.0
    """Multiplies the logits before the operator."""
    floor: Literal["exact", "published"] = "exact"
    """exact meets min_entropy; published repeats the published weight, which does not."""
    rotation_turns: float = 0.25
    """Grover steps, a real number: how far the target turns towards good actions (operator rotation)."""
    rotation_limit: float = 1.3
    """Largest angle that it turns to; sin^2 of it is the good actions' largest probability."""
    rotation_weight: float = 0.1
    """Weight of the KL term that draws the policy to the target (operator rotation)."""
    contraction: bool = False
    """Log by how much the operator brings policies closer, as ratios of distances."""
    ramsey: bool = False
    """Ramsey guidance: only agents chosen from the graph of alike agents get alpha, the others alpha_min."""
    entropy_threshold: float = 0.05
    """Agents are alike whose mean normalised entropies differ by less."""
    clique_size: int = 3
    """Agents in a clique that should not be chosen whole."""
    clique_weight: float = 1.0
    """Cost of a clique that is chosen whole; an agent is worth its entropy."""

    def __post_init__(self) -> None:
        self.check_circuit()

        def need(true: bool, message: str) -> None:
            if not true:
                raise UserError(message)

        for name in ("num_envs", "num_steps", "epochs", "minibatches"):
            need(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("gamma", "gae_lambda", "lr_final", "target_start", "target_end", "entropy_threshold"):
            need(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}; it must lie in [0, 1]")
        for name in ("lr", "lr_critic", "max_grad_norm", "clip", "inverse_temperature", "target_clock"):
            need(getattr(self, name) > 0, f"{name} is {getattr(self, name)}; it must be above 0")
        for name in (
            "weight_decay",
            "lr_decay",
            "value_clip",
            "alpha0",
            "alpha_min",
            "alpha_decay",
            "target_rate",
            "eta",
            "rotation_turns",
            "rotation_weight",
            "clique_weight",
        ):
            need(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}; it must not be negative")
        for name in ("hidden", "critic_hidden"):
            widths = getattr(self, name)
            need(all(h >= 1 for h in widths), f"{name} is {widths}; widths must be at least 1")
        need(0 <= self.min_entropy < 1, f"min_entropy is {self.min_entropy}; it must lie in [0, 1)")
        need(
            0 < self.rotation_limit <= pi / 2,
            f"rotation_limit is {self.rotation_limit}; it must lie in (0, pi / 2]",
        )
        need(
            self.update == "a2c" or self.num_envs % self.minibatches == 0,
            f"minibatches {self.minibatches} does not divide num_envs {self.num_envs}",
        )
        need(
            self.entropy != "target" or 0 < self.alpha_min <= self.alpha_max,
            f"entropy target needs 0 < alpha_min <= alpha_max, not {self.alpha_min} and {self.alpha_max}",
        )
        need(self.clique_size >= 2, f"clique_size is {self.clique_size}; it must be at least 2")
