"""The names that everything is written in; this room imports nothing of the library's others.

An environment of one's own needs `Spec` and `TimeStep`, an algorithm `Learner` and `Policy` besides. Names
are imported when first used: errors and the version must not wait for JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qflock.core.environment import (
        Drawable,
        Environment,
        Exact,
        Referenced,
        ReferencePolicy,
        State,
        Symmetric,
    )
    from qflock.core.hooks import Hooks, RunFacts
    from qflock.core.learner import Dataset, Learner, Own, Policy, Rollout, Source
    from qflock.core.portable import ByChance, ByDensity, ByValue, Portable
    from qflock.core.spec import Box, Choices, Codes, Entities, Spec
    from qflock.core.steps import (
        Actions,
        Memory,
        Metrics,
        Mode,
        Parameters,
        Rows,
        Seen,
        TimeStep,
        own_ends,
        team_reward,
    )

_PLACES = {
    "environment": (
        "Drawable",
        "Environment",
        "Exact",
        "Referenced",
        "ReferencePolicy",
        "State",
        "Symmetric",
    ),
    "hooks": ("Hooks", "RunFacts"),
    "learner": ("Dataset", "Learner", "Own", "Policy", "Rollout", "Source"),
    "portable": ("ByChance", "ByDensity", "ByValue", "Portable"),
    "spec": ("Box", "Choices", "Codes", "Entities", "Spec"),
    "steps": (
        "Actions",
        "Memory",
        "Metrics",
        "Mode",
        "Parameters",
        "Rows",
        "Seen",
        "TimeStep",
        "own_ends",
        "team_reward",
    ),
}

__all__ = [
    "Actions",
    "Box",
    "ByChance",
    "ByDensity",
    "ByValue",
    "Choices",
    "Codes",
    "Dataset",
    "Drawable",
    "Entities",
    "Environment",
    "Exact",
    "Hooks",
    "Learner",
    "Memory",
    "Metrics",
    "Mode",
    "Own",
    "Parameters",
    "Policy",
    "Portable",
    "ReferencePolicy",
    "Referenced",
    "Rollout",
    "Rows",
    "RunFacts",
    "Seen",
    "Source",
    "Spec",
    "State",
    "Symmetric",
    "TimeStep",
    "own_ends",
    "team_reward",
]


def __getattr__(name: str) -> Any:
    for place, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(f"qflock.core.{place}"), name)
    raise AttributeError(f"module 'qflock.core' has no attribute {name!r}")
