"""Old module names: what users wrote against them goes on working, with a notice, for two minor versions."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import warnings
from types import ModuleType
from typing import Any, cast

GONE_IN = "0.3"
_NEW_ROOMS = {
    "core": "errors",
    "settings": "config registry trust",
    "machine": "device processes",
    "files": "runs.storage runs.tensors",
    "learning": "parts.targets parts.advantages parts.replay parts.optimiser parts.exploration parts.entropy",
    "networks": "parts.recurrent parts.normalise parts.inputs parts.agents parts.critics parts.mixers",
    "playing": "parts.rollout parts.evaluation parts.host_rollout",
    "search": "parts.metropolis parts.langevin parts.blocks parts.tempering parts.estimators parts.scoring",
}
MOVED = {
    **{old: f"{room}.{old.split('.')[-1]}" for room, olds in _NEW_ROOMS.items() for old in olds.split()},
    "parts": "",
    "types": "core",
    "parts.networks": "networks.by_name",
    "parts.circuits": "networks.circuit",
    "parts.lookup": "networks.lookup",
    "parts.policies": "learning.categorical",
    "parts.conformance": "playing.conformance.checks",
    "parts.host_conformance": "playing.conformance.host",
    "parts.host_worker": "bridges.host.groups",
    "parts.host_workers": "bridges.host.workers",
    "bridges._pettingzoo_copy": "bridges.host.pettingzoo_copy",
    "bridges._gymnasium_copy": "bridges.host.gymnasium_copy",
    "bridges._spaces": "bridges.host.spaces",
    "runs.log": "files.csv_log",
    "evidence.comparability": "evidence.comparison.fairness",
    "evidence.plots": "evidence.figures.plots",
    "evidence.animation": "evidence.figures.animation",
    "evidence.statistics": "evidence.comparison.statistics",
    "evidence.watching": "evidence.replay.watching",
}
"""Old name below ``qflock`` -> new one."""


class Finder:
    """Finds what moved, where nothing is found under the old name any more, and loads it.

    A finder and a loader by its methods: importlib.abc, their base classes, costs every command 16 ms.
    """

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module that moved; None for any other.

        Args:
            fullname: the old name.
            path: not used.
            target: not used.
        """
        package, _, old = fullname.partition(".")
        if package != "qflock" or old not in MOVED:
            return None
        return importlib.machinery.ModuleSpec(fullname, cast(Any, self), is_package=old == "parts")

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        if old == "qflock.parts":  # a room that is no more: its files are found one by one
            return
        new = f"qflock.{MOVED[old.partition('.')[2]]}"
        notice = f"{old} is {new} now; the old name goes with version {GONE_IN}"
        warnings.warn(notice, DeprecationWarning, stacklevel=2)
        sys.modules[old] = importlib.import_module(new)


def install() -> None:
    """Have old names found, after all other ways of finding a module."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())
