"""What cannot reach the optimum of a game, and why; all else must."""

from __future__ import annotations

_HABIT = (
    "agents begin by answering with what they measured, a fair coin between waiting and doing, and settle "
    "for the reward at hand before they have seen what several right answers earn; without that start "
    "(`HABIT` 0) they reach it, and in CHSH most pairs ignore what they share"
)
_ALONE = (
    "each agent learns by itself, and while the other one explores, the safe table looks better; some seeds "
    "stay with its 7"
)
LIMITS: dict[tuple[str, str], str] = {
    ("iql", "two_step"): _ALONE,
    ("madqn", "two_step"): _ALONE,
    ("entangled", "leave_and_return"): _HABIT,
    ("entangled", "one_agent"): _HABIT,
    ("entangled", "one_legal_action"): _HABIT,
    (
        "qmarl",
        "clock",
    ): "it scores episodes as they are played: what would come after the clock is not in them",
}
"""By learner and game; both networks. A new learner begins without any."""
