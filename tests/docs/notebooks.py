"""Run the notebooks of docs/notebooks: ``python -m tests.docs.notebooks [NAME ...]`` keeps their new outputs.

The site shows the outputs that are committed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 600
"""That one cell may take, on a busy machine."""


def executed(path: Path, folder: Path) -> Any:
    """A notebook with the outputs of its cells, run in their order by a kernel of this Python.

    Args:
        path: the notebook, which stays as it is.
        folder: where it runs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    return notebook


def main(names: list[str]) -> None:
    """Run the notebooks of these names, or all, and keep them."""
    import nbformat

    for path in NOTEBOOKS:
        if not names or path.stem in names:
            with tempfile.TemporaryDirectory() as folder:
                nbformat.write(executed(path, Path(folder)), path)


if __name__ == "__main__":
    main(sys.argv[1:])
