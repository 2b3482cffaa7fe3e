"""VMAS's scenarios as ours: ``vmas:balance``, ``vmas:navigation`` ... (Bettini et al. 2022).

They are PyTorch and step many copies in one call: each worker holds one batch of them; see `bridges.host`.
"""

from __future__ import annotations

import functools

from qflock.bridges.host import hosted, vmas_scenarios
from qflock.bridges.host.found import Found
from qflock.bridges.host.places import Scenario
from qflock.core.errors import unknown


@functools.cache
def environment_class(target: str) -> type:
    """The class behind ``vmas:<target>``.

    Raises:
        UserError: VMAS is not installed, or has no such scenario.
    """
    library = vmas_scenarios.library()
    known = [*library.scenarios, *library.mpe_scenarios, *library.debug_scenarios]
    if target not in known:
        raise unknown("VMAS scenario", target, known)
    return hosted.class_of(Found(f"vmas:{target}", "vmas", Scenario(target)))
