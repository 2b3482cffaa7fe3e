"""A file of PyMARL's settings, known by its names."""

from __future__ import annotations

from collections.abc import Iterable

NAMES = {
    "action_selector",
    "batch_size_run",
    "env_args",
    "epsilon_finish",
    "hypernet_embed",
    "learner",
    "mac",
}
"""Some names of PyMARL's settings, which EPyMARL's and PyMARL2's files share."""
ADVICE = (
    "; these are PyMARL's names: configs/qmix_pymarl2.yaml in qflock's repository has its QMIX under ours"
)


def advice(names: Iterable[str]) -> str:
    """What an error about a file of settings ends with; empty where they are not PyMARL's.

    Args:
        names: of the settings in the file.
    """
    return ADVICE if len(NAMES & set(names)) > 1 else ""
