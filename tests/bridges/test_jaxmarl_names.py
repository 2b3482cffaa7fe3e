"""Every name that JaxMARL registers: it plays, or one line says why it cannot."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

pytest.importorskip("jaxmarl")

import qflock
from qflock.core.errors import UserError
from qflock.learning.actions import DEFAULT, of
from qflock.settings import config
from tests.marks import IN_CI

NOT_INSTALLED = "cannot be made by this JaxMARL: .* requires"
SHOWS_NONE = "shows its agents no dictionary of one array each"
REFUSED = {
    **dict.fromkeys(("storm", "storm_2p", "storm_np"), SHOWS_NONE),
    "LearnedPolicyEnemySMAX": "needs policy and params, Python objects",
    **dict.fromkeys(
        ("ant_4x2", "halfcheetah_6x1", "hopper_3x1", "humanoid_9|8", "walker2d_2x3"), NOT_INSTALLED
    ),
    **{
        f"JaxRobotarium_{task}": NOT_INSTALLED
        for task in (
            "navigation",
            "discovery",
            "material_transport",
            "warehouse",
            "arctic_transport",
            "foraging",
            "rware",
            "predator_prey",
        )
    },
}
"""What the line says, by the name; all others play."""
SIZES = {
    "MPE_simple_world_comm_v3": (6, 20),
    "jaxnav": (2, 15),
    "MPE_simple_spread_v3": (3, 5),
    "hanabi": (2, 21),
}
"""Agents and actions of some, as JaxMARL's own spaces say."""


def names() -> list[str]:
    """What JaxMARL registers."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        import jaxmarl
    return list(jaxmarl.registered_envs)


QUICK = {"storm_2p", "MPE_simple_facmac_3a_v1", "MPE_simple_world_comm_v3", "LearnedPolicyEnemySMAX"}
QUICK |= {"JaxRobotarium_arctic_transport"}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=IN_CI) for name in names()]
)
def test_a_name_plays_or_says_in_one_line_why_not(name: str) -> None:
    if name in REFUSED:
        with pytest.raises(UserError, match=REFUSED[name]) as refused:
            qflock.make(f"jaxmarl:{name}")
        assert "\n" not in str(refused.value)
        return
    env = qflock.make(f"jaxmarl:{name}")
    if name in SIZES:
        assert (env.spec.agents, env.spec.actions) == SIZES[name]
    state, now = jax.eval_shape(env.reset, jax.random.key(0))
    actions = of(env.spec.action, DEFAULT).none(env.spec.agents)
    after = jax.eval_shape(env.step, jax.random.key(0), state, actions)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after[0]) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    assert after[1].observation.shape == now.observation.shape == (env.spec.agents, env.spec.observation)


@pytest.mark.parametrize("name", ["MPE_simple_facmac_3a_v1", "MPE_simple_facmac_9a_v1"])
def test_options_are_those_of_the_function_that_makes_it(name: str) -> None:
    """Theirs fix all that the class would take."""
    assert config.environment_settings(f"jaxmarl:{name}").__dict__ == {}


@pytest.mark.slow
@pytest.mark.ci_slow
def test_continuous_by_default_is_no_reason_to_refuse() -> None:
    """The leader moves in five ways and says one of four words: 20 choices; all others move."""
    env = qflock.make("jaxmarl:MPE_simple_world_comm_v3")
    assert env.config.action_type == "Discrete"
    step = jax.jit(env.step)
    state, now = jax.jit(env.reset)(jax.random.key(0))
    assert now.legal.sum(-1).tolist() == [20, 5, 5, 5, 5, 5]
    said: list[Any] = []
    for word in range(4):
        state, now = step(jax.random.key(word), state, jnp.array([5 * word, 0, 0, 0, 0, 0]))
        said.append(state.inner.c[0].tolist())
    assert said == jnp.eye(4).tolist()
