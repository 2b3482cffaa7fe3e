"""The command ``qflock``, also as ``python -m qflock``."""

import sys

from qflock.core import system
from qflock.core.printing import notice


def main() -> int:
    """The command line of this process; returns its exit status."""
    if reason := system.missing():
        notice(reason)
        return 2
    from qflock import commands  # which this system may lack modules for

    return commands.main()


if __name__ == "__main__":
    sys.exit(main())
