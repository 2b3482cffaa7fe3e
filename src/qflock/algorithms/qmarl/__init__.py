"""QMARL: policies found by Markov chain Monte Carlo and its rivals, with a memory of the best."""

from qflock.algorithms.qmarl.learner import Config, build

__all__ = ["Config", "build"]
