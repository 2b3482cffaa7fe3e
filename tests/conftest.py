"""One compile cache for the whole test run, and quick compiles for the tests that are not slow."""

import gc
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

import hypothesis
import pytest

from tests.marks import IN_CI

hypothesis.settings.register_profile("qflock", deadline=None)  # a busy machine is no fault of an example
hypothesis.settings.load_profile("qflock")

QUICK_COMPILES = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
"""XLA's older code generator, and one module of LLVM a program instead of 32: half the time to compile."""


def pytest_configure(config):
    """Workers of one run share a folder; it goes when the run ends.

    The tests compile hundreds of small programs that run for milliseconds: two fifths of their time went into
    it, and a third of the slow ones'. Those train, so they are optimised; without workers they are compiled
    as users' runs are. JAX reads it when it is imported, and here it may be already: the variables are for
    workers, and processes that they start.
    """
    if config.getoption("numprocesses", None):
        if config.getoption("markexpr") == "not slow":
            os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        os.environ.setdefault("XLA_FLAGS", QUICK_COMPILES)
    gc.set_threshold(100_000, 20, 20)  # traced programs are millions of objects that stay
    os.environ["QFLOCK_TRUST"] = "1"  # tests name their own files in settings of every sort
    if "QFLOCK_CACHE" not in os.environ:
        folder = Path(tempfile.mkdtemp(prefix="qflock-tests-"))
        os.environ["QFLOCK_CACHE"] = str(folder)
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ["XDG_STATE_HOME"] = str(Path(os.environ["QFLOCK_CACHE"]) / "state")  # not the developer's own


HANGS = 900
"""Seconds after which a test fails, in place of the whole run's time going by."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A test that waits for ever fails with its stack. (qflock has SIGALRM for itself.)"""

    def late(signum, frame):
        pytest.fail(f"{item.nodeid} takes more than {HANGS} seconds")

    before = signal.signal(signal.SIGPROF, late)
    timer = threading.Timer(HANGS, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGPROF))
    timer.daemon = True
    timer.start()
    try:
        return (yield)
    finally:
        timer.cancel()
        signal.signal(signal.SIGPROF, before)


LONG = Path(__file__).parent / "long_tests.txt"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Mark the tests of long_tests.txt, before those that are not wanted are left out."""
    lines = LONG.read_text(encoding="utf-8").splitlines()
    long = {line for line in lines if line and not line.startswith("#")}
    for item in items:
        if item.nodeid in long:
            for mark in IN_CI:
                item.add_marker(mark)
    if any("::" in argument for argument in config.args):
        return
    files = {item.nodeid.partition("::")[0] for item in items}
    gone = {name for name in long if name.partition("::")[0] in files} - {item.nodeid for item in items}
    if gone:
        raise pytest.UsageError(f"{LONG.name} names tests that there are not: {', '.join(sorted(gone))}")


@pytest.fixture(scope="session", autouse=True)
def _compile_cache():
    from qflock.machine import device

    device.use("cpu")
