"""A pure environment that prints when it is imported and traced: from Python, past it, and from C."""

import ctypes
import os

from tests.tiny import Echo

print("talker: imported")
os.write(1, b"talker: past Python\n")
ctypes.CDLL(None).puts(b"talker: from C")


class Talker(Echo):
    """As `Echo`."""

    def reset(self, key):
        print("talker: reset")
        return super().reset(key)
