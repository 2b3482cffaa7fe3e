"""Sphinx settings of the documentation: ``sphinx-build -W docs docs/_build``."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from docutils import nodes

from qflock import __version__

project = "qflock"
author = "the qflock authors"
copyright = "the qflock authors, Apache-2.0"
version = release = __version__

extensions = [
    "myst_nb",  # Markdown as MyST has it, and notebooks
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "qflock_pages",
    "replays",
]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # pages show the outputs that are committed: python -m tests.docs.notebooks
exclude_patterns = ["_build", "_ext", "_static", "_templates"]
suppress_warnings = [
    "autodoc.mocked_object",
    "ref.python",
]  # of a type's name in a signature, which two modules have

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"qflock {version}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["qflock.css"]
html_js_files = [("versions.js", {"defer": "defer"}), ("replay_theme.js", {"defer": "defer"})]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"  # types and defaults there; docstrings give shapes and units
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80  # a longer one has a line for each argument
autodoc_mock_imports = [] if find_spec("torch") else ["torch"]  # an extra: its page is built without it too
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

TOGETHER = re.compile(r"^:(?:ivar|param) \w+(?:, \w+)+:")
ARRAY = re.compile(r"\bjaxlib\.\w+\.(?=Array\b)|\bjaxtyping\.")
FIELD = re.compile(r"Alias for field number \d+")


def setup(app):
    """After napoleon: names that a docstring describes together stay one name."""
    app.connect("autodoc-process-docstring", keep_together, priority=600)
    app.connect("doctree-read", plain_arrays)


def keep_together(app, what, name, obj, options, lines):
    """Without spaces, or Sphinx reads ``low, high`` as a name ``high`` of a type ``low,``.

    And without the sentence that Python puts to a field of a named tuple.
    """
    lines[:] = [TOGETHER.sub(lambda found: found[0].replace(", ", ","), line) for line in lines]
    if lines and FIELD.fullmatch(lines[0]):
        lines.clear()


def plain_arrays(app, doctree):
    """An array's type as sources have it, ``Float[Array, "B"]``, not by where JAX keeps its class."""
    for text in [*doctree.findall(nodes.Text)]:
        if ARRAY.search(text):
            text.parent.replace(text, nodes.Text(ARRAY.sub("", text)))
