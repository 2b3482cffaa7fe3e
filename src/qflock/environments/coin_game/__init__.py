"""CoinGame-2: two agents on a 3 x 3 board gather coins, and should leave each other's alone."""

from qflock.environments.coin_game.game import Config, Environment

__all__ = ["Config", "Environment"]
