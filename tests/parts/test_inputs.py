"""The relative input stage: offsets, signs, flags, scales, and nothing from elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np

from qflock.parts import inputs
from qflock.types import Entities

EYES = Entities(own=0, others=(3, 6), coordinates=2, present=2, extent=24)


def test_moving_everything_together_changes_only_the_own_position():
    stage = inputs.relative(9, (EYES,), 1.0)
    one = stage.apply(jnp.array([4, 5, 1, 7, 5, 1, 0, 9, 1], jnp.int8))
    two = stage.apply(jnp.array([10, 11, 1, 13, 11, 1, 6, 15, 1], jnp.int8))
    np.testing.assert_allclose(one[2:], two[2:], atol=1e-6)
    np.testing.assert_allclose(one[:2], [2 * 4 / 24 - 1, 2 * 5 / 24 - 1], atol=1e-6)


def test_an_empty_record_says_nothing_and_numbers_stay_in_range():
    stage = inputs.relative(9, (EYES,), 1.0)
    empty = np.asarray(stage.apply(jnp.array([20, 3, 1, 0, 0, 0, 24, 24, 1], jnp.int8)))
    other = np.asarray(stage.apply(jnp.array([20, 3, 1, 9, 9, 0, 24, 24, 1], jnp.int8)))
    np.testing.assert_array_equal(empty, other)
    assert np.abs(empty).max() <= 1
    assert empty.dtype == np.float32
    assert stage.size == empty.size


def test_numbers_of_no_entity_are_scaled_and_several_views_join():
    stage = inputs.relative(20, (EYES, Entities(9, (12, 15), 2, 2, 24)), 10.0)
    x = jnp.arange(20, dtype=jnp.float32)
    np.testing.assert_allclose(stage.apply(x)[-2:], [1.8, 1.9], rtol=1e-6)
    alone = inputs.relative(9, (EYES,), 1.0)
    shifted = x[9:18]
    joined = np.asarray(stage.apply(x))
    np.testing.assert_allclose(joined[alone.size : 2 * alone.size], alone.apply(shifted), rtol=1e-6)


def test_jit_and_vmap_agree_with_one():
    stage = inputs.relative(9, (EYES,), 1.0)
    batch = jax.random.randint(jax.random.key(0), (7, 9), 0, 25).astype(jnp.int8)
    np.testing.assert_allclose(jax.jit(jax.vmap(stage.apply))(batch)[3], stage.apply(batch[3]), atol=1e-6)


def test_steps_between_entities_and_what_they_are_worth():
    stage = inputs.relative(9, (EYES,), 1.0)
    features = np.asarray(stage.apply(jnp.array([4, 5, 1, 7, 5, 1, 0, 9, 1], jnp.int8)))
    steps = np.array([3, 8, 7 + 4])  # to each, and from one to the other
    np.testing.assert_allclose(features[14:17], steps / 48, rtol=1e-5)
    np.testing.assert_allclose(features[17:20], np.exp(-steps / 8), rtol=1e-5)
    many = Entities(0, tuple(range(3, 33, 3)), 2, 2, 24)
    assert inputs.relative(33, (many,), 1.0).size == 2 + 10 * 9  # no pairs among ten
