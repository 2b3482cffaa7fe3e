"""Settings of other libraries under our names: each by its meaning, none lost, and nothing written over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qflock.commands import main
from qflock.settings import config

PYMARL = """
action_selector: epsilon_greedy
epsilon_finish: 0.05
epsilon_anneal_time: 50000
batch_size_run: 8
buffer_size: 5000
t_max: 2050000
agent: rnn
rnn_hidden_dim: 64
mac: basic_mac
learner: q_learner
mixer: qmix
hypernet_embed: 64
env_args: {map_name: 3m}
name: qmix
label: "<b>\\u001b[2J"
"""
JAXMARL = """
NUM_SEEDS: 2
alg:
  ALG_NAME: vdn_rnn
  TOTAL_TIMESTEPS: 1e7
  EPS_DECAY: 0.1
  LR: 0.0001
  LR_LINEAR_DECAY: true
  REW_SCALE: 10.0
ENV_NAME: MPE_simple_spread_v3
"""
BENCHMARL = """
max_n_frames: 3_000_000
clip_grad_val: 5
share_policy_params: true
on_policy_n_minibatch_iters: 45
sampling_device: cpu
"""


def translated(text: str, folder: Path, *more: str) -> tuple[int, Path]:
    (folder / "theirs.yaml").write_text(text)
    ours = folder / "ours.yaml"
    return main(["new", "settings", str(ours), "--from", str(folder / "theirs.yaml"), *more]), ours


def test_pymarl(tmp_path: Path) -> None:
    status, path = translated(PYMARL, tmp_path)
    assert status == 0
    found = config.resolve(config=path)
    assert (found.algorithm, found.run.total_steps) == ("qmix", 2_050_000)
    learner = found.learner
    assert (learner.network, learner.hidden, learner.num_envs) == ("gru", (64,), 8)
    assert (learner.epsilon_end, learner.epsilon_decay, learner.mixer_hyper) == (0.05, 50_000, 64)
    text = path.read_text()
    for name in ("action_selector", "buffer_size", "mac", "env_args"):
        assert f"#   {name}: " in text
    assert "\x1b" not in text


def test_jaxmarl_with_blocks_as_hydra_has_them(tmp_path: Path) -> None:
    pytest.importorskip("jaxmarl")
    status, path = translated(JAXMARL, tmp_path)
    assert status == 0
    found = config.resolve(config=path)
    assert (found.algorithm, found.run.env) == ("vdn", "jaxmarl:MPE_simple_spread_v3")
    assert (found.run.total_steps, found.run.seeds) == (10_000_000, 2)
    assert (found.learner.lr, found.learner.epsilon_decay) == (1e-4, 1_000_000)
    assert (found.learner.lr_decay, found.learner.lr_final) == (10_000_000, 0.0)
    assert "#   REW_SCALE: 10.0" in path.read_text()


def test_benchmarl_whose_files_do_not_name_the_algorithm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, path = translated(BENCHMARL, tmp_path)
    assert (status, path.exists()) == (2, False)
    assert "--algorithm qmix" in capsys.readouterr().err
    status, path = translated(BENCHMARL, tmp_path, "--algorithm", "mappo", "--json")
    assert status == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["library"], result["problem"]) == ("BenchMARL", "")
    assert result["left"].keys() == {"sampling_device"}
    found = config.resolve(config=path)
    assert (found.learner.epochs, found.learner.max_grad_norm, found.run.total_steps) == (45, 5.0, 3_000_000)


def test_a_value_out_of_range_is_left_with_why(tmp_path: Path) -> None:
    status, path = translated(PYMARL + "gamma: 7\n", tmp_path)
    assert status == 0
    assert "#   gamma: 7  cannot be taken over: gamma is 7" in path.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: 1\nb: 2\n", "no settings of PyMARL"), ("- 1\n", "theirs.yaml"), ("{", "theirs.yaml")],
)
def test_what_is_no_such_file_is_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, path = translated(text, tmp_path)
    assert (status, path.exists()) == (2, False)
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ours.yaml").write_text("mine")
    assert translated(PYMARL, tmp_path)[0] == 2
    assert (tmp_path / "ours.yaml").read_text() == "mine"
    assert "is there already" in capsys.readouterr().err


def test_the_source_has_to_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "settings", str(tmp_path / "ours.yaml")]) == 2
    assert "--from theirs.yaml" in capsys.readouterr().err
    assert main(["new", "environment", str(tmp_path / "my.py"), "--from", "x"]) == 2
    assert not (tmp_path / "my.py").exists()
