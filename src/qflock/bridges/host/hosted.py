"""What host environments of any library share: a Spec from one copy, and an example of a time step."""

from __future__ import annotations

import functools
import os
import pickle
from typing import Any, ClassVar, Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from qflock.bridges import _adversaries, _options
from qflock.bridges.host import (
    constructors,
    groups,
    gymnasium_copy,
    pettingzoo_copy,
    pictures,
    places,
    vmas_copy,
    watch,
)
from qflock.bridges.host.found import Found
from qflock.bridges.host.groups import HostCopy
from qflock.bridges.host.watch import Limits
from qflock.core.errors import UserError, in_short
from qflock.core.spec import Spec
from qflock.core.steps import TimeStep
from qflock.settings import foreign


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
    """Makes a copy of an environment that was found."""

    def __call__(self, target: Found, settings: dict[str, Any], /, pictured: bool = False) -> Made:
        """The copy; it fails with any error where it cannot be made.

        Args:
            target: the environment.
            settings: of the environment, by name.
            pictured: whether it has a ``picture`` to look at.
        """
        ...


class Hosted:
    """A `HostEnvironment`: copies are made and stepped by workers, never inside a compiled program.

    It is no pure function. ``reset`` shows an example, and ``step`` refuses: playing goes through `copy`.
    Class attributes `Config`, `found` and `maker` come with each class that a bridge makes.
    """

    Config: ClassVar[type]
    found: ClassVar[Found]
    maker: ClassVar[Maker]

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config
        settings, found = _options.values(self.config), self.found
        self.name, ours = found.name, constructors.names(found.constructor)
        self.workers = settings[ours["workers"]]
        self.worker_count = self._count(settings, ours["worker_count"])
        self.evaluation_copies = self._count(settings, ours["evaluation_copies"])
        self.limits = self._limits(settings, ours)
        self.copy = functools.partial(type(self).maker, found, settings)
        self.pictured = functools.partial(type(self).maker, found, settings, pictured=True)
        together = getattr(type(self).maker, "together", None)
        self.together = None if together is None else functools.partial(together, found, settings)
        with watch.watched(self.name, self.limits) as note:
            note.call(0, watch.MAKING)
            one = foreign.need(lambda: groups.made(self.copy, 0), f"{self.name} cannot be made")
            note.call(0, watch.CLOSE)
            foreign.close(one, self.name)
        _adversaries.tell(self.name, getattr(one, "names", ()))
        if self.workers == "processes":
            self._see_that_it_travels()
        self.spec = Spec(
            name=self.name,
            agents=one.agents,
            action=one.action,
            observation=one.observation,
            state=one.state,
            horizon=one.horizon,
            return_range=(-float("inf"), float("inf")),
            shared_reward=constructors.shared(found.constructor, settings),
            agents_return=True,
        )
        self._dtypes = (one.dtype, one.state_dtype)

    @classmethod
    def shows_itself(cls) -> bool:
        """Whether its copies can be drawn, as far as their class tells."""
        return pictures.likely(cls.found)

    def _count(self, settings: dict[str, Any], name: str) -> int:
        """A setting that counts something."""
        if settings[name] < 0:
            raise UserError(f"{self.name}: {name} is {settings[name]}; it must not be negative")
        return settings[name]

    def _limits(self, settings: dict[str, Any], ours: dict[str, str]) -> Limits:
        """What workers may take."""
        patience, memory_limit = (float(settings[ours[name]]) for name in ("patience", "memory_limit"))
        for name, value in (("patience", patience), ("memory_limit", memory_limit)):
            if value < 0:
                raise UserError(f"{self.name}: {ours[name]} is {value}; it must not be negative")
        if memory_limit and (self.workers != "processes" or not os.path.isdir("/proc/self")):
            raise UserError(f"{self.name}: {ours['memory_limit']} is for worker processes, on Linux")
        return Limits(patience, memory_limit, ours["patience"].removesuffix("patience"))

    def _see_that_it_travels(self) -> None:
        """Refuse, before there is a run, what cannot be sent to a worker process."""
        try:
            pickle.dumps(self.copy)
        except Exception as problem:
            why = in_short(str(problem), 200)
            raise UserError(
                f"{self.name} cannot be sent to worker processes ({why}); {places.ELSEWHERE}"
            ) from problem

    def __reduce__(self) -> Any:
        return again, (self.found, _options.values(self.config))

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


def again(found: Found, settings: dict[str, Any]) -> Hosted:
    """An environment made once more, from where its code lies: what one is pickled as.

    Args:
        found: the environment.
        settings: all of them, by name.
    """
    kind: Any = class_of(found)
    return kind(kind.Config(**settings))


def class_of(found: Found) -> type:
    """The environment class of what was found.

    Args:
        found: whose copies `pettingzoo_copy`, `gymnasium_copy` or `vmas_copy` steps.
    """
    copies = {"pettingzoo": pettingzoo_copy.Copy, "gymnasium": gymnasium_copy.Copy, "vmas": vmas_copy.Copy}
    maker = copies[found.library]
    body = {
        "__doc__": f"{found.name}, stepped on the host.",
        "Config": _options.config_class(found.name, found.options()),
        "found": found,
        "maker": staticmethod(maker),
    }
    return type("Environment", (Hosted,), body)
