"""Trains golden runs in a process of its own, whose JAX compiles the same way whoever starts it.

Bits depend on how JAX compiles. Whatever the tests around it use, a golden run sees two simulated devices,
one thread for each product, and quick compiles.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from tests.golden_runs.cases import CASES, COMMON

ROOT = Path(__file__).parents[2]
SWITCHES = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false --xla_force_host_platform_device_count=2 "
    "--xla_cpu_use_fusion_emitters=false",  # without fusion emitters, compiling takes half the time
}
COMPUTING = ("jax", "jaxlib", "numpy", "equinox", "optax", "blackjax", "evosax", "gymnasium", "pettingzoo")
"""Libraries whose arithmetic, or whose games, are in the bits."""
PATIENCE = 900.0
"""Seconds for one run on a very busy machine."""


def fingerprint() -> dict[str, str]:
    """What must be equal for two runs to have the same bits: processor, libraries, switches."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().split("\n\n")[0].splitlines() if facts.exists() else []
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = " ".join(sorted(told.get("flags", told.get("Features", "")).split()))
    found = {"machine": platform.machine(), "processor": told.get("model name", platform.processor())}
    found["flags"] = hashlib.sha256(flags.encode()).hexdigest()[:16]
    for name in COMPUTING:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found | SWITCHES


class Trainer:
    """A process that trains one case after another, started with the first."""

    def __init__(self, folder: Path) -> None:
        """Args:
        folder: where runs go, each into ``folder/NAME``; exists.
        """
        self.folder = folder
        self._process: subprocess.Popen[str] | None = None

    def train(self, name: str) -> Path:
        """The folder of a case's run, trained now.

        Raises:
            RuntimeError: it could not be trained; what the command said is the message.
        """
        if self._process is None or self._process.poll() is not None:
            self._process = self._started()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = threading.Timer(PATIENCE, self._process.kill)
        watch.start()
        try:
            print(name, file=self._process.stdin, flush=True)
            status = self._process.stdout.readline().strip()
        finally:
            watch.cancel()
        if status != "0":
            told = (self.folder / f"{name}.txt").read_text(errors="replace")
            raise RuntimeError(f"golden run {name} ended with {status or 'its process'}:\n{told[-3000:]}")
        return self.folder / name

    def _started(self) -> subprocess.Popen[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_", "QFLOCK_PROCESS"))}
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        own = {"QFLOCK_TRUST": "1", "PYTHONPATH": path, "XDG_STATE_HOME": str(self.folder / "state")}
        command = [sys.executable, "-m", "tests.golden_runs.trainer", str(self.folder)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env={**kept, **SWITCHES, **own}, cwd=ROOT, stdin=pipe, stdout=pipe, text=True
        )

    def __enter__(self) -> Trainer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.communicate()


def _train_what_is_asked_for(folder: Path) -> None:
    """Each line of the standard input names a case; the answer is the command's exit status."""
    from qflock.commands import main
    from qflock.evidence.figures import illustrate

    illustrate.illustrate = lambda path: None  # slower than a run, and drawn from what is compared anyway
    for line in sys.stdin:
        name = line.strip()
        words = ["train", *CASES[name].train.split(), *COMMON.split(), "--quiet"]
        with (
            (folder / f"{name}.txt").open("w") as told,
            contextlib.redirect_stdout(told),
            contextlib.redirect_stderr(told),
        ):
            status = main([*words, "--run_dir", str(folder / name)])
        print(status, flush=True)


if __name__ == "__main__":
    _train_what_is_asked_for(Path(sys.argv[1]))
