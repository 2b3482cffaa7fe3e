"""What an environment shows at a step, what an agent may see of it, and stretches of experience.

Axis letters, fixed here for the whole library: ``A`` agents, ``U`` actions, ``O`` observation size,
``S`` state size, ``B`` environments side by side, ``T`` time, ``N`` whatever else there is many of.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree, Shaped

from qflock.core.spec import Spec

Mode = Literal["greedy", "sample"]
Memory = Any
"""What a team remembers between steps: any pytree. With agents that act alone, leaves ``(A, ...)``."""
Parameters = PyTree
"""What execution needs: no mixer, critic or target."""
Metrics = dict[str, Float[Array, ""]]
Actions = Shaped[Array, "..."]
"""Numbers of choices, int ``(..., A)``, or vectors of a Box, float ``(..., A, size)``."""


class Seen(NamedTuple):
    """All that execution may see of a time step: each agent its own row. ``U`` is 0 for a Box."""

    observation: Shaped[Array, "*B A O"]
    legal: Bool[Array, "*B A U"]
    active: Bool[Array, "*B A"]


class TimeStep(NamedTuple):
    """What an environment shows after a reset or a step. ``reward`` belongs to the step that led here.

    Agents may leave, join late and come back: ``active`` says who is in the episode. One that leaves is done,
    unless ``truncated_alone`` says that its own clock ran out with this very step: its own rewards would have
    gone on, and `own_ends` bootstraps them from this observation. A team reward goes on without it.
    """

    observation: Shaped[Array, "*B A O"]
    state: Shaped[Array, "*B S"]
    legal: Bool[Array, "*B A U"]
    active: Bool[Array, "*B A"]
    reward: Float[Array, "*B A"]
    terminated: Bool[Array, "*B"]  # the task ended: do not bootstrap
    truncated: Bool[Array, "*B"]  # the clock ran out: bootstrap from this very observation
    measures: dict[str, Float[Array, "*B"]]  # scalars of the task: solved, coverage, win rate ...
    truncated_alone: Bool[Array, "*B A"] | None = None  # left by their own clock; None: nobody ever does

    @property
    def over(self) -> Bool[Array, "*B"]:
        """The episode ends with this very time step."""
        return self.terminated | self.truncated

    @property
    def seen(self) -> Seen:
        """The part that execution may see."""
        return Seen(self.observation, self.legal, self.active)


class Rows(NamedTuple):
    """A stretch of experience: the plain stream of time steps, T+1 rows of B environments.

    Row t+1 always follows row t: an episode's last time step has a row of its own, the next row
    opens the new episode. So ``rows[1:]`` *is* the true next observation, also at a truncation, and
    there is no array of ends to shift by one. The action on an episode's last row was never taken.
    """

    timestep: TimeStep  # leaves (T+1, B, ...)
    actions: Shaped[Array, "T B A *D"]
    first: Bool[Array, "T+1 B"]  # the row opens an episode: recurrent agents forget
    memory: Memory  # of the teams at row 0, leaves (B, ...)
    extras: Any  # what `explore` wanted kept, leaves (T, B, ...)

    @property
    def valid(self) -> Bool[Array, "T B"]:
        """Rows whose action was taken: all but the last time steps of episodes."""
        return ~self.timestep.over[:-1]

    @property
    def joined(self) -> Bool[Array, "T+1 B A"]:
        """Agents that are there and were not at the row before: they come late, or back. None at row 0."""
        active = self.timestep.active
        return active & ~jnp.concatenate([active[:1], active[:-1]])

    @property
    def before(self) -> TimeStep:
        """The time steps that actions answered, leaves ``(T, B, ...)``."""
        return jax.tree.map(lambda x: x[:-1], self.timestep)

    @property
    def after(self) -> TimeStep:
        """The time steps that actions led to, leaves ``(T, B, ...)``."""
        return jax.tree.map(lambda x: x[1:], self.timestep)


def team_reward(spec: Spec, reward: Float[Array, "*B A"]) -> Float[Array, "*B"]:
    """The team's reward: the sum over agents, or agent 0's where all are paid the same.

    Args:
        spec: of the environment.
        reward: of each agent, ``(..., A)``.

    Returns:
        ``(...)``; with several teams ``(..., teams)``, each team's sum, or its first agent's reward.
    """
    if not spec.teams:
        return reward[..., 0] if spec.shared_reward else reward.sum(-1)
    if spec.shared_reward:
        return reward[..., jnp.array([spec.teams.index(team) for team in range(spec.num_teams)])]
    member = jnp.array(
        [[mine == team for team in range(spec.num_teams)] for mine in spec.teams], reward.dtype
    )
    return reward @ member


def own_ends(after: TimeStep) -> tuple[Bool[Array, "*B A"], Bool[Array, "*B A"]]:
    """Where each agent's own rewards end: for learners that pay every agent its own.

    With a team reward an agent that leaves ends nothing; the episode's own ``terminated`` and ``over`` count.

    Args:
        after: time steps that actions led to, leaves ``(...)``.

    Returns:
        ``terminated``, whose rewards are over; and ``over``, from whom nothing more is to be learnt after
        this step, be it bootstrapped from here or not.
    """
    left = ~after.active
    over = after.over[..., None] | left
    if after.truncated_alone is not None:
        left &= ~after.truncated_alone
    return after.terminated[..., None] | left, over
