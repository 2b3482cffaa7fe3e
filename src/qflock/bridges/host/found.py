"""A host environment that was found: its name, where its code lies, and how one is made. Imports no JAX."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from qflock.bridges._options import Option
from qflock.bridges.host import constructors
from qflock.bridges.host.constructors import Call, Constructor
from qflock.bridges.host.places import InFile, InModule, Registered, Scenario
from qflock.core.errors import UserError

Library = Literal["pettingzoo", "gymnasium", "vmas"]
BASES: dict[Library, tuple[str, ...]] = {"pettingzoo": ("ParallelEnv", "AECEnv"), "gymnasium": ("Env",)}
"""Classes that a library's environments have as a base."""
USUAL_CLOCK = 100
"""Steps of an episode of VMAS's, as its authors' benchmarks have; its scenarios have no clock."""


@dataclass(frozen=True)
class Found:
    """An environment of another library, by name. It is pickled as name and place.

    Attributes:
        name: as the user wrote it.
        library: whose sort of environment it is.
        place: where its code lies.
    """

    name: str
    library: Library
    place: InModule | InFile | Registered | Scenario

    def __reduce__(self) -> Any:
        return Found, (self.name, self.library, self.place)

    @functools.cached_property
    def constructor(self) -> Constructor:
        """What is called to make one takes."""
        return constructors.read(self.place.makers())

    @functools.cached_property
    def registered(self) -> tuple[dict[str, Any], int | None]:
        """Arguments, and the limit of an episode's steps, that stand in Gymnasium's registry or are usual."""
        if isinstance(self.place, Scenario):
            return {}, USUAL_CLOCK
        if not isinstance(self.place, Registered):
            return {}, None
        spec = self.place.spec
        return dict(spec.kwargs), spec.max_episode_steps

    def options(self) -> dict[str, Option]:
        """The settings that it has, by name."""
        owner = {"pettingzoo": "PettingZoo", "gymnasium": "Gymnasium", "vmas": "VMAS"}[self.library]
        owner = "The environment" if isinstance(self.place, InFile) else owner
        return constructors.options(self.constructor, owner, *self.registered, self.library == "pettingzoo")

    def call(self, settings: Mapping[str, Any]) -> Call:
        """How to make it with these settings.

        Raises:
            UserError: see `constructors.call`.
        """
        return constructors.call(self.name, self.constructor, settings, *self.registered)

    def parallel(self, arguments: Mapping[str, Any]) -> Any:
        """One that steps all agents at once. Where agents take turns, only whose turn it is is heard.

        Args:
            arguments: of the constructor.

        Raises:
            UserError: what is made is no environment of PettingZoo's sort.
        """
        from pettingzoo import AECEnv
        from pettingzoo.utils.conversions import aec_to_parallel, turn_based_aec_to_parallel

        made = self.place.load()(**arguments)
        if isinstance(made, AECEnv):
            at_once = getattr(made, "metadata", {}).get("is_parallelizable", False)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of render modes that are not told
                made = aec_to_parallel(made) if at_once else turn_based_aec_to_parallel(made)
        if not hasattr(made, "possible_agents"):
            what = f"{type(made).__module__}.{type(made).__qualname__}"
            raise UserError(f"{self.name} makes a {what}, which has no possible_agents as PettingZoo's have")
        return made

    def single(self, arguments: Mapping[str, Any], horizon: int) -> Any:
        """One of Gymnasium's, cut off after so many steps.

        Args:
            arguments: of the constructor.
            horizon: steps.
        """
        import gymnasium
        from gymnasium.envs.registration import EnvSpec

        if isinstance(self.place, Registered):
            spec = self.place.spec
        else:
            spec = EnvSpec(self.place.attribute, self.place.load())
        return gymnasium.make(spec, max_episode_steps=horizon, disable_env_checker=True, **arguments)


def library_of(thing: Any) -> Library | None:
    """Whose environments a class is one of; None where it is no class, or of neither library.

    A class without a base of theirs is PettingZoo's where it has ``observation_space`` as they have.
    """
    if not isinstance(thing, type):
        return None
    for library, bases in BASES.items():
        module = sys.modules.get(library)  # a base of theirs has been imported
        if module is not None and issubclass(thing, tuple(getattr(module, base) for base in bases)):
            return library
    return "pettingzoo" if callable(getattr(thing, "observation_space", None)) else None
