"""How the run folders beside this file were made, by commit 0119746. They are never made again.

They stand for runs that users have: every later version of qflock must go on reading them, or refuse them in
one clear line. To make them anew would be to test nothing. If a new sort of run is to be kept, add a folder
made by the version that first writes it, and leave these alone.

They were made in a fresh clone of that commit, in its folder ``tests/old_runs``, with::

    PYTHONPATH=../../src python make.py

which runs, for each entry of `RUNS`, ``qflock train ALGORITHM SETTINGS --run_dir NAME`` (so that no path of
the machine is written anywhere), stops `STOPPED` with SIGTERM, removes pictures, locks and all states but the
newest, and writes ``golden.json``: what ``qflock evaluate`` said of each run's weights and what the exported
policies put out.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import qflock
from qflock.core.errors import UserError

HERE = Path(__file__).parent
OFTEN = "--log_interval 64 --eval_interval 128 --eval_episodes 8 --final_episodes 16 --save_interval 40"
REPLAY = (
    "--copies 4 --steps 8 --buffer_capacity 128 --min_buffer_size 32 --batch_size 16 --train_frequency 32"
)
REPLAY += " --target_update_interval 64 --epsilon_decay 200 --mixer_embed 4 --mixer_hyper 8"
GRID = "--env gridworld25 --env.grid_size 5 --env.max_steps 12"
CIRCUIT = "--circuit_qubits 3 --circuit_layers 2"

RUNS = {
    "qmix_mlp": f"qmix --env two_step --seeds 2 --seed 3 --total_steps 256 --hidden 8 {REPLAY}",
    "qmix_gru": "qmix --env two_step --total_steps 100000000 --network gru --hidden 8 6 --last_action"
    f" {REPLAY}",
    "pqn": f"pqn_vdn {GRID} --total_steps 384 --hidden 8 8 --copies 8 --steps 4",
    "mappo": f"mappo {GRID} --total_steps 384 --hidden 8 --critic_hidden 8 --copies 4 --steps 8"
    " --minibatches 2",
    "qio": f"qio {GRID} --total_steps 384 --hidden 8 --critic_hidden 8 --copies 4 --steps 8 --operator mean"
    " --minibatches 2",
    "eqmarl": "eqmarl --env coin_game --env.max_steps 8 --total_steps 384 --copies 4 --qubits 4 --layers 2",
    "entangled": "entangled --env chsh --total_steps 384 --hidden 8 --copies 32 --steps 2",
    "wqmix": f"wqmix --env matrix_game --total_steps 256 --hidden 8 --central_hidden 8 8 {REPLAY}",
    "qplex": f"qplex --env two_step --total_steps 256 --hidden 8 {REPLAY}",
    "madqn": f"madqn {GRID} --total_steps 256 --hidden 8 --central_hidden 8 8 {REPLAY}",
    "circuit": f"vdn {GRID} --total_steps 256 --network circuit {CIRCUIT} {REPLAY}",
    "qmarl": "qmarl --env matrix_game --total_steps 400 --memory qmarl_memory --circuit_qubits 2"
    " --circuit_layers 1 --n_chains 2 --episodes 4 --held_out 8 --warmup 10 --sweep 5 --window 5"
    " --distil_steps 2",
}
"""Name of the folder, and what stood after ``qflock train``; `OFTEN` came after it."""

STOPPED = "qmix_gru"
"""The run that was stopped on its way; all others are finished."""

MODES = ("greedy", "sample")
EPISODES, SEED = 16, 5


COMMAND = """
import platform, sys
platform.platform = lambda: "Linux-x86_64"  # the kernel of the machine is nobody's concern
sys.argv[0] = "qflock"
from qflock.commands import main
sys.exit(main())
"""


def main() -> None:
    """Make every folder, and ``golden.json``."""
    golden = {}
    for name, words in RUNS.items():
        if not (HERE / name).exists():
            _train(name, words.split())
        for pattern in (f"{name}/*.png", f"{name}/*.gif", f"{name}*/.lock"):
            for left in HERE.glob(pattern):
                left.unlink()
        for older in sorted((HERE / name / "state").glob("*.safetensors"))[:-1]:
            older.unlink()
        checkpoint = "best" if name == STOPPED else "final"
        golden[name] = {mode: _scores(name, mode, checkpoint) for mode in MODES}
        golden[name]["outputs"] = _outputs(name, checkpoint)
    (HERE / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


def _train(name: str, words: list[str]) -> None:
    command = [sys.executable, "-c", COMMAND, "train", *words, *OFTEN.split(), "--run_dir", name, "--quiet"]
    run = subprocess.Popen(command, cwd=HERE)
    log = HERE / name / "evaluation.csv"
    while name == STOPPED and not (log.exists() and len(log.read_bytes().splitlines()) > 3):
        time.sleep(0.01)
    if name == STOPPED:
        run.send_signal(signal.SIGTERM)
    assert run.wait() == (130 if name == STOPPED else 0), name


def _scores(name: str, mode: str, checkpoint: str) -> dict[str, Any]:
    """What ``qflock evaluate --json`` says of a run, without what tells of the call."""
    sample = mode == "sample"
    said = qflock.evaluate(HERE / name, EPISODES, seed=SEED, sample=sample, checkpoint=checkpoint)
    return {part: said[part] for part in ("per_seed", "references")}


def _outputs(name: str, checkpoint: str) -> list[Any] | None:
    """What the network of the policy puts out for `observations`; None where no export can."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policy.npz"
        try:
            qflock.export(HERE / name, "numpy", file, checkpoint=checkpoint)
        except UserError:
            return None
        policy = qflock.load_exported(file)
        return policy.outputs(policy.initial(), observations(policy.about))[1].tolist()


def observations(about: dict[str, Any]) -> np.ndarray:
    """Two boards, (2, A, O), of whole numbers from 0 to 3, by no generator of random numbers."""
    shape = (2, about["agents"], about["observation"])
    return (np.arange(np.prod(shape)) * 7 % 11 % 4).reshape(shape).astype(np.float32)


if __name__ == "__main__":
    main()
