"""``python -m qflock`` is the command ``qflock``."""

import sys

from qflock.commands import main

if __name__ == "__main__":
    sys.exit(main())
