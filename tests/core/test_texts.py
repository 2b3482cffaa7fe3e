"""Files of others are read up to a size and a depth; what has more is one line, and takes no machine."""

from __future__ import annotations

import ast
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from qflock.algorithms.qmarl import history
from qflock.commands import main
from qflock.core import texts
from qflock.core.errors import UserError
from qflock.environments._tables import payoffs
from qflock.evidence import experiment_results, results
from qflock.exports import reading
from qflock.files import csv_log, tensors
from qflock.files.storage import DamagedFile
from qflock.runs import folder, summaries
from qflock.runs.folder import RunFolder
from qflock.settings import file, values

SOURCE = Path(__file__).parents[2] / "src" / "qflock"
LISTS = "[" * 5_000 + "]" * 5_000
MAPPINGS = '{"a":' * 500 + "1" + "}" * 500
LAUGHS = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGED = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
TOWER = "a0: &a0 " + "[" * 40 + "]" * 40 + "\na1: " + "[" * 40 + "*a0" + "]" * 40 + "\n"
JSON = {"lists": LISTS, "mappings": MAPPINGS}
YAML = {
    "lists": f"a: {LISTS}",
    "mappings": f"a: {MAPPINGS}",
    "blocks": "".join(f"{' ' * n}a:\n" for n in range(500)),
    "aliases": LAUGHS,
    "merges": MERGED,
    "tower": TOWER,
    "itself": "a: &a [*a]",
    "long": "a: 1\n# " + "x" * texts.MOST_YAML,
    "many": f"a: [{'1,' * 2_001}]",
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of JSON's size that a test can pass by."""
    monkeypatch.setattr(texts, "MOST", 2**20)
    monkeypatch.setattr(texts, "MOST_CELLS", 1000)
    monkeypatch.setattr(texts, "MOST_VALUES", 2_000)


@pytest.mark.parametrize("text", JSON.values(), ids=JSON)
def test_json_that_is_too_deep_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"^it is nested more than 64 deep$"):
        texts.from_json(text)


def test_what_is_nested_as_deep_as_allowed_is_read() -> None:
    whole = "[" * texts.DEEPEST + "]" * texts.DEEPEST
    assert json.dumps(texts.from_json(whole)) == whole
    assert texts.from_yaml(whole) == json.loads(whole)
    for parse in (texts.from_json, texts.from_yaml):
        with pytest.raises(ValueError, match="nested more than 64 deep"):
            parse(f"[{whole}]")


def test_a_file_is_read_no_further_than_its_limit(tmp_path: Path) -> None:
    for path in (Path("/dev/zero"), tmp_path / "large"):
        if path.name == "large":
            path.write_bytes(b"1" * (texts.MOST + 1))
        with pytest.raises(ValueError, match="it has more than 1,048,576 bytes"):
            texts.read(path, texts.MOST)
    path.write_bytes(b"1" * texts.MOST)
    assert len(texts.read(path, texts.MOST)) == texts.MOST


def hparams(path: Path) -> object:
    (path.parent / "configs").mkdir()
    path.rename(path.parent / "configs" / "hparams.json")
    return folder.open_run(path.parent).read_hparams()


READERS: dict[str, Callable[[Path], object]] = {
    "summary.json": lambda path: summaries.read(RunFolder(path.parent)),
    "hparams.json": hparams,
    "results.json": experiment_results.read,
    "one.json": lambda path: results.read(path.parent),
    "history.json": history.read,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", [*JSON.values(), " " * (2**20 + 1)], ids=[*JSON, "large"])
def test_each_reader_of_json_says_that_it_is_damaged(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DamagedFile, match=r"damaged|no result that qflock wrote") as refused:
        READERS[name](tmp_path / name)
    assert refused.value.code == 2


@pytest.mark.parametrize("text", YAML.values(), ids=YAML)
def test_yaml_that_is_too_much(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(
        UserError, match=r"settings\.yaml.*(nested more than 64|more than [\d,]+ (values|bytes))"
    ):
        file.read(path)
    for command in ("experiment", "train vdn --config"):
        assert main([*command.split(), str(path), "--quiet"]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_an_alias_or_two_are_fine() -> None:
    assert texts.from_yaml("a: &a {x: [1]}\nb: [*a, *a]\nc: {<<: *a, y: 2}") == {
        "a": {"x": [1]},
        "b": [{"x": [1]}] * 2,
        "c": {"x": [1], "y": 2},
    }


@pytest.mark.parametrize("text", [LISTS, TOWER, LAUGHS], ids=["lists", "tower", "laughs"])
def test_settings_as_they_are_typed(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested more than|more than"):
        values._parsed(text)
    with pytest.raises(UserError, match="neither as JSON nor as YAML"):
        payoffs.read(text if text[0] == "[" else "- " + text.replace("\n", "\n  "))


@pytest.mark.parametrize("suffix", ["json", "yaml", "csv"])
def test_tables_of_payoffs(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"table.{suffix}"
    for content in (LISTS, "1," * 2000, "x" * 200_000):
        path.write_text(content)
        with pytest.raises(UserError, match=str(path)):
            payoffs.read(str(path))
    monkeypatch.setattr(payoffs, "MOST_BYTES", 1000)
    with pytest.raises(UserError, match="more than 1,000 bytes"):
        payoffs.read(str(path))


def test_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.csv"
    for content, what in (
        ("a,b\n" + "1,2\n" * 500, "1,000 cells"),
        (f"a\n{'x' * 200_000}\n", "field larger"),
    ):
        path.write_text(content)
        with pytest.raises(DamagedFile, match=what):
            csv_log.read(path)
    monkeypatch.setattr(csv_log, "MOST", 100)
    with pytest.raises(DamagedFile, match="more than 100 bytes"):
        csv_log.read(path)


def test_a_header_of_tensors(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", tensors.MOST_HEADER + 1) + b" " * 100)
    with pytest.raises(DamagedFile, match="its header has more than 16,777,216 bytes"):
        tensors.load_metadata(path)
    array = np.zeros(2, np.float32)
    header = {"schema": tensors.SCHEMA, "keys": "{}", "metadata": LISTS, "sha256": "{}"}
    header["header_sha256"] = tensors._digest_of_header(header, {"x": ["float32", [2]]})
    save_file({"x": array}, path, metadata=header)
    with pytest.raises(DamagedFile, match="its header cannot be understood"):
        tensors.load_metadata(path)


def test_the_description_in_an_exported_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.npz"
    np.savez(path, about=np.array(LISTS[:2000]))
    with pytest.raises(UserError, match=f"{path.name} (cannot be played|is damaged)"):
        reading.load_exported(path)


def test_no_other_file_reads_these_formats() -> None:
    ways = {"json.load", "json.loads", "yaml.load", "yaml.safe_load", "csv.reader", "csv.DictReader"}
    ways |= {"np.loadtxt", "np.genfromtxt", "safe_open", "load_file", "yaml.load_all", "np.fromstring"}
    found = {
        (str(path.relative_to(SOURCE)), ast.unparse(node.func))
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ways
    }
    assert found == {
        ("core/texts.py", "json.loads"),
        ("core/texts.py", "yaml.load"),
        ("core/texts.py", "csv.reader"),
        ("files/tensors.py", "safe_open"),
        (
            "exports/numpy_policy.py",
            "json.loads",
        ),  # these two stand alone, with what they were exported with:
        ("exports/torch_policy.py", "json.loads"),  # `exports.reading` opens what others bring
    }
