"""PettingZoo's parallel environments as ours: ``pettingzoo:mpe2.simple_spread_v3``.

The name after the colon is a module with a ``parallel_env``. Copies live in workers; see `bridges.host`.
Observations are flattened and padded, so are actions, with masks; agents that have left are inactive.
"""

from __future__ import annotations

import functools
import inspect
from typing import Literal

from qflock.bridges import _options
from qflock.bridges._options import Option
from qflock.bridges.host import hosted
from qflock.bridges.host.pettingzoo_copy import Copy, module_of
from qflock.settings import trust

EXTRA = "zoo"
NO_SETTINGS = ("render_mode", "viewer", "screen", "self", "env")
OWN = {
    "state": Option(
        Literal["own", "observations"],
        "own",
        "What mixers see: the environment's own state, where it has one, or all observations.",
    ),
    "shared_reward": hosted.SHARED_REWARD,
}
LIMIT = Option(int, hosted.UNKNOWN_CLOCK, "Steps after which an episode is cut off.")


@functools.cache
def environment_class(target: str) -> type:
    """The class behind ``pettingzoo:<target>``.

    Raises:
        UserError: PettingZoo or the environment's package is not installed, or there is no such module.
    """
    _options.library("pettingzoo", EXTRA)
    trust.check_module(f"pettingzoo:{target}", target)
    module = module_of(target)
    options: dict[str, Option] = {}
    for maker in (module.parallel_env, getattr(module, "raw_env", None)):
        if maker is not None and not options:
            options = _options.of_constructor(maker, NO_SETTINGS, "PettingZoo")
        if maker is not None and not _takes_anything(maker):
            break
    if "max_cycles" not in options:
        options["max_steps"] = LIMIT
    return hosted.class_of(f"pettingzoo:{target}", Copy, {**options, **OWN})


def _takes_anything(maker: object) -> bool:
    """Whether a constructor's own signature hides its parameters behind ``**kwargs``."""
    kinds = [p.kind for p in inspect.signature(maker).parameters.values()]  # type: ignore[arg-type]
    return inspect.Parameter.VAR_KEYWORD in kinds
