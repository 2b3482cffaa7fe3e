"""How many agents there are, where a learner has a setting for it: the environment's setting follows."""

from __future__ import annotations

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
    if not count or NUMBER not in environment:
        return
    if values.setdefault(own, count) != count:
        raise UserError(f"{name} is {count} and {own} {values[own]}; leave one of them out")
