"""What host environments of any library share: a Spec from one copy, and an example of a time step."""

from __future__ import annotations

import functools
from typing import Any, ClassVar, Literal, Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from qflock.bridges import _options
from qflock.bridges._options import Option
from qflock.bridges.host.worker import HostCopy
from qflock.core.errors import UserError
from qflock.core.spec import Choices, Spec
from qflock.core.steps import TimeStep

UNKNOWN_CLOCK = 1000
"""Steps of an episode where neither the environment nor the user sets a limit."""

WORKERS = {
    "workers": Option(
        Literal["processes", "threads", "serial"],
        "processes",
        "Where copies are stepped; serial: right here.",
    ),
    "worker_count": Option(int, 0, "How many worker processes or threads; 0 for one on each core."),
}
SHARED_REWARD = Option(bool, False, "Every agent is paid the same team reward; else the team's is the sum.")


class Made(HostCopy, Protocol):
    """A copy that says the sizes of its Spec, and the types of observation and state."""

    agents: int
    actions: int
    observation: int
    state: int
    horizon: int
    dtype: np.dtype
    state_dtype: np.dtype


class Maker(Protocol):
    """Makes a copy of what a name without its prefix means."""

    def __call__(self, target: str, settings: dict[str, Any], /) -> Made:
        """The copy; it fails with any error where it cannot be made.

        Args:
            target: the name without its prefix.
            settings: of the environment, by name.
        """
        ...


class Hosted:
    """A `HostEnvironment`: copies are made and stepped by workers, never inside a compiled program.

    It is no pure function. ``reset`` shows an example, and ``step`` refuses: playing goes through `copy`.
    Class attributes `Config`, `name` and `maker` come with each class that a bridge makes.
    """

    Config: ClassVar[type]
    name: ClassVar[str]
    maker: ClassVar[Maker]

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config
        settings = _options.values(self.config)
        self.workers = settings.pop("workers")
        self.worker_count = settings.pop("worker_count")
        shared = settings.get("shared_reward", False)
        if self.worker_count < 0:
            raise UserError(f"{self.name}: worker_count is {self.worker_count}; it must not be negative")
        self.copy = functools.partial(type(self).maker, self.name.partition(":")[2], settings)
        try:
            one = self.copy()
        except UserError:
            raise
        except Exception as problem:
            text = " ".join(str(problem).split())[:300]
            raise UserError(f"{self.name} cannot be made: {type(problem).__name__}: {text}") from problem
        self.spec = Spec(
            name=self.name,
            agents=one.agents,
            action=Choices(one.actions),
            observation=one.observation,
            state=one.state,
            horizon=one.horizon,
            return_range=(-float("inf"), float("inf")),
            shared_reward=shared,
            agents_return=True,
        )
        self._dtypes = (one.dtype, one.state_dtype)
        one.close()

    def reset(self, key: PRNGKeyArray) -> tuple[Any, TimeStep]:
        """An example of a time step, all zeros: learners ask it for shapes and types."""
        del key
        spec, (seen, world) = self.spec, self._dtypes
        no = jnp.bool_(False)
        return (), TimeStep(
            observation=jnp.zeros((spec.agents, spec.observation), seen),
            state=jnp.zeros(spec.state, world),
            legal=jnp.ones((spec.agents, spec.masked), bool),
            active=jnp.ones(spec.agents, bool),
            reward=jnp.zeros(spec.agents),
            terminated=no,
            truncated=no,
            measures={},
            truncated_alone=jnp.zeros(spec.agents, bool),
        )

    def step(self, key: PRNGKeyArray, state: Any, actions: Any) -> tuple[Any, TimeStep]:
        """Refuse, in words: what is written for pure environments gets here with a host environment.

        Args:
            key: not used.
            state: not used.
            actions: not used.

        Raises:
            UserError: always; only copies can be stepped.
        """
        raise UserError(f"{self.name} is no pure function: only `qflock train` and `evaluate` can play it")


def class_of(name: str, maker: Maker, options: dict[str, Option]) -> type:
    """The environment class of one name; ``maker(target, settings)`` makes a copy.

    Args:
        name: with its prefix, as in ``pettingzoo:target``.
        maker: ``maker(target, settings)`` makes a copy.
        options: the environment's own settings, by name.
    """
    body = {
        "__doc__": f"{name}, stepped on the host.",
        "Config": _options.config_class(name, {**options, **WORKERS}),
        "name": name,
        "maker": staticmethod(maker),
    }
    return type("Environment", (Hosted,), body)
