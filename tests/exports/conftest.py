"""Short runs of every registered algorithm, whose policies are taken home."""

import dataclasses
from datetime import datetime
from pathlib import Path

import jax
import numpy as np
import pytest

from qflock.files import tensors
from qflock.runs import folder, policy
from qflock.runs.train import program
from qflock.settings import config, registry

SMALL = {"num_envs": 4, "num_steps": 4, "row_length": 4, "buffer_capacity": 64, "min_buffer_size": 16}
SMALL |= {"batch_size": 16, "train_frequency": 16, "minibatches": 1}


def trained(path, algorithm, environment, **settings):
    """A run's folder with final weights as they are at the start, biases and scales shaken: three seeds."""
    kind = registry.algorithm(algorithm).Config
    known = {f.name for f in dataclasses.fields(kind)}
    small = {name: value for name, value in SMALL.items() if name in known}
    resolved = config.from_mapping(
        {"algorithm": algorithm, "env": environment, "seed": 3, "seeds": 3, **small, **settings}
    )
    made = folder.create(resolved, Path(path), now=datetime(2024, 1, 2))
    env = config.make_environment(resolved.run.env, resolved.environment)
    learner = program.learner_of(resolved, env)
    one = jax.eval_shape(lambda: learner.execution(learner.init(jax.random.key(0))))
    rng = np.random.default_rng(1)
    shake = lambda x: rng.normal(0, 0.3, (3, *x.shape)).astype(x.dtype)
    tensors.save(made.final_model, {"policy": jax.tree.map(shake, one)}, {"seeds": [3, 4, 5]})
    return made.path


@pytest.fixture(scope="session")
def run_of(tmp_path_factory):
    """``run_of(algorithm, environment, **settings)``: such a run, and its policies as qflock loads them."""
    made = {}

    def get(algorithm, environment, **settings):
        key = (algorithm, environment, *sorted(settings.items()))
        if key not in made:
            place = tmp_path_factory.mktemp(Path(algorithm).stem) / "run"
            path = trained(place, algorithm, environment, **settings)
            made[key] = (path, policy.load(path))
        return made[key]

    return get
