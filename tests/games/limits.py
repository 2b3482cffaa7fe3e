"""What cannot reach the optimum of a game, and why; all else must."""

from __future__ import annotations

LIMITS: dict[tuple[str, str], str] = {}
"""By learner and game; both networks. A new learner begins without any."""
