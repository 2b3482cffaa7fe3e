"""eQMARL: an actor-critic whose joint critic is a circuit with entangled agents, or a dense network."""

from qflock.algorithms.eqmarl.learner import Config, build

__all__ = ["Config", "build"]
