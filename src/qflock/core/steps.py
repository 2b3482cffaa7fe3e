"""What an environment shows at a step, what an agent may see of it, and stretches of experience.

Axis letters, fixed here for the whole library: ``A`` agents, ``U`` actions, ``O`` observation size,
``S`` state size, ``B`` environments side by side, ``T`` time, ``N`` whatever else there is many of.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped

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

    @property
    def options(self) -> Bool[Array, "*B A U"]:
        """The legal actions, as learning counts them: an agent that has left has one, its first."""
        if not self.legal.shape[-1]:
            return self.legal
        only = jnp.arange(self.legal.shape[-1]) == self.legal.argmax(-1)[..., None]
        return jnp.where(self._bootstrapped[..., None], self.legal, only)

    def settled(self, actions: Int[Array, "*B A"]) -> Int[Array, "*B A"]:
        """Numbers of actions, as learning counts them: agents that have left take the one that they have.

        Args:
            actions: of all agents, ``(..., A)``.
        """
        return jnp.where(self._bootstrapped, actions, self.legal.argmax(-1).astype(actions.dtype))

    @property
    def _bootstrapped(self) -> Bool[Array, "*B A"]:
        """Whose choices count here: those who are there, or whose own clock has just run out."""
        return self.active if self.truncated_alone is None else self.active | self.truncated_alone


class Transitions(NamedTuple):
    """What learning makes targets of, for the team ``(T, B)`` or for each agent ``(T, B, A)``.

    Attributes:
        reward: of the step.
        terminated: nothing comes after the step: targets do not bootstrap.
        over: the step is the last one: no return reaches across it.
        mask: the value before the step is trained. Every value that a target bootstraps from is.
    """

    reward: Float[Array, "T B ..."]
    terminated: Bool[Array, "T B ..."]
    over: Bool[Array, "T B ..."]
    mask: Bool[Array, "T B ..."]


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
    def chosen(self) -> Bool[Array, "T B A"]:
        """Rows in which an agent chose: it was there, and could do more than one thing (or has a Box)."""
        now = self.before
        return self.valid[..., None] & now.active & (now.legal.sum(-1) != 1)

    @property
    def before(self) -> TimeStep:
        """The time steps that actions answered, leaves ``(T, B, ...)``."""
        return jax.tree.map(lambda x: x[:-1], self.timestep)

    @property
    def after(self) -> TimeStep:
        """The time steps that actions led to, leaves ``(T, B, ...)``."""
        return jax.tree.map(lambda x: x[1:], self.timestep)

    def of_team(self, spec: Spec) -> Transitions:
        """The team's transitions: they go on until the episode ends, whoever has left.

        Args:
            spec: of the environment.
        """
        later = self.after
        reward = team_reward(spec, later.reward)
        return Transitions(reward, later.terminated, later.over, self.valid)

    def of_agents(self, spec: Spec, reward: Literal["team", "own"] = "team") -> Transitions:
        """Each agent's transitions, by the one rule for agents that leave.

        With the team's reward an agent that has left is like one that stays with one legal action: its value
        goes on, and is trained, until the team's episode ends. With its own reward leaving is its end.

        Args:
            spec: of the environment.
            reward: what agents learn from; where all are paid the same, their own is the team's.
        """
        later = self.after
        each = lambda x: jnp.broadcast_to(x[..., None], later.active.shape)
        valid = each(self.valid)
        if reward == "own" and not spec.shared_reward:
            return Transitions(later.reward, *own_ends(later), valid & self.before.active)
        paid = team_reward(spec, later.reward)
        paid = paid[..., jnp.array(spec.teams)] if spec.teams else each(paid)
        return Transitions(paid, each(later.terminated), each(later.over), valid)


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
