"""Continuous actions of other libraries' environments: one Box for the team, bounds honoured."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qflock
from qflock.bridges import _boxes
from qflock.bridges.host.pettingzoo_copy import Copy
from qflock.core import Box
from qflock.core.errors import UserError
from qflock.playing.conformance import findings
from tests.marks import IN_CI

BOXES = f"{Path(__file__).parent / 'boxes.py'}"
SERIAL = {"workers": "serial"}


def test_boxes_of_different_agents_become_one() -> None:
    box, owns = _boxes.of_team("x", [([0, -1], [1, 3]), ([0], [1]), ([0, -8, 5], [1, 8, 6])])
    assert box == Box(3, (0.0, -1.0, 5.0), (1.0, 1.0, 6.0))  # what all bound alike stays as it is
    row = np.array([0.25, 0.5, 5.5])
    np.testing.assert_allclose(owns[0].of(row), [0.25, 2.0])
    np.testing.assert_allclose(owns[1].of(row), [0.25])
    np.testing.assert_allclose(owns[2].of(row), [0.25, 4.0, 5.5])
    np.testing.assert_array_equal(owns[2].of(np.array([2.0, -9.0, 0.0])), [1.0, -8.0, 5.0])
    np.testing.assert_allclose(owns[0].of(jnp.array(row)), [0.25, 2.0])


def test_a_host_environment_gets_numbers_of_its_own_spaces() -> None:
    env = qflock.make(BOXES, **SERIAL)
    assert env.spec.action == Box(3, (0.0, -1.0, 5.0), (1.0, 1.0, 6.0))
    copy = env.copy()
    _, _, legal, *_ = copy.reset(0)
    assert legal.shape == (3, 0)
    copy.step(np.array([[0.5, 1.0, 9.0], [7.0, 0.0, 0.0], [1.0, -1.0, 5.5]], np.float32))
    given = copy._env.given[0]
    assert given["arm"].tolist() == [[0.5], [3.0]]
    assert given["eye"].tolist() == [1.0]  # 7 lies outside
    assert given["far"].tolist() == [1.0, -8.0, 5.5]
    assert [given[name].dtype for name in ("arm", "eye")] == [np.float32, np.float64]
    assert findings(env) == []


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("arm,chooser", "chooser chooses among discrete actions and arm gives numbers; agents of both kinds"),
        ("endless", "Box without finite bounds"),
        ("whole", "only Discrete actions, or a Box of floats"),
    ],
)
def test_what_cannot_be_one_box_is_one_line(who: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        qflock.make(BOXES, who=who, **SERIAL)


def test_gymnasiums_box() -> None:
    env = qflock.make("gymnasium:Pendulum-v1", max_steps=5, **SERIAL)
    assert env.spec.action == Box(1, (-2.0,), (2.0,))
    assert findings(env) == []


def test_mpe2_with_numbers() -> None:
    pytest.importorskip("mpe2")
    settings = {"continuous_actions": True, "max_cycles": 5, **SERIAL}
    env = qflock.make("pettingzoo:mpe2.simple_spread_v3", **settings)
    assert env.spec.action == Box(5, (0.0,) * 5, (1.0,) * 5)
    assert findings(env) == []
    assert isinstance(env.copy(), Copy)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        pytest.param("MPE_simple_spread_v3", 5, marks=IN_CI),
        pytest.param("MPE_simple_speaker_listener_v4", 5, marks=IN_CI),
        pytest.param("MPE_simple_world_comm_v3", 9, marks=IN_CI),
    ],
)
def test_jaxmarls_mpe_with_numbers(name: str, sizes: int) -> None:
    pytest.importorskip("jaxmarl")
    env = qflock.make(f"jaxmarl:{name}", action_type="Continuous")
    assert env.spec.action == Box(sizes, (0.0,) * sizes, (1.0,) * sizes)
    reset, step = jax.jit(env.reset), jax.jit(env.step)
    state, now = reset(jax.random.key(0))
    assert now.legal.shape == (env.spec.agents, 0)
    inside = jnp.tile(jnp.array([0.0, 0.0, 1.0] + [0.0] * (sizes - 3)), (env.spec.agents, 1))
    beyond = inside.at[:, 2].set(50.0).at[:, 3:].set(-50.0)
    ours, theirs = (step(jax.random.key(1), state, x)[1] for x in (inside, beyond))
    np.testing.assert_array_equal(ours.observation, theirs.observation)
    assert (ours.observation != now.observation).any()


@pytest.mark.slow
@pytest.mark.ci_slow
def test_jaxmarls_with_numbers_alone() -> None:
    pytest.importorskip("jaxmarl")
    assert isinstance(qflock.make("jaxmarl:MPE_simple_facmac_3a_v1").spec.action, Box)


def test_jaxmarls_discrete_actions_stay_the_default() -> None:
    pytest.importorskip("jaxmarl")
    assert qflock.make("jaxmarl:MPE_simple_spread_v3").spec.actions == 5
    with pytest.raises(UserError, match="action_type"):
        qflock.make("jaxmarl:MPE_simple_spread_v3", action_type="continuous")


@pytest.mark.slow
@pytest.mark.ci_slow
def test_jumanjis_search_and_rescue() -> None:
    pytest.importorskip("jumanji")
    env = qflock.make("jumanji:SearchAndRescue-v0", time_limit=4, num_targets=5)
    assert env.spec.action.names == ("rotation", "acceleration")
    assert findings(env) == []


@pytest.mark.slow
@pytest.mark.ci_slow
def test_camars_maps() -> None:
    pytest.importorskip("camar")
    env = qflock.make("camar:random_grid", num_agents=4, num_rows=6, num_cols=6, max_steps=5)
    assert (env.spec.agents, env.spec.horizon, env.spec.action) == (4, 5, Box(2, (-1.0,) * 2, (1.0,) * 2))
    assert findings(env) == []
    with pytest.raises(UserError, match="did you mean 'HolonomicDynamic'"):
        qflock.make("camar:random_grid", dynamic="HolonomicDinamic")
    with pytest.raises(UserError, match="unknown CAMAR map 'random_gird'; did you mean 'random_grid'"):
        qflock.make("camar:random_gird")


def test_camar_is_said_to_be_missing_where_it_is() -> None:
    if importlib.util.find_spec("camar") is None:
        with pytest.raises(UserError, match=r"camar cannot be imported .*: pip install camar$"):
            qflock.make("camar:random_grid")
