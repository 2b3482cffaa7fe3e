"""The library from Python. Each function is what the command of that name runs."""

from qflock.api.looking import compare, report, watch
from qflock.api.making import make, to_pettingzoo
from qflock.api.policies import evaluate, export, load, load_exported
from qflock.api.run import Run, find_runs
from qflock.api.training import resume, train
from qflock.evidence.catalogue import algorithms, environments

__all__ = [
    "Run",
    "algorithms",
    "compare",
    "environments",
    "evaluate",
    "export",
    "find_runs",
    "load",
    "load_exported",
    "make",
    "report",
    "resume",
    "to_pettingzoo",
    "train",
    "watch",
]
