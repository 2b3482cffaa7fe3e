"""The toy, as an algorithm that says that it trains several teams."""

from tests.runs.train.toy import Config, build

__all__ = ["SEVERAL_TEAMS", "Config", "build"]

SEVERAL_TEAMS = True
