"""A user's module that imports the one beside it, and hides the parameters behind ``**settings``."""

from orchard import Orchard


def parallel_env(**settings):
    return Orchard(**settings)


class LateOrchard(Orchard):
    """Passes on what it does not know itself."""

    def __init__(self, delay=3, **more):
        super().__init__(**more)
        self.delay = delay


class EarlyOrchard(Orchard):
    """Gives its base what it has settled itself, and passes on the rest."""

    def __init__(self, **more):
        super().__init__(max_steps=7, **more)


def plain():
    return Orchard()


def annotated(size: int, **settings) -> Orchard:
    return Orchard(max_steps=size, **settings)
