"""Files are whole or absent, and nothing half written is left, whatever becomes of the folder meanwhile."""

import os
from pathlib import Path

import pytest

from qflock.files import storage
from qflock.files.storage import CannotWrite


def test_nothing_half_written_is_left_in_a_folder_that_was_renamed_meanwhile(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "run"
    run.mkdir(parents=True)

    def written_while_it_is_renamed() -> None:
        with storage.replacing(run / "plots.png") as path:
            path.write_bytes(b"half")
            os.rename(tmp_path / "runs", tmp_path / "moved")

    with pytest.raises(CannotWrite, match="not there"):
        written_while_it_is_renamed()
    assert list((tmp_path / "moved" / "run").iterdir()) == []


@pytest.mark.parametrize("ends", [True, False])
def test_a_file_is_the_old_or_the_new_one(ends: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    opened = len(os.listdir("/proc/self/fd"))
    try:
        with storage.replacing(path) as new:
            new.write_text("new")
            if not ends:
                raise RuntimeError
    except RuntimeError:
        pass
    assert path.read_text() == ("new" if ends else "old")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert len(os.listdir("/proc/self/fd")) == opened
