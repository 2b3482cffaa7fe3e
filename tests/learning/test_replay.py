"""Our ring against flashbax, and against a plain list."""

import flashbax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.learning import replay


def blocks(count, n):
    return [
        {"a": jnp.arange(i * n, (i + 1) * n, dtype=jnp.int16), "b": jnp.full((n, 2), i, jnp.uint8)}
        for i in range(count)
    ]


@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_holds_what_flashbax_holds(count):
    n, capacity = 3, 12
    items = blocks(count, n)
    ours = replay.make(jax.tree.map(lambda x: x[0], items[0]), capacity)
    theirs = flashbax.make_item_buffer(capacity, 1, 1, add_batches=True)
    state = theirs.init(jax.tree.map(lambda x: x[0], items[0]))
    for block in items:
        ours = jax.jit(replay.add)(ours, block)
        state = theirs.add(state, block)
    held = min(count * n, capacity)
    assert int(ours.filled) == held
    ours_held = sorted(np.asarray(ours.data["a"])[:held].tolist())
    theirs_held = sorted(np.asarray(state.experience["a"]).ravel()[:held].tolist())
    assert ours_held == theirs_held == list(range(count * n))[-held:]
    assert ours.data["b"].dtype == jnp.uint8  # small types stay small


def test_samples_are_uniform_over_what_is_held_and_whole():
    ring = replay.make({"a": jnp.int16(0), "b": jnp.zeros(2, jnp.uint8)}, 12)
    for block in blocks(2, 3):
        ring = replay.add(ring, block)
    drawn = replay.sample(ring, jax.random.key(0), 6000)
    counts = np.bincount(np.asarray(drawn["a"]), minlength=12)
    assert counts[6:].sum() == 0
    assert abs(counts[:6] - 1000).max() < 150  # 5 standard deviations
    np.testing.assert_array_equal(drawn["b"][:, 0], drawn["a"] // 3)


def test_a_block_that_does_not_divide_the_capacity_is_refused():
    ring = replay.make(jnp.int16(0), 10)
    with pytest.raises(ValueError, match="no multiple"):
        replay.add(ring, jnp.zeros(3, jnp.int16))
