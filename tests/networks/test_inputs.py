"""The relative input stage: offsets, signs, flags, scales, and nothing from elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.spec import Entities
from qflock.networks import inputs

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


@pytest.mark.parametrize("present", [None, 3])
@pytest.mark.parametrize("coordinates", [1, 2, 3])
@pytest.mark.parametrize("others", [(13, 5), (5,), (9, 17, 1, 13)])
def test_features_are_what_their_definition_says(others, coordinates, present):
    """Number by number, also for numbers that are not whole."""
    own, size, extent = 21, 26, 7.0
    stage = inputs.relative(size, (Entities(own, others, coordinates, present, extent),), 3.0)
    x = np.random.default_rng(len(others)).normal(0, 9, size).astype(np.float32)
    if present is not None:
        for start in others:
            x[start + present] = start % 2 == 1 and start != 5
    flags = [np.float32(1) if present is None else x[s + present] for s in others]
    mine = x[own : own + coordinates]
    place = [x[s : s + coordinates] for s in others]
    offset = [p - mine for p in place]
    pairs = [(i, j) for i in range(len(others)) for j in range(i + 1, len(others))]
    manhattan = lambda d: np.float32(np.abs(d).sum())
    steps = [manhattan(d) for d in offset] + [manhattan(place[i] - place[j]) for i, j in pairs]
    there = flags + [flags[i] * flags[j] for i, j in pairs]
    forms = (lambda d: d / extent, lambda d: np.clip(d / inputs.NEAR, -1, 1), np.sign)
    wanted = [2 * mine / extent - 1]
    wanted += [form(d) * f for form in forms for d, f in zip(offset, flags, strict=True)]
    wanted += [[t * s / (coordinates * extent) for t, s in zip(there, steps, strict=True)]]
    wanted += [[t * np.exp(-s / inputs.WORTH) for t, s in zip(there, steps, strict=True)], flags]
    taken = {i for s in (own, *others) for i in range(s, s + coordinates)}
    taken |= set() if present is None else {s + present for s in (own, *others)}
    wanted += [[x[i] / 3 for i in range(size) if i not in taken]]
    np.testing.assert_allclose(stage.apply(x), np.concatenate(wanted), rtol=1e-6, atol=1e-6)
