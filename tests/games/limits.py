"""What cannot reach the optimum of a game, and why; all else must."""

from __future__ import annotations

LIMITS: dict[tuple[str, str], str] = {
    (
        "iql",
        "two_step",
    ): "each agent learns by itself, and while the other one explores, the safe table looks "
    "better; some seeds stay with its 7",
}
"""By learner and game; both networks. A new learner begins without any."""
