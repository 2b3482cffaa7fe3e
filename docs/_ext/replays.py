"""``{replay} zoo:gridworld25/qmix``: a policy of the zoo plays on the page, as ``qflock watch`` has it."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from qflock.evidence.replay import page, show
from qflock.machine import device

FOLDER = "_replays"
EPISODES, SEED = 3, 0


class ReplayFrame(SphinxDirective):
    """The page itself, made when the site is built, in a frame that can reach nothing around it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if self.env.app.builder.format != "html":
            return [nodes.paragraph("", f"{name} plays here: qflock watch {name}")]
        file = f"{name.removeprefix('zoo:').replace('/', '-')}.html"
        device.use("cpu")
        shown = show.episodes(name, episodes=EPISODES, seed=SEED)
        path = Path(self.env.app.outdir) / FOLDER / file
        path.parent.mkdir(parents=True, exist_ok=True)
        page.write(path, shown)
        up = "../" * self.env.docname.count("/")
        title = html.escape(f"{shown.title} plays: {shown.about}", quote=True)
        frame = (
            f'<iframe class="replay" src="{up}{FOLDER}/{file}#embed" title="{title}" loading="lazy" '
            'sandbox="allow-scripts"></iframe>'
        )
        return [nodes.raw("", frame, format="html")]


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls it."""
    app.add_directive("replay", ReplayFrame)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
