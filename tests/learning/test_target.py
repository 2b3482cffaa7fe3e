"""Target networks follow the weights that are trained."""

import jax.numpy as jnp
import pytest

from qflock.learning import target


def test_a_hard_target_copies_at_its_interval():
    follow = target.periodic(10, 1.0)
    state = follow.init({"w": jnp.float32(1)})
    state = follow.move(state, {"w": jnp.float32(5)}, jnp.int32(0))  # due at once
    assert follow.read(state, None)["w"] == 5
    assert state.due == 10
    state = follow.move(state, {"w": jnp.float32(9)}, jnp.int32(9))
    assert follow.read(state, None)["w"] == 5
    state = follow.move(state, {"w": jnp.float32(9)}, jnp.int32(13))
    assert follow.read(state, None)["w"] == 9
    assert state.due == 23


def test_a_soft_target_takes_a_share():
    follow = target.periodic(1, 0.25)
    state = follow.move(follow.init(jnp.float32(0)), jnp.float32(8), jnp.int32(1))
    assert state.weights == pytest.approx(2.0)


def test_without_a_target_the_online_weights_are_read():
    none = target.build(0, 1.0)
    assert none is target.none
    state = none.move(none.init(jnp.float32(1)), jnp.float32(2), jnp.int32(5))
    assert none.read(state, jnp.float32(3)) == 3
    assert state == ()
