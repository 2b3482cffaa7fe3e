"""Train quantum-circuit policies by Markov chain Monte Carlo on CoinGame-2.

    python scripts/qmarl_mcmc_gpu.py

Takes a GPU where JAX sees one, else the CPU. Each start goes on from the best policy of the starts before it:
the memory is a folder, printed at the end, with ``best_model_weights.safetensors`` (``.pt`` too, where
PyTorch is installed), ``training_history.json`` with all runs, and ``reward_evolution.png``. The run itself
is an ordinary one: `qflock evaluate`, `watch` and `compare` take it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from qflock.commands import _arguments, _output
from qflock.core.errors import UserError
from qflock.settings import config
from qflock.settings.config import Settings


@dataclass(frozen=True)
class Options:
    """The first four are published; the others are ours. All there are: `qflock train qmarl --help`."""

    n_gs: int = 2
    """Number of agents; CoinGame-2 has two."""
    n_mcmc_steps: int = 6_000
    """MCMC steps of each chain."""
    sigma_proposal: float = 0.01
    """Scale of proposals at the start; it adapts."""
    beta: float = 50_000.0
    """Selection pressure: the inverse temperature of the mean return, scaled to [0, 1]."""
    n_chains: int = 4
    """Chains side by side."""
    network: str = "circuit"
    """circuit, mlp, or a file and class, my.py:Net."""
    proposal: Literal["walk", "langevin"] = "langevin"
    """How chains propose: Gaussian steps, or steps that also follow the gradient (estimator exact)."""
    estimator: Literal["exact", "fixed", "penalty", "same", "kept", "redraw"] = "exact"
    """How returns are known: by dynamic programming (exact), or by playing."""
    sweep: int = 100
    """MCMC steps between looks at the best."""
    warmup: int = 1000
    """First steps of a stage, in which proposals adapt."""
    seed: int = 0
    """Random seed."""
    memory: str = "auto"
    """Folder of the persistent memory; auto for runs/memory/..., none to forget."""
    run_dir: Path | None = None
    """Folder of this run; by default runs/qmarl-coin_game-<time>-<suffix>."""
    final_episodes: int = 512
    """Greedy episodes of the evaluation at the end."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto takes a GPU if JAX sees one."""
    quiet: bool = False
    """No progress, only the result."""


def settings_of(options: Options) -> Settings:
    """The run in the library's own settings, over the preset of CoinGame-2.

    Raises:
        UserError: a setting is out of its range.
    """
    given = {f.name: getattr(options, f.name) for f in fields(options) if f.name != "quiet"}
    return config.resolve("qmarl", overrides={"env": "coin_game", **given})


def train(options: Options) -> Mapping[str, Any]:
    """Train, and draw the rewards of all runs on the memory.

    Returns:
        The summary, as `qflock.train` does, with ``memory`` and ``memory_best``.
    """
    from qflock import api
    from qflock.evidence.figures.search_plot import reward_plot

    summary = api.train(settings_of(options), quiet=options.quiet)
    place = Path(summary.get("memory", summary["run"]))
    reward_plot(place / "training_history.json", place / "reward_evolution.png")
    return summary


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    group = _arguments.Group(Options(), "qmarl")
    words = sys.argv[1:] if argv is None else argv
    try:
        (options,) = _arguments.parse([group], words, command="qmarl_mcmc_gpu.py", about=__doc__ or "")
        summary = train(options)
    except UserError as problem:
        print(f"qmarl_mcmc_gpu.py: {' '.join(str(problem).split())}", file=sys.stderr)
        return problem.code
    except KeyboardInterrupt:  # before the run began to save its state
        return 130
    _output.show_training(summary)
    if "memory" in summary:
        print(f"best policy so far: {summary['memory_best']:.2f} a game, in {summary['memory']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
