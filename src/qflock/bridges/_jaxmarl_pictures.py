"""Pictures of JaxMARL's states, by its own visualisers. Matplotlib is imported with the first picture."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

from qflock.core.errors import UserError

FIGURE = (5.0, 5.0)  # inches
Painter = Callable[[Any, Any, Any], Any]
"""``(environment, state, axes)``: paints on the axes, or returns a picture of its own."""


def methods(target: str) -> dict[str, Any]:
    """The method ``draw`` of an environment's class; none where JaxMARL shows its states as text at most.

    Args:
        target: the name that JaxMARL has registered.
    """
    paint = next((paint for start, paint in PAINTERS.items() if target.startswith(start)), None)
    if paint is None:
        return {}

    def draw(self: Any, state: Any, size: int = 500) -> np.ndarray:
        """A picture, see `core.environment.Drawable`."""
        return _picture(paint, self.inner, state.inner, size)

    return {"draw": draw}


def _picture(paint: Painter, environment: Any, state: Any, size: int) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=FIGURE, dpi=size / FIGURE[0])
    canvas = FigureCanvasAgg(figure)
    try:
        with mock.patch("builtins.print"):  # JaxMARL's visualisers do
            own = paint(environment, state, figure.add_subplot())
    except ImportError as problem:
        raise UserError(
            f"JaxMARL's visualiser cannot be imported: {problem}; install what is missing"
        ) from problem
    if own is None:
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()
    image = own if isinstance(own, Image.Image) else Image.fromarray(np.asarray(own, np.uint8))
    image = image.convert("RGB")
    return np.asarray(image.resize((size, max(1, round(image.height * size / image.width)))))


def _mpe(environment: Any, state: Any, axes: Any) -> None:
    module = importlib.import_module("jaxmarl.environments.mpe.mpe_visualizer")
    with mock.patch.object(module.plt, "subplots", return_value=(axes.figure, axes)):
        module.MPEVisualizer(environment, [state])


def _smax(environment: Any, state: Any, axes: Any) -> None:
    battle = getattr(state, "state", state)  # one level deeper where a scripted enemy plays
    still = dict.fromkeys(getattr(environment, "all_agents", environment.agents), 0)
    environment.init_render(axes, (None, battle, still), 0, int(battle.step))
    for image in list(axes.images):  # a copy of the picture, which it lays over it
        image.remove()
    axes.set(xlim=(0, environment.map_width), ylim=(0, environment.map_height), aspect="equal")


def _overcooked(environment: Any, state: Any, axes: Any) -> Any:
    module = importlib.import_module("jaxmarl.viz.overcooked_visualizer")
    rim = environment.agent_view_size - 2
    grid = np.asarray(state.maze_map[rim:-rim, rim:-rim, :])
    return module.OvercookedVisualizer._render_grid(
        grid, highlight_mask=None, agent_dir_idx=state.agent_dir_idx, agent_inv=state.agent_inv
    )


def _overcooked_v2(environment: Any, state: Any, axes: Any) -> Any:
    module = importlib.import_module("jaxmarl.viz.overcooked_v2_visualizer")
    return module.OvercookedV2Visualizer()._render_state(state, None)


def _jaxnav(environment: Any, state: Any, axes: Any) -> None:
    environment.init_render(axes, state, lidar=False)


PAINTERS: dict[str, Painter] = {
    "MPE_": _mpe,
    "SMAX": _smax,
    "HeuristicEnemySMAX": _smax,
    "overcooked_v2": _overcooked_v2,
    "overcooked": _overcooked,
    "jaxnav": _jaxnav,
}
"""By how names begin."""
