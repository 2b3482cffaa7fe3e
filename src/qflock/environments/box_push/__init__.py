"""BoxPush: agents with a 7 x 7 view push boxes onto goals; heavy boxes need two of them in line."""

from qflock.environments.box_push.game import Config, Environment

__all__ = ["Config", "Environment"]
