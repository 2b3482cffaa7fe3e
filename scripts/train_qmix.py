"""QMIX on GridWorld25v0 with the published command line, schedule and files.

    python scripts/train_qmix.py --total_episodes 1000 --max_steps_per_ep 200

Leaves ``qmix_expert_rl/results/run_i/``, an ordinary run besides: `qflock evaluate`, `watch` and `resume`
take it. ``training_log.csv`` has a row for each episode, the published columns first; ``models/`` has
each checkpoint as safetensors, and as ``.pt`` where PyTorch is installed.

After every ``train_frequency`` steps one gradient step follows: the published schedule. With ``--copies N``,
N environments take ``train_frequency`` steps and N gradient steps follow: the same ratio in blocks, for
accelerators; on two cores it is hardly faster.

The published target update "every 200 steps" counts gradient steps here. Counted in environment steps (50
gradient steps) the monotone mixer's values run away: to 6,000, where no return exceeds 4, after 80,000 steps.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qflock.commands import _arguments, _output
from qflock.core.errors import UserError
from qflock.files.storage import cannot_write
from qflock.settings import config
from qflock.settings.config import Settings

SAME = (  # settings that the library has under the same name and with the same meaning
    "total_episodes",
    "buffer_capacity",
    "batch_size",
    "lr",
    "gamma",
    "train_frequency",
    "min_buffer_size",
    "save_interval",
    "epsilon_end",
    "epsilon_decay",
    "weight_decay",
    "input_stage",
    "seed",
    "final_episodes",
    "device",
)


@dataclass(frozen=True)
class Options:
    """The first ten are published, with their defaults; the others are ours."""

    total_episodes: int = 1000
    """Training episodes."""
    max_steps_per_ep: int = 200
    """Most steps of an episode."""
    buffer_capacity: int = 100_000
    """Transitions held in replay (rounded down to whole blocks of copies x train_frequency)."""
    batch_size: int = 64
    """Transitions of a gradient step."""
    lr: float = 1e-3
    """Step size of AdamW."""
    gamma: float = 0.95
    """Discount."""
    target_update_interval: int = 200
    """Gradient steps between hard updates of the target network (rounded to whole blocks of them)."""
    train_frequency: int = 4
    """Environment steps for each gradient step."""
    min_buffer_size: int = 10_000
    """Transitions held before learning starts."""
    save_interval: int = 100
    """Episodes between checkpoints."""
    epsilon_end: float = 0.05
    """Share of random actions after epsilon_decay steps; it begins at 1."""
    epsilon_decay: int = 100_000
    """Environment steps over which the share of random actions falls in a straight line."""
    weight_decay: float = 1e-5
    """Decoupled weight decay."""
    copies: int = 1
    """Environments stepped side by side, at most total_episodes; 1 is the published schedule."""
    input_stage: Literal["relative", "raw"] = "relative"
    """What networks see: offsets from the agent, or raw coordinates, from which hardly anything is learnt."""
    seed: int = 0
    """Random seed."""
    final_episodes: int = 512
    """Greedy episodes of the evaluation at the end, beside the references."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto takes a GPU if JAX sees one."""
    results_dir: Path = Path("qmix_expert_rl") / "results"
    """Folder in which run_1, run_2, ... are made."""
    quiet: bool = False
    """No progress, only the result."""

    def __post_init__(self) -> None:
        for name in ("total_episodes", "max_steps_per_ep", "train_frequency", "copies"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be at least 1")


def settings_of(options: Options, run_dir: Path) -> Settings:
    """The same run in the library's own settings.

    Raises:
        UserError: a setting is out of its range.
    """
    copies = min(options.copies, options.total_episodes)
    block = copies * options.train_frequency
    return config.from_mapping(  # which no preset changes
        {
            "algorithm": "qmix",
            "env": "gridworld25",
            "env.max_steps": options.max_steps_per_ep,
            "run_dir": run_dir,
            # So many steps hold so many whole episodes, whichever copies they fall to.
            "total_steps": (options.total_episodes + copies) * options.max_steps_per_ep,
            "log_episodes": True,
            # Steps over which losses are averaged, and after which the end of training is noticed.
            "log_interval": max(1, min(1000, options.total_episodes * options.max_steps_per_ep // 100)),
            "eval_interval": 0,
            "keep_checkpoints": 0,
            "num_envs": copies,
            "num_steps": options.train_frequency,
            "row_length": 1,
            "td_lambda": 0.0,
            "n_step": 1,
            "hidden": (128, 128),
            "layer_norm": True,
            "orthogonal": True,
            "dueling": False,
            "max_grad_norm": 10.0,
            "lr_final": 1.0,
            "lr_decay": 0,
            "target_tau": 1.0,
            "epsilon_start": 1.0,
            # Ours counts environment steps. Half a block early, so that the nearest block's end is the one.
            "target_update_interval": max(
                1, options.target_update_interval * options.train_frequency - block // 2
            ),
            **{name: getattr(options, name) for name in SAME},
        },
    )


def next_run(results: Path) -> Path:
    """Make ``run_i`` with the first i after all that are there; no two processes get the same one.

    Raises:
        CannotWrite: the folder cannot be made.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        numbers = [int(p.name[4:]) for p in results.glob("run_*") if p.name[4:].isdecimal()]
        number = max(numbers, default=0)
        while True:
            number += 1
            with contextlib.suppress(FileExistsError):
                path = results / f"run_{number}"
                path.mkdir()
                return path
    except OSError as problem:
        raise cannot_write(results, problem) from problem


def write_torch(models: Path) -> None:
    """Write each checkpoint as ``.pt`` too, where PyTorch is installed.

    A file holds ``q_network`` and ``mixer``, tensors by name, and the settings; ``torch.load`` reads it with
    ``weights_only=True``.
    """
    try:
        import torch  # type: ignore
    except ImportError:
        return
    import numpy as np

    from qflock.files import tensors
    from qflock.files.storage import replacing

    for path in sorted(models.glob("*.safetensors")):
        arrays, about = tensors.load_arrays(path), tensors.load_metadata(path)
        part = lambda prefix, arrays=arrays: {
            name.removeprefix(prefix): torch.from_numpy(np.array(array[0]))  # of the one seed
            for name, array in arrays.items()
            if name.startswith(prefix)
        }
        contents = {"q_network": part("policy."), "mixer": part("training.mixer."), **about}
        with replacing(path.with_suffix(".pt")) as temporary:
            torch.save(contents, temporary)


def train(options: Options) -> Mapping[str, Any]:
    """Train, and leave the published files.

    Returns:
        The summary, as `qflock.train` does.

    Raises:
        UserError: settings that cannot work, a folder that cannot be written, or interrupted.
    """
    settings_of(options, options.results_dir)  # before the folder: bad settings leave nothing behind
    run = next_run(options.results_dir)
    from qflock import api

    try:
        return api.train(settings_of(options, run), quiet=options.quiet)
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(run)  # only where nothing was written
        write_torch(run / "models")


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    group = _arguments.Group(Options(), "qmix")
    words = sys.argv[1:] if argv is None else argv
    try:
        (options,) = _arguments.parse([group], words, command="train_qmix.py", about=__doc__ or "")
        _output.show_training(train(options))
    except UserError as problem:
        print(f"train_qmix.py: {' '.join(str(problem).split())}", file=sys.stderr)
        return problem.code
    except KeyboardInterrupt:  # before the run began to save its state
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
