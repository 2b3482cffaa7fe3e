"""The library from Python: train, resume, evaluate, load. Each is what the command of that name runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qflock import config
from qflock.config import Settings
from qflock.errors import UserError


def train(
    algorithm: str | Settings,
    env: str | None = None,
    *,
    config_file: Path | str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Train, and leave a run folder with logs, weights, plots and an animation.

    Args:
        algorithm: name or file of an algorithm, or all settings resolved.
        env: name or file of an environment.
        config_file: a YAML file of settings, laid over the preset.
        quiet: show no progress.
        settings: any setting of `qflock train`, those of the environment as
            ``**{"env.grid_size": 10}``.

    Returns:
        The final scores beside the references, and ``run``, the folder (see ``summary.json``).

    Raises:
        UserError: settings that cannot work; the message says what to do.
    """
    from qflock import device
    from qflock.runs import runner

    if not isinstance(algorithm, Settings):
        given = settings if env is None else {"env": env, **settings}
        file = None if config_file is None else Path(config_file)
        algorithm = config.resolve(algorithm, config=file, overrides=given)
    device.use(algorithm.run.device)
    return _illustrated(runner.train(algorithm, quiet))


def resume(
    run: Path | str, total_steps: int | None = None, *, quiet: bool = False, device: str | None = None
) -> dict[str, Any]:
    """Go on with a run from its newest saved state, bit for bit as if it had never stopped.

    Args:
        run: its folder, or "latest".
        total_steps: environment steps of the whole run; as planned if left out.
        quiet: show no progress.
        device: auto, cpu or gpu; as the run was started if left out.

    Returns:
        As `train`.
    """
    from qflock import device as devices
    from qflock.runs import folder, runner

    settings = folder.open_run(run).settings()
    devices.use(device or settings.run.device)  # type: ignore[arg-type]
    return _illustrated(runner.resume(run, total_steps, quiet))


def _illustrated(summary: dict[str, Any]) -> dict[str, Any]:
    """Add the pictures to a finished run; one that cannot be drawn must not cost its result."""
    from qflock.evidence.illustrate import illustrate

    try:
        illustrate(summary["run"])
    except UserError as problem:
        print(f"qflock: no picture: {problem}", file=sys.stderr)
    return summary


def evaluate(
    run: Path | str,
    episodes: int = 512,
    *,
    sample: bool = False,
    seed: int = 0,
    checkpoint: str = "final",
    environment: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Score a run's policy on fresh episodes, beside the references. See ``qflock evaluate``.

    Args:
        run: its folder, or "latest".
        episodes: episodes of each seed.
        sample: act with the policy's own randomness instead of greedily.
        seed: of the boards; apart from all training keys.
        checkpoint: "final", "best", or the name of another file in models/.
        environment: environment settings to change, for example ``{"grid_size": 10}``.
    """
    from qflock import device
    from qflock.runs.evaluation import evaluate_run

    device.use("auto")
    return evaluate_run(run, episodes, "sample" if sample else "greedy", seed, checkpoint, environment)


def load(run: Path | str, checkpoint: str = "final", *, seed: int | None = None, sample: bool = False) -> Any:
    """A trained policy: ``qflock.load(run).act(observations)``; ``restart()`` at each episode's start.

    Args:
        run: its folder, or "latest".
        checkpoint: "final", "best", or the name of another file in models/.
        seed: which seed's policy; the first by default.
        sample: act with the policy's own randomness instead of greedily.

    Returns:
        A `qflock.runs.policy.Policy`.
    """
    from qflock.runs.policy import load_policy

    return load_policy(run, checkpoint, seed, "sample" if sample else "greedy")


def make(env: str, **settings: Any) -> Any:
    """An environment by name or file, with settings: ``qflock.make("gridworld25", grid_size=10)``."""
    return config.make_environment(env, config.environment_settings(env, settings))
