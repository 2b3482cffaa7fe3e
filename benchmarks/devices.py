"""One seed of QMIX on GridWorld25v0 on all cores of a CPU, as devices that share its batches or as one.

Environment steps per second while it trains, and their ratio. Devices must be there before JAX is first used,
so each measurement is a process of its own. They take turns, and the best of each counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks import training, whole_run
from qflock.machine import children, device
from qflock.settings import config

CHUNKS = 5


def benchmark(quick: bool = False) -> dict[str, Any]:
    """Two turns of each, or one."""
    cores = len(os.sched_getaffinity(0))
    found: dict[int, list[float]] = {1: [], cores: []}
    for _ in range(1 if quick else 2):
        for devices, rates in found.items():
            rates.append(_in_a_process(devices))
    best = {devices: max(rates) for devices, rates in found.items()}
    return {
        "config": whole_run.CONFIG.name,
        **{f"steps_per_second_on_{devices}": round(rate) for devices, rate in best.items()},
        "ratio_to_one_device": round(best[cores] / best[1], 2),
    }


def _in_a_process(devices: int) -> float:
    done = children.run("benchmarks.devices", str(devices), check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def measure(devices: int) -> float:
    """Environment steps per second while it trains, compilation apart."""
    device.use("cpu", devices=devices)
    settings = config.resolve(config=whole_run.CONFIG, overrides={"devices": devices})
    return training.measure(settings, CHUNKS)["best_steps_per_second"]


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
