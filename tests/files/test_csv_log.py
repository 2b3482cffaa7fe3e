"""A CSV log: whole rows, the same bits back, cut back for a resumed run."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflock.core.errors import UserError
from qflock.files import csv_log
from qflock.files.csv_log import CsvLog
from qflock.files.storage import CannotWrite, DamagedFile

COLUMNS = ("seed", "env_step", "loss", "name")
ROWS = st.lists(
    st.fixed_dictionaries(
        {"seed": st.integers(0, 9), "env_step": st.integers(0, 2**40)},
        optional={"loss": st.floats(), "name": st.text(st.characters(exclude_categories=["Cs"]))},
    ),
    max_size=6,
)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 1000 bytes: the kernel writes what fits and refuses the rest."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@settings(max_examples=200)
@given(numbers=st.lists(st.tuples(st.floats(), st.floats(width=32)), min_size=1, max_size=5))
def test_the_same_bits_come_back(tmp_path_factory: pytest.TempPathFactory, numbers: list[Any]) -> None:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    with CsvLog(path, ("double", "single")) as rows:
        for double, single in numbers:
            rows.append({"double": double, "single": np.float32(single)})
    read = csv_log.read(path)
    double, single = (np.array(column) for column in zip(*numbers, strict=True))
    np.testing.assert_array_equal(read["double"], double)
    np.testing.assert_array_equal(np.signbit(read["double"]), np.signbit(double) & ~np.isnan(double))
    np.testing.assert_array_equal(read["single"].astype(np.float32), single.astype(np.float32))


def test_what_a_cell_may_hold(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with CsvLog(path, list("abcdefgh")) as rows:
        rows.append(
            {
                "a": 3, "b": True, "c": np.float32(0.1), "d": jnp.float32(0.1), "e": np.int64(2**40),
                "f": None, "g": 'say "a, b"\nc', "h": np.nan,
            }
        )  # fmt: skip
    assert path.read_text() == 'a,b,c,d,e,f,g,h\n3,1,0.1,0.1,1099511627776,,"say ""a, b""\nc",nan\n'
    read = csv_log.read(path)
    assert read["g"].tolist() == ['say "a, b"\nc']
    assert np.isnan(read["f"]).all()
    assert read["e"].dtype == np.float64


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"los": 1.0}, KeyError),
        ({"loss": np.ones(2)}, TypeError),
        ({"loss": [1]}, TypeError),
        ({"loss": 1j}, TypeError),
    ],
)
def test_a_row_that_does_not_fit_changes_nothing(
    tmp_path: Path, row: dict[str, Any], problem: type[Exception]
) -> None:
    path = tmp_path / "log.csv"
    with CsvLog(path, COLUMNS) as rows:
        rows.append({"seed": 1})
        before = path.read_bytes()
        with pytest.raises(problem):
            rows.append({"seed": 2}, row)
    assert path.read_bytes() == before


@settings(max_examples=100)
@given(first=ROWS, lost=ROWS, again=ROWS, torn=st.binary(max_size=8))
def test_cutting_back_leaves_no_row_twice_and_none_out(
    tmp_path_factory: pytest.TempPathFactory, first: list[Any], lost: list[Any], again: list[Any], torn: bytes
) -> None:
    folder = tmp_path_factory.mktemp("log")
    with CsvLog(folder / "killed.csv", COLUMNS) as rows:
        rows.append(*first)
        offset = rows.offset()
        for row in lost:
            rows.append(row)
    with (folder / "killed.csv").open("ab") as file:
        file.write(torn)
    with CsvLog(folder / "killed.csv", COLUMNS) as rows:
        rows.truncate(offset)
        rows.append(*again)
    with CsvLog(folder / "whole.csv", COLUMNS) as rows:
        for row in (*first, *again):
            rows.append(row)
    assert (folder / "killed.csv").read_bytes() == (folder / "whole.csv").read_bytes()
    assert len(csv_log.read(folder / "whole.csv")["seed"]) == len(first) + len(again)


def test_a_kill_at_any_byte_can_be_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with CsvLog(path, COLUMNS) as rows:
        start = rows.offset()
        rows.append({"seed": 1, "env_step": 10, "loss": 0.5})
        offset = rows.offset()
        rows.append({"seed": 1, "env_step": 20, "loss": 0.25})
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        target = 0 if size < offset else offset  # the newest state that can have been saved by then
        with CsvLog(path, COLUMNS) as rows:
            rows.truncate(target)
        assert path.read_bytes() == whole[: max(target, start)]


@pytest.mark.parametrize("offset", [3, 25, 33, 35, 10**6])
def test_an_offset_that_is_no_end_of_a_row_is_refused(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "log.csv"
    with CsvLog(path, COLUMNS) as rows:
        rows.append({"seed": 1, "env_step": 10, "loss": 0.5})
        assert rows.offset() == 34
        with pytest.raises(DamagedFile, match="rows are missing"):
            rows.truncate(offset)
    assert len(path.read_bytes()) == 34


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    CsvLog(path, COLUMNS).close()
    with pytest.raises(DamagedFile, match="has other columns"):
        CsvLog(path, (*COLUMNS, "more"))


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_whole_rows(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with CsvLog(path, COLUMNS) as rows:
        rows.append({"seed": 1, "name": "x" * 900})
        before = path.read_bytes()
        with pytest.raises(CannotWrite, match=r"^cannot write .*: File too large"):
            rows.append({"seed": 2}, {"seed": 3, "name": "y" * 200})
        assert path.read_bytes() == before
        rows.append({"seed": 4})
    assert csv_log.read(path)["seed"].tolist() == [1, 4]


def test_a_log_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match=r"cannot write .*not there"):
        CsvLog(tmp_path / "no" / "log.csv", COLUMNS)


def test_a_log_that_is_being_written_reads_up_to_its_last_whole_row(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for content, expected in (
        ("", {}),
        ("a,b", {}),
        ("a,b\n", {"a": [], "b": []}),
        ("a,b\n1,2\n3", {"a": [1.0], "b": [2.0]}),
        ("a,b\n1,x\n2,\n", {"a": [1.0, 2.0], "b": ["x", ""]}),
    ):
        path.write_text(content)
        assert {name: column.tolist() for name, column in csv_log.read(path).items()} == expected


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"a,a\n1,2\n",
        b"a,b\n1\n",
        b"a,b\n1,2,3\n",
        b"\xff\n",
        b'a,b\n"1,2\n',
        b"a\n" + b"1" * 200_000 + b"\n",
    ],
)
def test_a_damaged_log_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(DamagedFile) as caught:
        csv_log.read(path)
    assert "\n" not in str(caught.value)


@settings(max_examples=200)
@given(content=st.binary(max_size=60) | st.text(alphabet='a1,"\n\r.e', max_size=40).map(str.encode))
def test_any_file_reads_or_is_a_user_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    path.write_bytes(content)
    try:
        columns = csv_log.read(path)
    except UserError:
        return
    assert len({len(column) for column in columns.values()}) <= 1


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*No such file"):
        csv_log.read(tmp_path / "nothing.csv")
