"""Gymnasium's environments as ours, teams or a team of one agent: ``gymnasium:CartPole-v1``.

Copies live in workers; see `bridges.host`.
"""

from __future__ import annotations

import functools
from typing import Any

from qflock.bridges import _options
from qflock.bridges._options import Option
from qflock.bridges.host import hosted
from qflock.bridges.host.gymnasium_copy import Copy
from qflock.core.errors import UserError
from qflock.settings import trust

EXTRA = "zoo"
NO_SETTINGS = ("render_mode", "max_episode_steps")


@functools.cache
def environment_class(target: str) -> type:
    """The class behind ``gymnasium:<target>``.

    Raises:
        UserError: Gymnasium is not installed, or has no such environment.
    """
    library: Any = _options.library("gymnasium", EXTRA)
    if ":" in target:
        trust.check_module(f"gymnasium:{target}", target.partition(":")[0])
    try:
        spec = library.spec(target)
        maker = library.envs.registration.load_env_creator(spec.entry_point)
    except (library.error.Error, ImportError, AttributeError) as problem:
        raise UserError(f"gymnasium:{target}: {' '.join(str(problem).split())}") from problem
    options = _options.of_constructor(maker, NO_SETTINGS, "Gymnasium")
    for name, value in spec.kwargs.items():  # what this id changes of its class's defaults
        if name in options:
            options[name] = options[name]._replace(default=value)
    limit = spec.max_episode_steps or hosted.UNKNOWN_CLOCK
    options["max_steps"] = Option(int, limit, "Steps after which an episode is cut off.")
    options["shared_reward"] = hosted.SHARED_REWARD
    return hosted.class_of(f"gymnasium:{target}", Copy, options)
