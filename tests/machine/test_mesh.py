"""A gradient that several devices share is the one that a single device finds, whatever axis is split."""

import os
import subprocess
import sys

PROGRAM = """
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from qflock.machine import mesh

T, N = 5, 8
keys = jax.random.split(jax.random.key(0), 4)
weights = jax.random.normal(keys[0], (3,))
rows = {"seen": jax.random.normal(keys[1], (T, N, 3)), "target": jax.random.normal(keys[2], (T, N))}
batch = (rows, jax.random.normal(keys[3], (N,)))  # time first, and once for each copy


def loss(weights, scale, batch):
    rows, importance = batch
    error = importance * jnp.square(rows["seen"] @ weights - scale * rows["target"])
    count = mesh.total(jnp.float32(error.size))
    return error.sum() / count, {"error": error.sum() / count}


alone = jax.grad(loss, has_aux=True)(weights, 2.0, batch)
devices = Mesh(np.array(jax.devices()).reshape(1, -1), (mesh.SEED, mesh.COPY))
for axes, given, wanted in [
    ((1, 0), batch, alone),
    ((0, 0), batch, alone),  # five times are no multiple of four devices: none is split
]:
    shared = jax.jit(mesh.gradient(loss, axes))
    with jax.set_mesh(devices):
        found = shared(weights, 2.0, given)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), found, wanted)
with jax.set_mesh(devices):
    text = jax.jit(mesh.gradient(loss, (1, 0))).lower(weights, 2.0, batch).compile().as_text()
    assert 1 <= text.count(" all-reduce(") <= 2, text.count(" all-reduce(")
flat = (batch[0]["seen"][0], batch[0]["target"][0])
plain = lambda weights, scale, batch: (jnp.square(batch[0] @ weights - scale * batch[1]).sum(), {})
with jax.set_mesh(devices):
    found = jax.jit(mesh.gradient(plain))(weights, 2.0, flat)[0]
np.testing.assert_allclose(found, jax.grad(plain, has_aux=True)(weights, 2.0, flat)[0], rtol=1e-5)
"""


def test_a_batch_may_be_split_along_any_axis():
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, **flags}, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
