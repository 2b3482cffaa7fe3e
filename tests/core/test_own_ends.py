"""Where an agent's own rewards end, on rows worked out by hand."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from qflock.core.steps import TimeStep, own_ends


def steps(**changes):
    """Agent 1 leaves with the first of three steps; the last one truncates agent 0."""
    return TimeStep(
        observation=jnp.zeros((3, 2, 1)),
        state=jnp.zeros((3, 1)),
        legal=jnp.ones((3, 2, 2), bool),
        active=jnp.array([[1, 0], [1, 0], [1, 0]], bool),
        reward=jnp.zeros((3, 2)),
        terminated=jnp.zeros(3, bool),
        truncated=jnp.array([0, 0, 1], bool),
        measures={},
    )._replace(**changes)


def each(after):
    return [np.asarray(flags).astype(int).tolist() for flags in own_ends(after)]


def test_an_agent_that_leaves_is_done():
    terminated, over = each(steps())
    assert terminated == [[0, 1], [0, 1], [0, 1]]
    assert over == [[0, 1], [0, 1], [1, 1]]


def test_an_agent_that_is_truncated_alone_is_bootstrapped_from_the_step_that_it_left_with():
    alone = jnp.array([[0, 1], [0, 0], [0, 0]], bool)
    terminated, over = each(steps(truncated_alone=alone))
    assert terminated[0] == [0, 0]
    assert over[0] == [0, 1]


def test_an_end_of_the_task_is_everybodys():
    done = jnp.array([0, 0, 1], bool)
    terminated, over = each(steps(active=jnp.ones((3, 2), bool), terminated=done, truncated=~done & done))
    assert terminated == over == [[0, 0], [0, 0], [1, 1]]
