"""Settings of the off-policy actor-critics, with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from qflock.algorithms._circuit_config import Circuit
from qflock.settings.ranges import WIDTHS, above, at_least, at_most, between, check, need
from qflock.settings.shared import Agents, Optimiser, Replay


@dataclass(frozen=True)
class OffPolicyConfig(Replay, Optimiser, Agents, Circuit):
    """Settings shared by all off-policy actor-critics. Frequencies count steps of all environments."""

    policy: Literal["stochastic", "deterministic"] = "stochastic"
    """stochastic is SAC: a squashed Gaussian, whose entropy is paid; deterministic is DDPG or TD3."""
    critic: Literal["own", "central", "mixed"] = "central"
    """What critics see: each agent's observation and action; the state and all actions; or each agent's own,
    mixed as `mixer` says."""
    reward: Literal["team", "own"] = "team"
    """The reward that agents learn from: the team's, or each agent's own part of it."""
    twin: bool = True
    """Two critics, of which the lower one counts."""
    others: Literal["current", "replay"] = "current"
    """What others do while an agent learns (critic central): what they would do now, or what they did."""
    in_turn: bool = False
    """Agents learn one after another, beside what those before have learnt (HASAC); needs a network each."""
    mixer: Literal["sum", "monotone", "free"] = "monotone"
    """How agents' values make the team's (critic mixed); free is any function of them and the state."""
    mixer_embed: Annotated[int, at_least(1)] = 32
    """Width of the mixing layer."""
    mixer_hyper: Annotated[int, at_least(1)] = 64
    """Width of the hypernetworks' hidden layer."""
    critic_hidden: Annotated[tuple[int, ...], WIDTHS] = (128, 128)
    """Widths of the critics' hidden layers."""
    lr: float = 3e-4
    """Adam's step size for the agents."""
    lr_critic: Annotated[float, above(0)] = 1e-3
    """Adam's step size for the critics."""
    n_step: Annotated[int, at_least(1)] = 1
    """Rewards summed before bootstrapping; at most row_length."""
    policy_delay: Annotated[int, at_least(1)] = 1
    """Gradient steps of the critics for each one of the agents."""
    tau: Annotated[float, between(0, 1, "(]")] = 0.005
    """Share of the weights that their targets take over with every gradient step."""
    alpha0: Annotated[float, above(0)] = 0.1
    """First weight of the entropy, one for each agent (stochastic)."""
    lr_alpha: Annotated[float, at_least(0)] = 3e-4
    """Adam's step size for its logarithm; 0 keeps it (stochastic)."""
    target_entropy: Annotated[float, at_most(0.69)] = -1.0
    """Entropy wanted of an agent for each number it gives, in nats, bounds being -1 and 1 (stochastic)."""
    noise: Annotated[float, at_least(0)] = 0.1
    """Deviation of the noise with which agents explore, bounds being -1 and 1 (deterministic)."""
    target_noise: Annotated[float, at_least(0)] = 0.0
    """Deviation of noise on the actions that targets are made of: 0.2 in TD3 (deterministic)."""
    noise_clip: Annotated[float, at_least(0)] = 0.5
    """Most that it moves an action (deterministic)."""
    num_envs: int = 8
    """Environments stepped side by side."""
    row_length: int = 1
    """Transitions kept together in replay, over which returns run; divides num_steps."""
    min_buffer_size: int = 5_000
    """Transitions held before learning starts; until then actions are random."""
    train_frequency: int = 8
    """Environment steps per gradient step; divides num_envs x num_steps. 0 for about 128, or all of these."""

    def __post_init__(self) -> None:
        check(self)
        self.need_fitting_replay()
        need(
            self.n_step <= self.row_length,
            f"n_step is {self.n_step} and row_length {self.row_length}; returns run inside a row: raise it",
        )
        need(
            self.circuit_head != "born",
            "circuit_head born gives chances of actions; this learner's are numbers: take scale or linear",
        )
        need(
            not (self.in_turn and (self.share_parameters or self.groups)),
            "in_turn needs a network for each agent: add --no_share_parameters, and leave out groups",
        )
        need(
            self.critic != "mixed" or self.reward == "team",
            "critic mixed learns the team's reward; leave out reward own",
        )
