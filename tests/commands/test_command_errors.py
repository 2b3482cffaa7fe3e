"""Bad input: each is one line on standard error, exit status 2, and no traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qflock.commands import experiment, main

BAD = {
    # what is typed: a piece of the line that comes back
    "trian tiny": "did you mean 'train'?",
    "train": "name the algorithm first",
    "train --env tiny_world tiny": "name the algorithm first",
    "train tny": "unknown algorithm 'tny'; did you mean 'tiny'?",
    "train tiny --env tiny_wrld": "unknown environment 'tiny_wrld'; did you mean 'tiny_world'?",
    "train nothing.py": "no file",
    "train tiny --env nothing.py:World": "no file",
    "train tiny --env empty.py": "is no class",
    "train empty.py": "no 'Config'",
    "train broken.py": "broken.py fails when imported: NameError",
    "train tiny --env tiny_world --lrr 1": "unknown option --lrr; did you mean --lr?",
    "train tiny --env tiny_world --grid_size 3": "did you mean --env.grid_size?",
    "train tiny --env tiny_world --env.gridsize 3": "did you mean --env.grid_size?",
    "train tiny --env tiny_world --env.no_wnd": "did you mean --env.no_wind?",
    "train tiny --env tiny_world --lr fast": "--lr: expected a number, got 'fast'",
    "train tiny --env tiny_world --lr nan": "--lr: expected a number, got 'nan'",
    "train tiny --env tiny_world --batch_size 1.5": "--batch_size: expected a whole number, got '1.5'",
    "train tiny --env tiny_world --loss mae": "--loss: expected one of mse, huber, got 'mae'",
    "train tiny --env tiny_world --clip much": "--clip: expected a number or none, got 'much'",
    "train tiny --env tiny_world --hidden 64 wide": "--hidden: expected a list, each a whole number",
    "train tiny --env tiny_world --span 1": "--span: expected 2 values",
    "train tiny --env tiny_world --double_q false": "--double_q takes no value, got 'false'; --no_double_q",
    "train tiny --env tiny_world --json yes": "--json takes no value, got 'yes'",
    "train tiny --env tiny_world --lr": "--lr needs a value",
    "train tiny --env tiny_world more": "unexpected argument 'more'",
    "train tiny --env tiny_world -x": "unknown option -x",
    "train tiny --env tiny_world --lr -1": "lr is -1.0; it must be above 0",
    "train tiny --env tiny_world --seeds 0": "seeds is 0; it must be at least 1",
    "train tiny --env tiny_world --seed -3": "seed is -3; it must lie in [0, 2147483647]",
    "train tiny --env tiny_world --eval_interval -1": "eval_interval is -1; it must not be negative",
    "train tiny --env tiny_world --state_interval nan": "--state_interval: expected a number",
    "train tiny --env tiny_world --env.grid_size 1": "grid_size is 1; it must be at least 2",
    "train tiny --config missing.yaml": "no file 'missing.yaml'",
    "train tiny --config folder": "folder is a folder; name the YAML file in it",
    "train tiny --config damaged.yaml": "damaged.yaml, line 3: damaged YAML",
    "train tiny --config twice.yaml": "twice.yaml, line 3: damaged YAML: 'lr' stands twice",
    "train tiny --config binary.yaml": "binary.yaml is no text file",
    "train tiny --config list.yaml": "list.yaml holds no settings",
    "train tiny --config numbers.yaml": "numbers.yaml: 3 is no name of a setting",
    "train tiny --config unknown.yaml": "unknown.yaml: unknown setting 'batchsize'; did you mean",
    "train tiny --config typed.yaml": "typed.yaml: seeds: expected a whole number, got True",
    "train tiny --config env.yaml": "env.yaml: env: expected the name of an environment, got 3",
    "train tiny --config other.yaml": "other.yaml is for algorithm 'qmix', not 'tiny'",
    "train --config env_only.yaml": "env_only.yaml names none: an algorithm is needed",
    "resume": "name a run",
    "resume nowhere": "no run at nowhere",
    "resume folder": "folder is no run",
    "resume latest": "there is no run under",
    "evaluate --episodes 3": "name a run",
    "evaluate nowhere --episodes 3": "no run at nowhere",
    "watch": "name a run",
    "watch --env tiny_world --policy best": "unknown policy 'best'",
    "watch --env tiny_world --env.gridsize 3": "did you mean --env.grid_size?",
    "watch --env tiny_world --gif film.mp4": "its name must end in .gif",
    "watch --env tiny_world --fps 0": "fps is 0.0; it must lie in (0, 100]",
    "watch --env tiny_wrld": "did you mean 'tiny_world'?",
    "list algoritms": "did you mean 'algorithms'?",
    "list --jsn": "did you mean --json?",
    "doctor now": "unexpected argument 'now'",
    "completion": "name the shell",
    "completion bsh": "did you mean 'bash'?",
}

FILES = {
    "empty.py": "",
    "broken.py": "unheard_of\n",
    "damaged.yaml": "lr: 0.1\nhidden: [1, 2\nseeds: 2\n",
    "twice.yaml": "lr: 0.1\nseeds: 2\nlr: 0.2\n",
    "list.yaml": "- lr\n- 0.1\n",
    "numbers.yaml": "3: 4\n",
    "unknown.yaml": "env: tiny_world\nbatchsize: 3\n",
    "typed.yaml": "env: tiny_world\nseeds: true\n",
    "env.yaml": "env: 3\n",
    "other.yaml": "algorithm: qmix\n",
    "env_only.yaml": "env: tiny_world\n",
}


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize("typed", list(BAD))
def test_bad_input_is_one_line(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in FILES.items():
        Path(name).write_text(text)
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00lr")
    Path("folder").mkdir()

    assert main(typed.split()) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("qflock: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert BAD[typed] in err


@pytest.mark.usefixtures("entries")
def test_a_file_that_may_not_be_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def refuse(self: Path, *how: Any, **more: Any) -> Any:
        if self.name == "mine.yaml":
            raise PermissionError(13, "Permission denied")
        return opened(self, *how, **more)

    Path("mine.yaml").write_text("lr: 1\n")
    monkeypatch.setattr(Path, "open", refuse)
    assert main(["train", "tiny", "--config", "mine.yaml"]) == 2
    assert capsys.readouterr().err == "qflock: cannot read mine.yaml: Permission denied\n"


CONFIG = "import dataclasses as d\nclass World:\n    @d.dataclass\n    class Config:\n        "


@pytest.mark.parametrize(
    ("source", "piece"),
    [
        ("class World:\n    class Config:\n        size = 3\n", "is no dataclass"),
        (CONFIG + "size: int\n", "has no default; give it one in its Config"),
        (CONFIG + "name: str = 'x'\n", "has the name of the environment's own"),
        (CONFIG + "size: 'Nope' = 1\n", "cannot read the types"),
        ("World = 3\n", "is no class"),
    ],
)
@pytest.mark.usefixtures("entries")
def test_a_users_file_that_is_not_right(source: str, piece: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("faulty_world.py").write_text(source)
    assert main(["train", "tiny", "--env", "faulty_world.py:World"]) == 2
    err = capsys.readouterr().err
    assert piece in err
    assert err.count("\n") == 1


def test_a_stopped_experiment_goes_on_where_it_ran():
    again = experiment.again("my file.yaml", experiment.Options(launcher="processes:2", tries=3))
    assert again == "qflock experiment 'my file.yaml' --launcher processes:2 --tries 3"
    assert experiment.again("file.yaml", experiment.Options()) == "qflock experiment file.yaml"
