"""How many agents there are, where a learner has a setting for it: the environment's setting follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from qflock.core.errors import UserError

NUMBER = "n_agents"
"""The setting of environments that can have other numbers of agents."""


def set_number(values: dict[str, Any], name: str, environment: Mapping[str, Any]) -> None:
    """Give an environment that can have other numbers of agents the one that the learner's setting names.

    Args:
        values: settings by name, which are changed.
        name: of the learner's setting; empty for none.
        environment: the environment's settings by name.

    Raises:
        UserError: the environment's own setting was given too, and is another number.
    """
    count, own = values.get(name, 0), f"env.{NUMBER}"
    if count and NUMBER in environment:
        _need_one(name, count, values.setdefault(own, count))


def followed(environment: Any, learner: Any, typed: bool) -> Any:
    """An environment's settings with the number of agents that the learner's settings name, where it has one.

    Args:
        environment, learner: their settings.
        typed: the environment's own setting was given too.

    Raises:
        UserError: it was, and is another number.
    """
    name = getattr(type(learner), "AGENTS", "")
    count = getattr(learner, name, 0)
    if not count or not hasattr(environment, NUMBER):
        return environment
    if typed:
        _need_one(name, count, getattr(environment, NUMBER))
    return dataclasses.replace(environment, **{NUMBER: count})


def _need_one(name: str, count: int, other: int) -> None:
    if other != count:
        raise UserError(f"{name} is {count} and env.{NUMBER} {other}; leave one of them out")
