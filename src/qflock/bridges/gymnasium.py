"""Gymnasium's environments as ours, teams or a team of one agent: ``gymnasium:CartPole-v1``.

The name after the colon is an id, ``module:Id`` of one that a module registers, or a class or function in a
module. Copies live in workers; see `bridges.host`.
"""

from __future__ import annotations

import functools

from qflock.bridges import _options
from qflock.bridges.host import finding, hosted

EXTRA = "zoo"


@functools.cache
def environment_class(target: str) -> type:
    """The class behind ``gymnasium:<target>``.

    Raises:
        UserError: Gymnasium is not installed, or has no such environment.
    """
    _options.library("gymnasium", EXTRA)
    return hosted.class_of(finding.gymnasium(target))
