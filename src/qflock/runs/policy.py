"""A trained policy, taken from a run's weights: what execution needs, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from qflock.core.environment import Environment
from qflock.core.errors import UserError
from qflock.core.learner import Learner
from qflock.core.steps import Mode, Parameters, TimeStep
from qflock.playing.evaluation import of_policy
from qflock.runs import newest
from qflock.runs.folder import RunFolder, open_run
from qflock.runs.newest import Weights
from qflock.runs.train import program
from qflock.settings import config


class LoadedPolicies(NamedTuple):
    """A run's policies, one a seed. ``parameters`` have a leading seed axis.

    Attributes:
        weights: where the parameters are from.
    """

    folder: RunFolder
    settings: config.Settings
    env: Environment
    learner: Learner
    parameters: Parameters
    seeds: list[int]
    weights: Weights


def load(
    run: Path | str, checkpoint: str = "final", environment_overrides: Mapping[str, Any] | None = None
) -> LoadedPolicies:
    """Read what execution needs of a checkpoint; mixers and critics stay on the disk.

    Args:
        run: its folder, or "latest".
        checkpoint: "final", "best", "newest" (also of a run that trains), or the name of another file in
            models/.
        environment_overrides: environment settings to change, for example ``{"grid_size": 10}``.

    Raises:
        UserError: no such run or checkpoint; a damaged file; a setting that does not fit the weights.
    """
    folder = open_run(run)
    settings = folder.settings()
    if environment_overrides:
        mapping = config.to_mapping(settings)
        settings = config.from_mapping({**mapping, "env": {**mapping["env"], **environment_overrides}})
    found = newest.weights(folder, checkpoint)
    env = config.make_environment(settings.run.env, settings.environment)
    learner = program.learner_of(settings, env)
    weights, parameters = newest.read(found, learner, "policy")
    return LoadedPolicies(folder, settings, env, learner, parameters, weights.seeds, weights)


@jax.jit  # one program, not one for each array's shape
def of_one_seed(every: Any, at: int) -> Any:
    """The seed at a place of the leading axis of all arrays.

    Args:
        every: a pytree of arrays with a leading axis of seeds.
        at: the place of the seed on that axis, from 0.
    """
    return jax.tree.map(lambda x: x[at], every)


class Policy:
    """A trained policy for use outside of training: keeps the agents' memories from call to call.

    Attributes:
        env, learner: what it was trained with.
        parameters: the agents' weights, of one seed.
    """

    def __init__(self, policies: LoadedPolicies, seed: int, mode: Mode) -> None:
        if seed not in policies.seeds:
            raise UserError(f"the run has no seed {seed}; it has {policies.seeds}")
        self.env, self.learner = policies.env, policies.learner
        self.parameters = of_one_seed(policies.parameters, policies.seeds.index(seed))
        choose = of_policy(self.learner.policy, self.parameters, mode)
        self._choose = eqx.filter_jit(lambda memory, now, key: choose(memory, None, now, key))
        self.restart()

    def restart(self, seed: int = 0) -> None:
        """Forget: call it at the start of each episode. ``seed`` is of the policy's own randomness."""
        self._memory = self.learner.policy.start()
        self._key = jax.random.key(seed)

    def act(self, observations: Any, legal: Any = None) -> np.ndarray:
        """The agents' actions.

        Args:
            observations: ``(A, O)``, raw as the environment gives them.
            legal: ``(A, U)`` booleans, U = 0 for a Box; all actions if left out.

        Returns:
            Action ids ``(A,)``, or numbers ``(A, size)`` of a Box.

        Raises:
            UserError: the observations have another shape.
        """
        spec = self.env.spec
        observations = jnp.asarray(observations)
        if observations.shape != (spec.agents, spec.observation):
            expected = (spec.agents, spec.observation)
            raise UserError(f"observations have shape {observations.shape}; {spec.name} has {expected}")
        legal = jnp.ones((spec.agents, spec.masked), bool) if legal is None else jnp.asarray(legal, bool)
        active = legal.any(-1) if spec.masked else jnp.ones(spec.agents, bool)
        self._key, key = jax.random.split(self._key)
        no = jnp.bool_(False)
        nothing = jnp.zeros(0)
        now = TimeStep(observations, nothing, legal, active, jnp.zeros(spec.agents), no, no, {})
        self._memory, actions = self._choose(self._memory, now, key)
        return np.asarray(actions)


def load_policy(
    run: Path | str,
    checkpoint: str = "final",
    seed: int | None = None,
    mode: Mode = "greedy",
    environment_overrides: Mapping[str, Any] | None = None,
) -> Policy:
    """The policy of a run, ready to act.

    Args:
        run, checkpoint, environment_overrides: as `load`.
        seed: which seed's; the first by default.
        mode: "greedy" or "sample".
    """
    policies = load(run, checkpoint, environment_overrides)
    return Policy(policies, policies.seeds[0] if seed is None else seed, mode)
