"""PettingZoo's environments as ours: ``pettingzoo:mpe2.simple_spread_v3``, ``pettingzoo:my_module:MyEnv``.

The name after the colon is a module with a ``parallel_env`` or an ``env``, or a class or function in one.
Copies live in workers; see `bridges.host`. Observations are flattened and padded, so are actions, with
masks; agents that have left are inactive.
"""

from __future__ import annotations

import functools

from qflock.bridges import _options
from qflock.bridges.host import finding, hosted

EXTRA = "zoo"


@functools.cache
def environment_class(target: str) -> type:
    """The class behind ``pettingzoo:<target>``.

    Raises:
        UserError: PettingZoo or the environment's package is not installed, or there is no such module.
    """
    _options.library("pettingzoo", EXTRA)
    return hosted.class_of(finding.pettingzoo(target))
