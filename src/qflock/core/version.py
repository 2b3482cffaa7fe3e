"""The one version number; packaging reads it from here."""

__version__ = "0.2.0"
