"""Does an environment keep its promises? `findings` asks whichever kind it is."""

from __future__ import annotations

from typing import Any


def misshapen(env: Any) -> list[str]:
    """What `findings` says of sizes, shapes and types; of a pure environment, without playing it."""
    from qflock.bridges.host.workers import HostEnvironment
    from qflock.playing.conformance import checks

    return [] if isinstance(env, HostEnvironment) else checks.of_shapes(env)


def findings(env: Any) -> list[str]:
    """All that is wrong with an environment, pure or stepped on the host; nothing where it is fine."""
    from qflock.bridges.host.workers import HostEnvironment
    from qflock.playing.conformance import checks, host

    return host.findings(env) if isinstance(env, HostEnvironment) else checks.findings(env)
