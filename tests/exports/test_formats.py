"""Exported policies compute what the run's own policy computes, in every format, for every algorithm."""

import json
import os
import subprocess
import sys
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qflock
from qflock.core.errors import UserError
from qflock.core.steps import Seen
from qflock.core.trees import spread
from qflock.exports import numpy_choice, writing
from qflock.exports.numpy_policy import NumpyPolicy
from qflock.exports.reading import load_exported
from qflock.learning import amplitude, categorical
from qflock.playing import execution
from qflock.settings import registry

VARIANTS = [
    ("qmix", "gridworld25", {}),
    ("qmix", "gridworld25", {"input_stage": "raw", "layer_norm": False, "dueling": True, "hidden": (8,)}),
    ("madqn", "gridworld25", {"hidden": (8, 8)}),
    ("vdn", "forest_uav", {"env.n_agents": 3, "hidden": ()}),
    ("mappo", "matrix_game", {"hidden": (8,), "layer_norm": True}),
    ("ippo", "two_step", {"share_parameters": False}),
    ("qmix", "gridworld25", {"network": "gru", "hidden": (8, 6), "last_action": True, "dueling": True}),
    ("vdn", "forest_uav", {"env.n_agents": 3, "network": "gru", "hidden": (6,), "groups": (0, 1, 0)}),
    ("qio", "forest_uav", {"env.n_agents": 3}),
    ("qio", "matrix_game", {"eta": 1.5, "min_entropy": 0.7, "inverse_temperature": 2.0}),
    (
        "qio",
        "matrix_game",
        {"eta": 0.5, "min_entropy": 0.7, "inverse_temperature": 2.0, "floor": "published"},
    ),
    ("qio", "two_step", {"operator": "rotation"}),
    ("vdn", "two_step", {"network": "circuit", "circuit_qubits": 3, "circuit_layers": 2}),
    (
        "qmix",
        "matrix_game",
        {
            "network": "circuit",
            "circuit_entangler": "cnot",
            "circuit_entanglement": "all",
            "circuit_head": "linear",
            "circuit_compression": "frozen",
            "circuit_frozen": True,
            "circuit_reupload": False,
            "share_parameters": False,
        },
    ),
    (
        "ippo",
        "two_step",
        {
            "network": "circuit",
            "circuit_encoding": "amplitude",
            "circuit_qubits": 3,
            "circuit_compression": "none",
        },
    ),
    ("mappo", "matrix_game", {"network": "circuit", "circuit_qubits": 3, "circuit_head": "born"}),
]
NAMES = [f"{a}-{e}-{i}" for i, (a, e, _) in enumerate(VARIANTS)]


def boards(loaded, count=50):
    """Observations as they come from the environment, numbers of any kind, and legal actions."""
    env, spec, rng = loaded.env, loaded.env.spec, np.random.default_rng(2)
    real = np.asarray(jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(1), count))[1].observation)
    drawn = rng.normal(0, 5, real.shape).round(1).astype(np.float32)
    legal = rng.random((2 * count, spec.agents, spec.actions)) < 0.6
    legal[..., 1] |= ~legal.any(-1)
    legal[0] = True
    return np.concatenate([real.astype(np.float32), drawn]), legal


COMPILED = {}  # by run and seed: compiling takes most of these tests' time


def ours(loaded, place):
    """``(memory, seen, legal) -> (values, greedy actions, memory)`` of the learner, for one seed."""
    if (loaded.folder.path, place) in COMPILED:
        return COMPILED[loaded.folder.path, place]
    policy = loaded.learner.policy
    parameters = jax.tree.map(lambda x: x[place], loaded.parameters)

    def team(memory, x, allowed):
        seen = Seen(x, allowed, allowed.any(-1))
        values = policy.scores(parameters, memory, seen)
        memory, actions = policy.act(parameters, memory, seen, jax.random.key(0), "greedy")
        return values, actions, memory

    step = jax.jit(jax.vmap(team))
    return COMPILED.setdefault((loaded.folder.path, place), step)


def assert_same(exported, loaded, place=1):
    """Two steps of many boards: equal scores under all and under some legal actions, and equal actions."""
    learn, step = loaded.settings.learner, ours(loaded, place)
    operator = getattr(learn, "operator", "none") == "mean"
    seen, legal = boards(loaded)
    known, theirs = spread(loaded.learner.policy.start(), len(seen)), exported.initial()
    for some in (legal, np.ones_like(legal)):
        values, actions, known = step(known, seen, some)
        free = exported.scores(theirs, seen, np.ones_like(legal))[1]
        plain = np.exp if operator else np.asarray  # the floor's unlikely actions: logarithms are rounding
        np.testing.assert_allclose(plain(free), plain(values), rtol=1e-5, atol=1e-5)
        theirs, found = exported.scores(theirs, seen, some)
        if not operator and exported.about["choice"]["kind"] == "policy":
            np.testing.assert_allclose(
                found, categorical.log_probabilities(values, some), rtol=1e-5, atol=1e-5
            )
        top = np.sort(np.where(some, found, -np.inf), -1)
        clear = (top[..., -1] - top[..., -2] > 1e-4) if top.shape[-1] > 1 else np.ones(top.shape[:-1], bool)
        best = np.where(some, found, -np.inf).argmax(-1)
        assert (best == np.asarray(actions))[clear].all()
        confident = getattr(learn, "floor", None) != "published"  # else nearly uniform
        assert clear.mean() > 0.5 or not confident
        theirs, seen = exported.acted(theirs, np.asarray(actions)), seen[::-1]


def assert_acts(exported, loaded):
    """``act`` chooses the best legal action of its scores, and remembers what it chose."""
    seen, legal = boards(loaded)
    exported.restart()
    memory = exported.initial()
    for _ in range(2):
        memory, found = exported.scores(memory, seen, legal)
        best = np.where(legal, np.asarray(found), -np.inf).argmax(-1)
        np.testing.assert_array_equal(exported.act(seen, legal), best)
        memory = exported.acted(memory, best)


@pytest.mark.parametrize(("algorithm", "environment", "settings"), VARIANTS, ids=NAMES)
def test_numpy_equals_ours(algorithm, environment, settings, run_of, tmp_path):
    path, loaded = run_of(algorithm, environment, **settings)
    done = writing.export(path, "numpy", tmp_path / "policy.npz", seed=4)
    assert done["difference"] < 1e-5
    assert_same(load_exported(tmp_path / "policy.npz"), loaded)
    assert_acts(load_exported(tmp_path / "policy.npz"), loaded)


@pytest.mark.parametrize(("algorithm", "environment", "settings"), VARIANTS, ids=NAMES)
def test_torch_equals_ours(algorithm, environment, settings, run_of, tmp_path):
    torch = pytest.importorskip("torch")
    from qflock.exports.torch_policy import TorchPolicy

    path, loaded = run_of(algorithm, environment, **settings)
    writing.export(path, "torch", tmp_path / "policy.pt", seed=4)
    module = TorchPolicy.load(tmp_path / "policy.pt")

    tensor = lambda x: x if isinstance(x, torch.Tensor) else torch.as_tensor(np.array(x))
    as_torch = lambda memory: {name: tensor(x) for name, x in memory.items()}

    class Same:
        about, initial, restart = module.about, module.initial, module.restart

        def scores(self, memory, seen, legal):
            memory, scores = module.scores(
                as_torch(memory), torch.as_tensor(seen.copy()), torch.as_tensor(legal)
            )
            return {name: x.detach() for name, x in memory.items()}, scores.detach().numpy()

        def acted(self, memory, actions):
            return module.acted(memory, torch.as_tensor(np.array(actions)))

        def act(self, seen, legal):
            return module.act(seen, legal).numpy()

    assert_same(Same(), loaded)
    assert_acts(Same(), loaded)
    file = torch.load(tmp_path / "policy.pt", weights_only=True)
    assert set(file["state_dict"]) == set(module.state_dict())
    assert_same(load_exported(tmp_path / "policy.pt"), loaded)


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("at", [2, 6, 9], ids=lambda at: NAMES[at])
def test_onnx_equals_ours(at, run_of, tmp_path):
    pytest.importorskip("jax2onnx")
    pytest.importorskip("onnxruntime")
    algorithm, environment, settings = VARIANTS[at]
    path, loaded = run_of(algorithm, environment, **settings)
    cumsum = jnp.cumsum
    writing.export(path, "onnx", tmp_path / "policy.onnx", seed=4)
    assert jnp.cumsum is cumsum  # jax2onnx replaces functions of jax.numpy: not in this process
    exported = load_exported(tmp_path / "policy.onnx")
    assert_same(exported, loaded)
    assert_acts(exported, loaded)
    seen, legal = boards(loaded)
    if exported.about["memory"]:
        return
    fed = {"observations": seen, "legal": legal}
    known = [node.name for node in exported.session.get_inputs()]
    scores, actions = exported.session.run(["scores", "actions"], {name: fed[name] for name in known})
    np.testing.assert_array_equal(actions, np.where(legal, scores, -np.inf).argmax(-1))
    described = NumpyPolicy.load(writing.export(path, "numpy", tmp_path / "policy.npz", seed=4)["files"][0])
    wanted = described.scores({}, seen, legal)[1]
    plain = np.exp if exported.about["choice"]["kind"] == "policy" else np.asarray
    np.testing.assert_allclose(plain(scores), plain(wanted), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("at", [9, 10], ids=lambda at: NAMES[at])
def test_the_operator_is_the_librarys(at, run_of, tmp_path):
    """Amplification, exact and published floor, under any legal actions, as the library has them."""
    algorithm, environment, settings = VARIANTS[at]
    path, _ = run_of(algorithm, environment, **settings)
    exported = load_exported(writing.export(path, "numpy", tmp_path / "policy.npz", seed=4)["files"][0])
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 4, (2000, 3, 6)).astype(np.float32)
    legal = rng.random(logits.shape) < 0.6
    legal[..., 0] |= ~legal.any(-1)
    operator = exported.about["choice"]["operator"]
    found = np.exp(numpy_choice.amplified(logits, legal, **operator))
    wanted = amplitude.apply(jnp.asarray(logits), jnp.asarray(legal), **operator)
    np.testing.assert_allclose(found, np.exp(wanted.logits), atol=1e-5)
    assert 0.05 < wanted.floored.mean() < 0.95


@pytest.mark.parametrize("algorithm", registry.names("algorithms"))
def test_every_algorithm_goes_home_or_says_why_not(algorithm, run_of, tmp_path):
    """With its default settings: equal to the run's own policy, or refused in one line."""
    try:
        path, loaded = run_of(algorithm, "two_step")
    except UserError:
        pytest.skip("not for this environment")
    portable = loaded.learner.policy.portable
    if execution.kind(loaded.learner.policy) != "decentralised" or portable is None or not portable.described:
        with pytest.raises(UserError, match="export"):
            writing.export(path, "numpy", tmp_path / "policy.npz")
        return
    assert writing.export(path, "numpy", tmp_path / "policy.npz")["difference"] < 1e-5
    assert_same(load_exported(tmp_path / "policy.npz"), loaded, place=0)


def test_onnxruntime_tells_nobody_and_leaves_nothing_behind(tmp_path):
    """It would send what it is used for, and keep a file in the temporary folder."""
    pytest.importorskip("onnxruntime")
    program = "import qflock.exports.onnx_policy, onnxruntime"
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_safetensors_hold_names_and_description(run_of, tmp_path):
    from safetensors.numpy import load_file

    path, loaded = run_of("qmix", "gridworld25")
    done = writing.export(path, "safetensors", tmp_path / "policy.safetensors", seed=4)
    weights = load_file(tmp_path / "policy.safetensors")
    assert set(weights) >= {"hidden.0.weight", "hidden.0.bias", "norms.1.weight", "head.weight"}
    assert weights["hidden.0.weight"].shape[0] == 128
    assert done["about"]["agents"] == 4
    assert_same(load_exported(tmp_path / "policy.safetensors"), loaded)


def test_the_numpy_file_plays_without_qflock(run_of, tmp_path):
    """In a process that can import nothing of ours, and holds nothing that could be executed."""
    path, _ = run_of("qmix", "gridworld25")
    done = writing.export(path, "numpy", tmp_path / "policy.npz")
    assert [file.name for file in done["files"]] == [
        "policy.npz",
        "numpy_policy.py",
        "numpy_choice.py",
        "numpy_circuit.py",
    ]
    code = (
        "import json, sys, numpy as np\n"
        "from numpy_policy import NumpyPolicy\n"
        "policy = NumpyPolicy.load('policy.npz')\n"
        "print(json.dumps(policy.act(np.arange(72).reshape(4, 18) % 25).tolist()))\n"
        "sys.exit(any(name.split('.')[0] in ('qflock', 'jax') for name in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    wanted = qflock.load(path).act(np.arange(72).reshape(4, 18) % 25)
    assert json.loads(told.stdout) == wanted.tolist()
    assert not any(name.endswith(".pkl") for name in zipfile.ZipFile(tmp_path / "policy.npz").namelist())


def test_acting_by_chance_follows_the_scores(run_of, tmp_path):
    path, loaded = run_of("mappo", "matrix_game", hidden=(8,), layer_norm=True)
    policy = load_exported(writing.export(path, "numpy", tmp_path / "policy.npz")["files"][0])
    agents, actions = loaded.env.spec.agents, loaded.env.spec.actions
    seen = np.ones((20_000, agents, 1))
    legal = np.ones((20_000, agents, actions), bool)
    legal[..., 0] = False
    drawn = policy.act(seen, legal, sample=True)
    chances = np.exp(policy.scores({}, seen[:1], legal[:1])[1][0])
    for agent in range(agents):
        shares = np.bincount(drawn[:, agent], minlength=actions) / len(drawn)
        np.testing.assert_allclose(shares, chances[agent], atol=0.02)
    policy.restart(seed=1)
    again = policy.act(seen, legal, sample=True)
    policy.restart(seed=1)
    np.testing.assert_array_equal(again, policy.act(seen, legal, sample=True))


def test_exploration_is_the_runs_last(run_of, tmp_path):
    path, _ = run_of("qmix", "gridworld25", epsilon_end=0.3)
    policy = load_exported(writing.export(path, "numpy", tmp_path / "policy.npz")["files"][0])
    seen = np.zeros((5000, 4, 18))
    apart = (policy.act(seen, sample=True) != policy.act(seen)).mean()
    assert apart == pytest.approx(0.3 * 5 / 6, abs=0.02)
