"""Matrix games: published tables, tables of the user's with their mistakes, more than two agents."""

import json

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

import qflock
from qflock.core.errors import UserError
from qflock.environments._tables import payoffs
from qflock.environments.matrix_game import Config, Environment
from qflock.settings import config

KEY = jax.random.key(0)
TABLES = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=3),
    elements=st.floats(-1000, 1000, width=32),
)


def paid_of(env):
    """What every joint action pays, by stepping."""
    joint = np.array(list(np.ndindex(env.table.shape)))
    states, _ = jax.vmap(env.reset)(jax.random.split(KEY, len(joint)))
    return jax.vmap(env.step)(jax.random.split(KEY, len(joint)), states, jnp.array(joint))[1]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("qtran", [[8, -12, -12], [-12, 0, 0], [-12, 0, 0]]),
        ("climbing", [[11, -30, 0], [-30, 7, 0], [0, 6, 5]]),
        ("penalty", [[10, 0, -100], [0, 2, 0], [-100, 0, 10]]),
        ("xor", [[0, 1], [1, 0]]),
    ],
)
def test_published_tables(name, table):
    env = Environment(Config(name))
    now = paid_of(env)
    np.testing.assert_array_equal(now.reward[:, 0].reshape(env.table.shape), table)
    assert now.terminated.all()
    assert not now.truncated.any()
    np.testing.assert_array_equal(now.measures["solved"].reshape(env.table.shape), table == np.max(table))


@pytest.mark.slow
@pytest.mark.ci_slow
@settings(max_examples=10)
@given(TABLES)
def test_any_table_is_played_as_it_is_written(table):
    env = Environment(Config(json.dumps(table.astype(float).tolist())))
    now = paid_of(env)
    np.testing.assert_array_equal(now.reward, np.tile(table.reshape(-1, 1), (1, table.ndim)))
    np.testing.assert_array_equal(now.legal[0].sum(-1), table.shape)
    assert env.spec.agents == table.ndim
    assert env.spec.return_range == (table.min(), table.max())
    state, start = env.reset(KEY)
    best = env.step(KEY, state, env.references()["oracle"](KEY, state, start))[1]
    assert best.reward[0] == table.max()
    assert best.measures["solved"] == 1


@settings(max_examples=25)
@given(TABLES)
def test_what_a_run_writes_down_is_the_table_itself(table):
    written = Config(payoffs.to_text(table)).payoff
    np.testing.assert_array_equal(payoffs.read(written), table)
    assert Config(written).payoff == written


def test_the_penalty_is_a_setting():
    np.testing.assert_array_equal(Config("penalty", -7.5).table()[[0, 2], [2, 0]], [-7.5, -7.5])
    for wrong in (1.0, float("-inf"), float("nan")):
        with pytest.raises(UserError, match=r"penalty is .*; it must be"):
            Config("penalty", wrong)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("game.json", "[[1, 2.5, 3], [4, 5, 6]]"),
        ("game.yaml", "- [1, 2.5, 3]\n- [4, 5, 6]\n"),
        ("game.yml", "[[1, 2.5, 3], [4, 5, 6]]"),
        ("game.csv", "1,2.5,3\n\n4, 5 ,6\n"),
        ("bom.csv", "\ufeff1,2.5,3\r\n4,5,6\r\n"),
    ],
)
def test_files_of_tables(tmp_path, file, content):
    path = tmp_path / file
    path.write_bytes(content.encode())
    env = Environment(Config(str(path)))
    np.testing.assert_array_equal(env.table, [[1, 2.5, 3], [4, 5, 6]])
    path.unlink()
    np.testing.assert_array_equal(Environment(Config(env.config.payoff)).table, env.table)


def test_a_run_of_settings_keeps_the_table():
    """Through the command line's text, YAML and back."""
    text = "[[[1, 2], [3, 4]], [[5, 6], [7, -8e-1]]]"
    chosen = config.resolve("vdn", overrides={"env": "matrix_game", "env.payoff": text})
    again = config.from_mapping(yaml.safe_load(config.to_yaml(chosen)))
    assert again == chosen
    np.testing.assert_array_equal(again.environment.table(), np.array(json.loads(text), np.float32))


@pytest.mark.parametrize(
    ("payoff", "message"),
    [
        ("qtrans", "unknown payoff 'qtrans'; did you mean 'qtran'"),
        ("nonsense", "there are: climbing, penalty, qtran, xor; give a name, a table like"),
        ("", "unknown payoff ''"),
        ("missing.json", "cannot read the payoff table missing.json: No such file"),
        ("[[1, 2], [3]]", "payoff is uneven: entry 1 is a list of 1, entry 0 is a list of 2"),
        ("[[1, 2], 3]", "payoff is uneven: entry 1 is a number"),
        ("[[[1], [2]], [[3], [4, 5]]]", r"payoff\[1\] is uneven"),
        ("[[1, 2], [3, x]]", r"payoff\[1\]\[1\] is 'x'; every cell must be a finite number"),
        ("[[1, 2], [3, true]]", r"payoff\[1\]\[1\] is True"),
        ("[[1, 2], [3, null]]", r"payoff\[1\]\[1\] is None"),
        ("[[1, 2], [3, NaN]]", r"payoff\[1\]\[1\] is nan"),
        ("[[1, 2], [3, 1e99]]", r"payoff\[1\]\[1\] is 1e\+99"),
        ("[1, 2]", "payoff is nested 1 deep; one list inside another for each agent"),
        ("[]", "payoff is an empty list"),
        ("[[], []]", r"payoff\[0\] is an empty list"),
        ("[[1, 2], [3", "payoff can be read neither as JSON nor as YAML"),
        ("[" * 9 + "1" + "]" * 9, "payoff"),
        ("[" * 5000 + "]" * 5000, "payoff"),
        (json.dumps([[0] * 1001] * 1001), "more than 1,000,000 cells"),
    ],
)
def test_mistakes_in_tables_are_one_clear_line(payoff, message):
    with pytest.raises(UserError, match=message) as problem:
        qflock.make("matrix_game", payoff=payoff)
    assert "\n" not in str(problem.value)
    assert len(str(problem.value)) < 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2\n3,four\n", r"game.csv\[1\]\[1\] is 'four'"),
        (b"1,2\n3\n", "game.csv is uneven"),
        (b"", "game.csv is an empty list"),
        (b"\xff\xfe1,2", "cannot read the payoff table"),
    ],
)
def test_mistakes_in_files_name_the_file(tmp_path, content, message):
    path = tmp_path / "game.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        Config(str(path))


def test_a_folder_is_no_table(tmp_path):
    (tmp_path / "game.json").mkdir()
    with pytest.raises(UserError, match="cannot read the payoff table"):
        Config(str(tmp_path / "game.json"))


def test_an_action_that_is_not_there_counts_as_the_nearest():
    env = Environment(Config("[[1, 2], [3, 4], [5, 6]]"))
    state, _ = env.reset(KEY)
    assert env.step(KEY, state, jnp.array([9, -1]))[1].reward[0] == 5


@pytest.mark.parametrize("payoff", ["climbing", "[[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]"])
def test_the_picture_rings_the_chosen_cell(payoff):
    env = Environment(Config(payoff))
    state, _ = env.reset(KEY)
    before = env.draw(state, 400)
    after = [
        env.draw(env.step(KEY, state, jnp.array(a + [0] * (env.spec.agents - 2)))[0], 400)
        for a in ([0, 0], [1, 1])
    ]
    assert all(picture.shape == before.shape for picture in after)
    height = before.shape[0] * 3 // 4
    rings = [np.argwhere((picture != before).any(-1)[:height]).mean(0) for picture in after]
    assert (rings[1] > rings[0] + 50).all()
