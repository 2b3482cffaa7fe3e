"""What is shown: whole episodes of a run, or of a reference policy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax

from qflock.bridges.host.workers import HostEnvironment
from qflock.core.environment import Drawable, Environment, Referenced
from qflock.core.errors import Notice, UserError, unknown
from qflock.core.steps import Mode
from qflock.evidence.replay import host_recording
from qflock.evidence.replay.mixer import weigher
from qflock.evidence.replay.recording import Record, Recording, policy_values, recorder
from qflock.playing.evaluation import of_policy, of_reference, random_policy
from qflock.runs.evaluation import evaluation_key
from qflock.runs.newest import NEWEST
from qflock.runs.policy import load, of_one_seed
from qflock.settings import registry


class Show(NamedTuple):
    """What is shown.

    Attributes:
        env: where it plays; it can be drawn.
        title, about: what plays, in a word and in a line.
        recordings: its episodes.
    """

    env: Any  # an Environment and Drawable
    title: str
    about: str
    recordings: list[Recording]


def episodes(
    run: Path | str | None,
    *,
    environment: Environment | None = None,
    policy: str | None = None,
    episodes: int = 1,
    seed: int = 0,
    checkpoint: str = NEWEST,
    mode: Mode = "greedy",
    environment_overrides: Mapping[str, Any] | None = None,
) -> Show:
    """Whole episodes of a run's first seed, or of a reference policy.

    Args:
        run: folder of a run; None shows a reference policy.
        environment, policy: to play in, and the name of a reference policy of it, where there is no run.
        episodes: how many.
        seed: of the episodes; they are those that ``qflock evaluate --seed`` begins with.
        checkpoint, environment_overrides: of the run, as `runs.policy.load`.
        mode: of a run's policy; "greedy", or "sample" to act as in training.

    Raises:
        UserError: nothing to show, or the environment cannot be drawn.
    """
    keys = jax.random.split(evaluation_key(seed), episodes)
    if run is not None:
        policies = load(run, checkpoint, environment_overrides)
        team_policy = policies.learner.policy
        one = of_one_seed(policies.parameters, 0)
        env, record = _recorded(
            policies.env,
            of_policy(team_policy, one, mode),
            team_policy.start(),
            policy_values(team_policy, one) if policies.env.spec.masked else None,
            weigher(policies) if policies.env.spec.masked else None,
        )
        title = registry.title(policies.settings.algorithm, policies.settings.run.env)
        play = "greedy play" if mode == "greedy" else "play as in training"
        about = f"{policies.folder.name}, seed {policies.seeds[0]}, {policies.weights.words}, {play}"
        if policies.weights.name != "final":
            warnings.warn(f"{title}: {about}", Notice, stacklevel=2)
    elif environment is None:
        raise UserError("nothing to show: name a run, or an environment and one of its policies")
    else:
        name = policy or "random"
        env, record = _recorded(environment, of_reference(_reference(environment, name)), ())
        title, about = f"{name} on {env.spec.name}", "reference policy"
    return Show(env, title, about, [record(key) for key in keys])


def _recorded(env: Any, *what: Any) -> tuple[Any, Record]:
    """What draws an environment, and what records its episodes."""
    if isinstance(env, HostEnvironment):
        return host_recording.Pictures(env.spec), host_recording.recorder(env, *what)
    if isinstance(env, Drawable):
        return env, recorder(cast(Environment, env), *what)
    raise UserError(f"{env.spec.name} cannot be drawn: its class has no draw(state, size)")


def policies(env: Environment) -> list[str]:
    """Names of an environment's reference policies, the best first; random is always there."""
    return [*(env.references() if isinstance(env, Referenced) else ()), "random"]


def _reference(env: Environment, name: str) -> Any:
    own = env.references() if isinstance(env, Referenced) else {}
    policies = {**own, "random": random_policy(env.spec)}
    if name not in policies:
        raise unknown(f"policy of {env.spec.name}", name, policies)
    return policies[name]
