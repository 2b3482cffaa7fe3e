"""Exported policies that give numbers act as the run's own, in every format, with a memory too."""

from pathlib import Path

import jax
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.core.steps import Seen
from qflock.core.trees import spread
from qflock.exports import numpy_choice, writing
from qflock.exports.reading import load_exported
from tests.marks import IN_CI

GAME = f"{Path(__file__).parents[1] / 'contracts' / 'games.py'}:Quadratic"
MEMORY = {"network": "gru", "hidden": (6, 5), "last_action": True}
VARIANTS = [
    pytest.param("ippo", {"hidden": (6,)}, id="gaussian"),
    pytest.param("mappo", {"action_head": "beta", **MEMORY}, id="beta-gru"),
    pytest.param(
        "ippo", {"deviation": "free", "share_parameters": False, **MEMORY}, id="free-gru-own", marks=IN_CI
    ),
    pytest.param("maddpg", {"hidden": (6,)}, id="deterministic", marks=IN_CI),
    pytest.param("masac", MEMORY, id="soft-gru", marks=IN_CI),
    pytest.param(
        "ippo",
        {"network": "circuit", "circuit_qubits": 2, "circuit_layers": 1, "deviation": "free"},
        id="circuit",
        marks=IN_CI,
    ),
]


def played(loaded, steps=3, boards=20, place=1):
    """Observations of a few steps, and what the run's own policy does and shows at each."""
    policy, spec = loaded.learner.policy, loaded.env.spec
    parameters = jax.tree.map(lambda x: x[place], loaded.parameters)

    def team(memory, x):
        seen = Seen(x, np.ones((spec.agents, 0), bool), np.ones(spec.agents, bool))
        shown = policy.scores(parameters, memory, seen)
        memory, actions = policy.act(parameters, memory, seen, jax.random.key(0), "greedy")
        return memory, (actions, shown)

    step, memory = jax.jit(jax.vmap(team)), spread(policy.start(), boards)
    observations = np.random.default_rng(1).normal(0, 2, (steps, boards, spec.agents, spec.observation))
    observations = observations.astype(np.float32)
    found = []
    for seen in observations:
        memory, now = step(memory, seen)
        found.append(jax.device_get(now))
    return observations, found


def assert_acts_alike(exported, loaded):
    observations, found = played(loaded)
    exported.restart()
    memory = exported.initial()
    for seen, (actions, shown) in zip(observations, found, strict=True):
        np.testing.assert_allclose(exported.act(seen), actions, atol=1e-5)
        memory, outputs = exported.scores(memory, seen, np.ones((*seen.shape[:-1], 0), bool))
        spread_of = numpy_choice.deviations(exported.about["choice"], outputs)
        np.testing.assert_allclose(spread_of, shown[..., actions.shape[-1] :], atol=1e-5)
        memory = exported.acted(memory, actions)


@pytest.mark.parametrize(("algorithm", "settings"), VARIANTS)
def test_numpy_and_torch_act_alike(algorithm, settings, run_of, tmp_path):
    path, loaded = run_of(algorithm, GAME, **settings)
    done = writing.export(path, "numpy", tmp_path / "policy.npz", seed=4)
    assert done["difference"] < 1e-5
    assert done["about"]["actions"] == 0
    assert done["about"]["choice"]["low"] == [-2.0]
    assert_acts_alike(load_exported(tmp_path / "policy.npz"), loaded)
    torch = pytest.importorskip("torch")
    from qflock.exports.torch_policy import TorchPolicy

    writing.export(path, "torch", tmp_path / "policy.pt", seed=4)
    module = TorchPolicy.load(tmp_path / "policy.pt")
    for seen, (actions, _) in zip(*played(loaded), strict=True):
        np.testing.assert_allclose(module.act(torch.as_tensor(seen)), actions, atol=1e-5)
    file = torch.load(tmp_path / "policy.pt", weights_only=True)
    assert set(file["state_dict"]) == set(module.state_dict())


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(("algorithm", "settings"), VARIANTS[:4])
def test_onnx_acts_alike(algorithm, settings, run_of, tmp_path):
    pytest.importorskip("jax2onnx")
    pytest.importorskip("onnxruntime")
    path, loaded = run_of(algorithm, GAME, **settings)
    writing.export(path, "onnx", tmp_path / "policy.onnx", seed=4)
    assert_acts_alike(load_exported(tmp_path / "policy.onnx"), loaded)


@pytest.mark.parametrize("head", ["gaussian", "beta"])
def test_numbers_are_drawn_as_the_deviation_says_and_lie_inside(head):
    choice = {"head": head, "low": [-2.0, 0.0], "high": [3.0, 1.0], "log_deviation": [-5.0, 2.0]}
    outputs = np.tile(np.array([0.3, -0.4, -0.5, 0.2], np.float32), (20_000, 1))
    drawn = numpy_choice.numbers(choice, outputs, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.std(0), numpy_choice.deviations(choice, outputs)[0], rtol=0.03)
    assert (drawn >= choice["low"]).all()
    assert (drawn <= choice["high"]).all()


def test_numbers_of_a_head_of_ones_own_are_refused_in_one_line(run_of, tmp_path):
    """The throw-away learner declares chances, and its actions are numbers."""
    path, _ = run_of(str(Path(GAME.partition(":")[0]).with_name("gaussian.py")), GAME)
    with pytest.raises(
        UserError, match="cannot be exported: its actions are numbers, and it does not declare"
    ):
        writing.export(path, "numpy", tmp_path / "policy.npz")
    assert not list(tmp_path.iterdir())
