"""Markov chain Monte Carlo over policies: samplers, estimators, stages, diagnostics, and resuming."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.algorithms.qmarl import chains
from qflock.algorithms.qmarl import learner as qmarl
from qflock.core import Seen
from qflock.core.errors import UserError
from qflock.files import csv_log, tensors
from qflock.learning import categorical
from qflock.networks import lookup
from qflock.runs.train import programs, runner
from qflock.settings import config, registry
from tests.tiny import Echo

pytestmark = [pytest.mark.slow, pytest.mark.ci_slow]  # minutes of compiling

SMALL = {
    "network": "mlp", "hidden": (8,), "n_chains": 4, "episodes": 8, "held_out": 16, "sweep": 10,
    "warmup": 40, "window": 4, "beta": 300.0, "distil_steps": 0,
}  # fmt: skip
ECHO = "tests/tiny.py:Echo"


def learner(**changes):
    return qmarl.build(qmarl.Config(**{**SMALL, **changes}), Echo())


def searched(made, updates, seed=0):
    """The state after some updates, and what each told."""
    keys = jax.random.split(jax.random.key(seed + 1), updates)
    run = jax.jit(lambda s, keys: jax.lax.scan(lambda s, k: _told(made.source.update(s, k)), s, keys))
    return run(made.init(jax.random.key(seed)), keys)


def _told(out):
    state, metrics, tally = out
    return state, (metrics, tally)


@pytest.mark.parametrize(
    "changes",
    [
        {"temperatures": 3, "estimator": "fixed"},
        {"sampler": "smc"},
        pytest.param({"estimator": "penalty"}, marks=pytest.mark.left_out),
        pytest.param(
            {"estimator": "same", "beta": 2.0, "beta_start": 1.0, "share_parameters": False},
            marks=pytest.mark.left_out,
        ),
    ],
    ids=["tempering", "smc", "penalty", "same"],
)
def test_searchers_find_better_policies_and_say_how(changes):
    made = learner(**changes)
    state, (told, tally) = searched(made, 12)
    assert told["best"][-1] > 2.2  # random policies get 1.33 of 4
    assert (np.asarray(tally.env_steps) == tally.env_steps[0]).all()
    assert ((told["acceptance"] >= 0) & (told["acceptance"] <= 1)).all()
    assert (np.diff(told["network_calls"]) > 0).all()
    np.testing.assert_array_equal(told["mcmc_step"], np.arange(10, 121, 10))
    assert np.isfinite(told["ess"]).any() or changes.get("sampler") == "smc"  # a new stage begins it anew
    if changes.get("temperatures"):
        assert np.isfinite(told["swap_rate"]).all()
        for rung in state.sampler.position.value:
            assert rung.shape == (4,)
    weights = made.weights(state)
    assert jax.tree.leaves(weights.chains)[0].shape[0] == 4 * changes.get("temperatures", 1)


@pytest.mark.left_out
def test_evolution_is_a_sampler_too():
    pytest.importorskip("evosax")
    made = learner(sampler="evolution", n_chains=16, sigma_proposal=0.5)
    _, (told, _) = searched(made, 4)
    assert told["best"][-1] > 2.5
    assert np.isnan(told["beta"]).all()


def test_without_evosax_there_is_one_clear_line(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "evosax", None)
    with pytest.raises(UserError, match="pip install"):
        learner(sampler="evolution")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimator": "exact"}, "dynamic programme"),
        ({"estimator": "redraw", "temperatures": 2}, "needs 1"),
        ({"estimator": "kept", "sampler": "smc"}, "needs estimator exact or fixed"),
        ({"estimator": "same"}, "beta_start 1"),
        ({"n_gs": 5}, "echo has 2 agents"),
        ({"temperature_ratio": 1.0}, "above 1"),
        ({"beta_start": 0.0}, "must lie in"),
        ({"n_chains": 0}, "at least 1"),
        ({"network": "sun"}, "unknown network"),
    ],
)
def test_settings_that_cannot_work(changes, message):
    with pytest.raises(UserError, match=message):
        learner(**changes)


def test_stages_anneal_adapt_and_refresh_scenarios():
    """After the warm-up scales stay; when patience runs out, a new stage adapts again."""
    made = learner(patience=30, beta_start=0.25, beta_again=0.5, distil_steps=3)
    state = made.init(jax.random.key(0))
    update = jax.jit(made.source.update)
    seen = []
    for k in range(40):
        state, told, _ = update(state, jax.random.key(k))
        s = state.sampler
        seen.append((int(s.stage), int(s.step), float(told["beta"]), jax.random.key_data(s.key).tolist(),
                     np.asarray(s.scales.log_sigma)))  # fmt: skip
        if s.stage >= 2:
            break
    else:
        pytest.fail("no new stage")
    for before, after in itertools.pairwise(seen):
        same = before[0] == after[0]
        assert (before[3] == after[3]) == same
        assert after[1] == (before[1] + 10 if same else 0)
        if same and before[1] >= 40:
            np.testing.assert_array_equal(before[4], after[4])
    assert seen[0][2] == pytest.approx(300 * 0.25 ** (1 - 1 / 20), rel=1e-4)
    first = next(x for x in itertools.pairwise(seen) if x[0][0] == 1)[1]
    assert first[2] == pytest.approx(300 * 0.5 ** (1 - 1 / 20), rel=1e-4)
    assert chains.usual(0.234) == pytest.approx((0.1, 0.5))


def test_start_from_puts_every_chain_where_it_was():
    made = learner()
    state, _ = searched(made, 2)
    weights = made.weights(state)
    moved = made.start_from(made.init(jax.random.key(9)), weights)
    for a, b in zip(jax.tree.leaves(made.weights(moved)), jax.tree.leaves(weights), strict=True):
        np.testing.assert_array_equal(a, b)
    assert moved.sampler.stage == 1  # no annealing from the very hot


def test_tables_say_what_the_network_says():
    """Look-up on CoinGame-2: every observation finds its row, and rows are the network's outputs."""
    env = config.make_environment("coin_game")
    settings = qmarl.Config(**SMALL)
    team, shape, score = qmarl.pieces(settings, env)
    found = lookup.build(env, env.spec, team)
    parameters = team.init(jax.random.key(0))
    tables = found.logits(parameters)
    assert tables.shape == (2, 1458, 4)
    every = env.observations()
    np.testing.assert_array_equal(jax.vmap(found.index)(every), np.arange(1458))
    rows = np.array([0, 700, 1457])
    for agent in (0, 1):
        for row in rows:
            wanted = team.one(parameters, jnp.int32(agent), (), every[row])[1]
            np.testing.assert_allclose(tables[agent, row], wanted, atol=1e-5)
    # Playing by look-up is playing: the mean of many episodes is the exact return.
    solved = float(score.exact(parameters, "sample"))
    played = jax.jit(lambda k: score.play(parameters, k, 600, "sample"))(jax.random.key(1))
    error = float(played.episode_return.std()) / 600**0.5
    assert abs(float(played.episode_return.mean()) - solved) < 4 * error
    met = score.met(parameters, jax.random.key(0), 1)
    assert float(met.weight.sum()) == pytest.approx(100, rel=1e-3)  # two agents, 50 steps
    many = jnp.stack([shape.ravel(parameters)] * 3)
    batch = jax.vmap(lambda t: score.exact(shape.unravel(t), "sample"))(many)
    np.testing.assert_allclose(batch, solved, atol=1e-3)


def test_what_a_policy_meets_when_it_plays():
    made = qmarl.pieces(qmarl.Config(**SMALL), Echo())
    met = made.score.met(made.team.init(jax.random.key(0)), jax.random.key(1), 5)
    assert met.observations.shape == (4 * 5 * 2, 3)
    assert float(met.weight.sum()) == 4 * 5 * 2
    np.testing.assert_array_equal(met.observations.sum(1), 1)
    np.testing.assert_array_equal(met.agents[:4], [0, 1, 0, 1])


def test_agents_without_ids_act_alike():
    made = learner(agent_ids=False)
    state = made.init(jax.random.key(0))
    legal = jnp.ones((2, 3), bool)
    seen = Seen(jnp.array([[0.0, 1.0, 0.0]] * 2), legal, legal.any(-1))
    logs = made.policy.scores(made.execution(state), (), seen)
    np.testing.assert_array_equal(logs[0], logs[1])
    actions = made.policy.act(made.execution(state), (), seen, jax.random.key(1), "greedy")[1]
    np.testing.assert_array_equal(actions, categorical.mode(logs, legal))


def run_settings(folder, **changes):
    given = {
        **SMALL, "env": ECHO, "log_interval": 1, "total_steps": 10**9, "n_mcmc_steps": 60, "seeds": 1,
        "eval_interval": 10_000, "eval_episodes": 8, "final_episodes": 8, "state_interval": 0.0,
        "run_dir": folder, **changes,
    }  # fmt: skip
    return config.resolve("qmarl", overrides=given)


def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path):
    """A run of 60 steps; and one of 30 that is then resumed for the same number of environment steps."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    summary = runner.train(run_settings(whole), quiet=True)
    rows = csv_log.read(whole / "training_log.csv")
    np.testing.assert_array_equal(rows["mcmc_step"], [10, 20, 30, 40, 50, 60])
    runner.train(run_settings(parts, n_mcmc_steps=30), quiet=True)
    assert len(csv_log.read(parts / "training_log.csv")["seed"]) == 3
    runner.resume(parts, total_steps=summary["env_steps"], quiet=True)
    for name in ("training_log.csv", "evaluation.csv"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    one, two = (tensors.load_arrays(p / "models" / "final_model.safetensors") for p in (whole, parts))
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_it_keeps_its_own_episodes():
    settings = run_settings(None, log_episodes=True)
    with pytest.raises(UserError, match="log_episodes"):
        programs.build(settings)
    assert learner().learn is None
    assert registry.algorithm("qmarl").Config is qmarl.Config
