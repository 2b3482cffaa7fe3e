"""The published command line of QMIX: its settings, files and columns, and its mistakes in one line."""

import csv
import json
import shutil
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.files import tensors
from qflock.runs import evaluation, folder
from qflock.runs.train import runner
from qflock.settings import config
from scripts import train_qmix
from scripts.train_qmix import Options, main, next_run, settings_of

SCRIPT = Path(train_qmix.__file__)
COLUMNS = ["episode", "episode_return", "episode_length", "epsilon", "loss", "td_error", "q_value"]
TINY = (
    "--total_episodes 6 --max_steps_per_ep 12 --buffer_capacity 400 --batch_size 8 --lr 1e-3 --gamma 0.95 "
    "--target_update_interval 4 --train_frequency 4 --min_buffer_size 16 --save_interval 3 --copies 3 "
    "--final_episodes 4 --quiet"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny run, started in an empty folder."""
    place = tmp_path_factory.mktemp("scripts")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(TINY.split()) == 0
    return place / "qmix_expert_rl" / "results" / "run_1"


def rows_of(run):
    with (run / "training_log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_run_leaves_the_published_files(run):
    for file in ("configs/hparams.json", "training_log.csv", "training_plots.png"):
        assert (run / file).stat().st_size > 0
    names = {p.stem for p in (run / "models").glob("*.safetensors")}
    assert {"checkpoint_ep3", "checkpoint_ep6", "final_model"} <= names


@pytest.mark.slow
@pytest.mark.ci_slow
def test_the_log_has_a_row_for_each_episode_and_the_published_columns_first(run):
    rows = rows_of(run)
    assert list(rows[0])[: len(COLUMNS)] == COLUMNS
    assert [int(row["episode"]) for row in rows] == list(range(1, len(rows) + 1))
    assert 6 <= len(rows) <= 8, "3 copies end together"
    assert all(1 <= int(row["episode_length"]) <= 12 for row in rows)
    assert all(np.isfinite(float(rows[-1][name])) for name in COLUMNS)
    assert float(rows[0]["epsilon"]) <= 1


@pytest.mark.slow
@pytest.mark.ci_slow
def test_rows_are_the_episodes_that_were_played(run):
    """Leftovers are paid at the end of an unsolved episode, so that its discounted return follows."""
    for row in rows_of(run):
        length, left = int(row["episode_length"]), float(row["foods_left"])
        paid = float(row["episode_return_undiscounted"])
        assert (length < 12) == (left == 0)
        if paid == -2 * left:  # no food was eaten on the way
            assert float(row["episode_return"]) == pytest.approx(0.95**11 * paid, rel=1e-5)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_hyperparameters_are_written_down(run):
    settings = json.loads((run / "configs" / "hparams.json").read_text())["settings"]
    assert settings["env"]["max_steps"] == 12
    assert settings["buffer_capacity"] == 400
    assert settings["td_lambda"] == 0


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_run_is_an_ordinary_run(run):
    scores = evaluation.evaluate_run(run, episodes=4)
    assert scores["algorithm"] == "qmix"
    assert folder.open_run(run).settings().run.total_episodes == 6


@pytest.mark.slow
@pytest.mark.ci_slow
def test_it_can_be_resumed_for_longer(run, tmp_path):
    longer = Path(shutil.copytree(run, tmp_path / "longer"))
    before = rows_of(longer)
    runner.resume(longer, total_steps=int(before[-1]["env_step"]) + 100, quiet=True)
    after = rows_of(longer)
    assert after[: len(before)] == before
    assert len(after) > len(before)


def test_published_settings_and_ratio():
    made = settings_of(Options(), Path("run"))
    learner = made.learner
    assert made.run.total_episodes == 1000
    assert made.run.total_steps >= 1000 * 200
    assert made.environment.max_steps == 200
    assert (learner.buffer_capacity, learner.min_buffer_size, learner.batch_size) == (100_000, 10_000, 64)
    assert (learner.lr, learner.gamma, learner.max_grad_norm) == (1e-3, 0.95, 10.0)
    assert (learner.mixer, learner.row_length, learner.td_lambda) == ("monotone", 1, 0.0)
    assert (len(learner.hidden), learner.layer_norm, learner.orthogonal) == (2, True, True)
    assert learner.weight_decay > 0
    for copies in (1, 50):
        learner = settings_of(Options(copies=copies), Path("run")).learner
        block = learner.num_envs * learner.num_steps
        assert block // learner.train_frequency * 4 == block, "one gradient step for 4 environment steps"
        blocks = -(-learner.target_update_interval // block)
        assert blocks * block == 200 * 4, "200 gradient steps, one for 4 steps, between target updates"


def test_no_preset_changes_a_published_run(tmp_path, monkeypatch):
    before = settings_of(Options(), Path("run"))
    monkeypatch.setattr(config, "PRESETS", tmp_path)
    (tmp_path / "qmix-gridworld25.yaml").write_text("mixer_embed: 7\n")
    assert settings_of(Options(), Path("run")) == before


def test_folders_count_up_and_no_two_processes_share_one(tmp_path):
    (tmp_path / "run_7").mkdir()
    (tmp_path / "run_best").mkdir()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: next_run(tmp_path), range(40)))
    assert sorted(int(p.name[4:]) for p in made) == list(range(8, 48))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--total_episodes 0", "total_episodes is 0; it must be at least 1"),
        ("--buffer_capacity 100", "buffer_capacity 100 is smaller than"),
        ("--lr -1", "lr is -1.0; it must be above 0"),
        ("--gamma 2", "gamma is 2.0; it must lie in [0, 1]"),
        ("--batch_size many", "batch_size"),
        ("--total_episode 5", "did you mean --total_episodes?"),
        ("--max_steps_per_ep 0", "max_steps_per_ep is 0; it must be at least 1"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([*TINY.split(), "--results_dir", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_shows_the_published_defaults_without_jax():
    started = f"sys.argv = ['x', '--help']; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    check = "atexit.register(lambda: os._exit(9) if 'jax' in sys.modules else None)"
    code = f"import atexit, os, runpy, sys; {check}; {started}"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name, default in {
        "total_episodes": 1000,
        "max_steps_per_ep": 200,
        "buffer_capacity": 100000,
        "batch_size": 64,
        "lr": 0.001,
        "gamma": 0.95,
        "target_update_interval": 200,
        "train_frequency": 4,
        "min_buffer_size": 10000,
        "save_interval": 100,
    }.items():
        metavar = "FLOAT" if isinstance(default, float) else "INT"
        after = told[told.index(f"--{name} {metavar}") :]
        assert f"(default: {default})" in " ".join(after.replace("│", " ").split())[:250]


@pytest.mark.slow
@pytest.mark.ci_slow
def test_weights_for_pytorch_where_it_is_installed(run, tmp_path, monkeypatch):
    """With a stand-in for PyTorch, for it need not be installed."""
    saved = {}
    stand_in = types.SimpleNamespace(
        from_numpy=lambda array: array,
        save=lambda contents, path: (saved.update({path.name: contents}), path.touch()),
    )
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    models = tmp_path / "models"
    models.mkdir()
    source = run / "models" / "final_model.safetensors"
    (models / source.name).write_bytes(source.read_bytes())
    train_qmix.write_torch(models)
    assert (models / "final_model.pt").exists()
    contents = saved["final_model.pt"]
    assert contents["algorithm"] == "qmix"
    arrays = tensors.load_arrays(source)
    assert contents["q_network"]["head.weight"].shape == (6, 128)
    np.testing.assert_array_equal(contents["q_network"]["head.weight"], arrays["policy.head.weight"][0])
    assert any(name.startswith("w1") for name in contents["mixer"])


@pytest.mark.slow
@pytest.mark.ci_slow
def test_without_pytorch_safetensors_are_enough(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    train_qmix.write_torch(run / "models")
    with pytest.raises(UserError):
        next_run(run / "training_log.csv")
