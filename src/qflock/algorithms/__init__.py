"""Algorithms by name: one file or package each; families share folders with a leading underscore."""

from qflock.core import listed as _listed

_listed.make(__name__)
