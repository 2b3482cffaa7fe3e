"""The user's own parts that README names."""

from qflock.parts.mixers import Sum as Mixer
from qflock.parts.networks import MLP as Net

__all__ = ["Mixer", "Net"]
