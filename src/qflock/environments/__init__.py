"""Environments by name: one file or folder each."""

from qflock.core import listed as _listed

_listed.make(__name__)
