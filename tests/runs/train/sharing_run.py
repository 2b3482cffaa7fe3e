"""Programs of tests/runs/train/test_sharing.py, for processes that see other devices than the test's own."""

import dataclasses
import json
import sys
from pathlib import Path

import jax
import numpy as np

from qflock.machine import device, processes
from qflock.runs.train import programs, runner
from qflock.runs.train.sharing import SEEDS
from qflock.settings import config, registry

TINY = str(Path(__file__).parents[2] / "tiny.py") + ":Echo"
SMALL = {"env": TINY, "log_interval": 300, "eval_episodes": 8, "final_episodes": 8, "copies": 8, "steps": 8}
REPLAY = {
    "row_length": 4,
    "buffer_capacity": 2048,
    "min_buffer_size": 128,
    "batch_size": 64,
    "train_frequency": 64,
}


def settings(algorithm, **changes):
    """Small settings for any algorithm; buffers only where it has them."""
    known = {field.name for field in dataclasses.fields(registry.algorithm(algorithm).Config)}
    replay = {name: value for name, value in REPLAY.items() if name in known}
    return config.resolve(algorithm, overrides={**SMALL, "hidden": (16,), **replay, **changes})


def arrays(tree):
    """Leaves as NumPy arrays, keys as their data."""
    is_key = lambda x: jax.numpy.issubdtype(x.dtype, jax.dtypes.prng_key)
    return [np.asarray(jax.random.key_data(x) if is_key(x) else x, np.float64) for x in jax.tree.leaves(tree)]


def played(made):
    """State, what a chunk told and greedy scores, after two chunks."""
    state = made.init(made.sharing.place(np.arange(made.sharing.seeds, dtype=np.uint32), SEEDS))
    for _ in range(2):
        state, told = made.chunk(state)
    scores = made.evaluate(jax.vmap(made.learner.execution)(state.learner), jax.random.key(9))
    return state, told, scores


def compare(algorithm, seeds, devices, **changes):
    """The largest difference between one device and several, and what each of the latter has."""
    alone = played(programs.build(settings(algorithm, seeds=seeds, **changes)))
    shared = played(programs.build(settings(algorithm, seeds=seeds, devices=devices, **changes)))
    pairs = zip(arrays(alone), arrays(shared), strict=True)
    apart = max(float(np.nanmax(np.abs(a - b) / (1 + np.abs(a)), initial=0)) for a, b in pairs)
    spec = shared[0].flow.timestep.observation.sharding
    rows = {tuple(shard.data.shape[:2]) for shard in shared[0].flow.timestep.observation.addressable_shards}
    return {"apart": apart, "devices": len(spec.device_set), "seeds_and_copies_here": sorted(rows)}


def exchanges(algorithm, devices):
    """How often a compiled chunk has the devices talk, by kind; each stands for all turns of its loop."""
    made = programs.build(settings(algorithm, seeds=1, devices=devices))
    state = jax.eval_shape(made.init, np.arange(1, dtype=np.uint32))
    (chunk,) = made.ahead(state)
    text = chunk.function.lower(*chunk.shapes).compile().as_text()
    kinds = ("all-reduce", "all-gather", "all-to-all", "collective-permute")
    return {kind: text.count(f" {kind}(") for kind in kinds}


def train(folder, seeds, devices, total_steps):
    """A whole run with logs and weights."""
    every = {"eval_interval": 1_500, "save_interval": 200, "state_interval": 0}
    made = settings("qmix", seeds=seeds, devices=devices, total_steps=total_steps, **every)
    made = dataclasses.replace(made, run=dataclasses.replace(made.run, run_dir=Path(folder)))
    return runner.train(made, quiet=True)


if __name__ == "__main__":
    todo = {"compare": compare, "exchanges": exchanges, "train": train, "resume": runner.resume}
    for name, *arguments in json.loads(sys.argv[1]):
        with processes.joined(30):
            device.use("cpu")
            more = arguments.pop() if isinstance(arguments[-1], dict) else {}
            result = todo[name](*arguments, **more)
            print(json.dumps(result.get("over_seeds", result)), flush=True)
