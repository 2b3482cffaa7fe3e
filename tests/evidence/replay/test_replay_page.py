"""Replays: what is recorded is what was played, pictures come back whole, and the page works in Chromium."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qflock.core.errors import UserError
from qflock.evidence import pages
from qflock.evidence.figures import animation
from qflock.evidence.replay import frames as replay_frames
from qflock.evidence.replay import mixer as replay_mixer
from qflock.evidence.replay import page as replay
from qflock.evidence.replay import recording, watching
from qflock.evidence.replay import show as showing
from qflock.files import tensors
from qflock.networks import inputs
from qflock.playing.evaluation import of_reference, random_policy
from qflock.runs import checkpoint, folder, policy
from qflock.runs.train import program
from qflock.settings import config
from tests.evidence.chromium import browser, opened, until
from tests.evidence.shows import STEPS, show, show_of_numbers
from tests.tiny import Echo

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>{{data}}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A QMIX run on a small board with the weights that it begins with."""
    world = {"env": "gridworld25", "env.grid_size": 5, "env.max_steps": 12, "seeds": 2}
    small = {"hidden": (16,), "buffer_capacity": 2048, "min_buffer_size": 100}
    settings = config.resolve("qmix", overrides={**world, **small})
    where = folder.create(settings, tmp_path_factory.mktemp("replay") / "qmix", now=datetime(2024, 1, 2))
    env = config.make_environment("gridworld25", settings.environment)
    learner = program.learner_of(settings, env)
    states = jax.jit(lambda keys: jax.lax.map(learner.init, keys))(jax.random.split(jax.random.key(0), 2))
    weights = {"policy": jax.vmap(learner.execution)(states), "training": jax.vmap(learner.weights)(states)}
    checkpoint.save_weights(where, "final_model", weights, {"seeds": [0, 1]})
    return where.path


@pytest.fixture(scope="module")
def played(run: Path) -> showing.Show:
    """Two episodes of it."""
    return showing.episodes(run, episodes=2)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that plays three episodes, fast."""
    return replay.write(tmp_path_factory.mktemp("page") / "replay.html", show(), fps=20.0)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


def replayed(pictures: dict[str, Any]) -> list[np.ndarray]:
    """The pictures that a browser would draw."""
    file = io.BytesIO(base64.b64decode(pictures["sheet"].partition(",")[2]))
    sheet, tile = np.asarray(Image.open(file).convert("RGB")), pictures["tile"]
    rows = -(-pictures["height"] // tile)
    board = np.zeros((rows * tile, pictures["columns"] * tile, 3), np.uint8)
    made = []
    for change in pictures["changes"]:
        for where, number in zip(change[::2], change[1::2], strict=True):
            y, x = divmod(where, pictures["columns"])
            v, u = divmod(number, pictures["sheet_columns"])
            tiles = sheet[v * tile : (v + 1) * tile, u * tile : (u + 1) * tile]
            board[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile] = tiles
        made.append(board[: pictures["height"], : pictures["width"]].copy())
    return made


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_packed_pictures_come_back_exactly(height: int, width: int, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    given = [random.integers(0, 256, (height, width, 3), np.uint8)]
    for _ in range(count - 1):
        given.append(given[-1].copy())
        given[-1][random.integers(height), random.integers(width)] = random.integers(0, 256, 3)
    for before, after in zip(given, replayed(replay_frames.pack(given, tile=8)), strict=True):
        np.testing.assert_array_equal(before, after)


def test_what_stands_still_is_stored_once() -> None:
    still = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    once, often = replay_frames.pack([still]), replay_frames.pack([still] * 200)
    assert often["sheet"] == once["sheet"]
    assert often["changes"] == once["changes"] + [[]] * 199
    with pytest.raises(ValueError, match="one size"):
        replay_frames.pack([still, still[:5]])


def test_a_recording_is_what_was_played() -> None:
    env = Echo()
    record = recording.recorder(env, of_reference(random_policy(env.spec)), ())
    one = record(jax.random.key(3))
    assert one.actions.shape == (4, 2)
    assert len(one.states) == 5
    assert one.values is None
    assert one.weights is None
    wanted = np.stack([state.wanted for state in one.states])[:-1]
    np.testing.assert_array_equal(one.timestep.observation[:-1].argmax(-1), wanted)
    np.testing.assert_allclose(one.timestep.reward[1:], (one.actions == wanted) / 2)
    again = record(jax.random.key(3))
    np.testing.assert_array_equal(one.actions, again.actions)


def test_greedy_play_takes_the_best_of_the_values_shown(played: showing.Show) -> None:
    for one in played.recordings:
        assert len(one.states) == len(one.actions) + 1
        assert one.values is not None
        np.testing.assert_array_equal(one.values.argmax(-1), one.actions)


def test_play_as_in_training_explores(run: Path) -> None:
    sampled = showing.episodes(run, episodes=16, mode="sample")
    assert any((one.values.argmax(-1) != one.actions).any() for one in sampled.recordings)
    assert sampled.about.endswith("play as in training")


@pytest.mark.slow
@pytest.mark.ci_slow
def test_mixer_weights_are_the_derivatives_of_the_teams_value(run: Path) -> None:
    """Against small differences of Q_tot, with the mixer taken from a fresh read of the weights."""
    loaded = policy.load(run)
    weigh = replay_mixer.weigher(loaded)
    assert weigh is not None
    like = jax.eval_shape(lambda: loaded.learner.weights(loaded.learner.init(jax.random.key(0))))
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct((2, *x.shape), x.dtype), like)
    whole = tensors.load(loaded.folder.final_model, {"training": like}, part=True)[0]["training"]
    mixer = jax.tree.map(lambda x: x[0], whole.mixer)
    stage = inputs.of_state(loaded.env.spec, "relative")
    random = np.random.default_rng(0)
    for _ in range(3):
        values = jnp.asarray(random.normal(size=4), jnp.float32)
        state = jnp.asarray(random.integers(0, 5, 72), jnp.int8)
        total = lambda q, state=state: float(mixer(q, stage.apply(state)))
        steps = 1e-2 * np.eye(4, dtype=np.float32)
        slopes = [(total(values + step) - total(values - step)) / 2e-2 for step in steps]
        np.testing.assert_allclose(np.asarray(weigh(values, state)), slopes, rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("mixer", ["none", "sum"])
def test_no_weights_where_nothing_weighs(mixer: str, run: Path) -> None:
    settings = config.resolve("iql", overrides={"env": "two_step", "mixer": mixer})
    env = config.make_environment("two_step", settings.environment)
    loaded = policy.load(run)._replace(settings=settings, env=env, learner=program.learner_of(settings, env))
    assert replay_mixer.weigher(loaded) is None


def test_log_probabilities_are_shown_as_chances_of_legal_actions() -> None:
    chances = np.array([[[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]])
    legal = np.array([[[True, True, False], [True] * 3]])
    now = Echo().reset(jax.random.key(0))[1]
    join = lambda x: np.stack([np.asarray(x)] * 2)
    timestep = jax.tree.map(join, now)._replace(legal=np.concatenate([legal, legal]))
    one = recording.Recording([None] * 2, timestep, np.zeros((1, 2), int), np.log(chances), None)
    assert replay._are_log_probabilities(one)
    assert replay._shown_values(one, True) == [[[0.6667, 0.3333, None], [0.1, 0.2, 0.7]]]
    assert not replay._are_log_probabilities(one._replace(values=chances))
    assert replay._shown_values(one._replace(values=chances), False) == [[[0.5, 0.25, None], [0.1, 0.2, 0.7]]]


def test_text_in_a_page_stays_text() -> None:
    made = pages.assemble(
        "replay.html",
        title=HOSTILE,
        data={"x": HOSTILE, "bad": float("nan")},
        styles=["page.css"],
        scripts=["page.js"],
    )
    assert made.count("<script") == 2
    assert made.count("</script>") == 2
    assert "<img" not in made
    inside = re.search(r'id="data">(.*?)</script>', made, re.DOTALL)
    assert inside is not None
    assert json.loads(inside[1]) == {"x": HOSTILE, "bad": None}
    assert "src=" not in made.replace("img-src", "").replace("script-src", "").replace("src=x", "")


def test_no_file_of_an_unknown_sort(run: Path) -> None:
    with pytest.raises(UserError, match=r"must end in \.gif or \.mp4 or \.html"):
        watching.write(run, run / "play.avi")


def test_an_mp4_holds_every_step(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    pictures = animation.frames(show().env, range(9), 1001)  # of odd width and height
    path = animation.write_mp4(tmp_path / "play.mp4", pictures, 10.0)
    frames, seconds = ffmpeg.count_frames_and_secs(str(path))
    assert frames == len(pictures) + 14  # the last picture stays 1.5 s
    assert seconds == pytest.approx(frames / 10, abs=0.2)


def test_an_mp4_without_ffmpeg_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=r"pip install 'qflock\[video\]'"):
        watching.write(run, run / "none.mp4")
    assert not (run / "none.mp4").exists()


def test_the_page_of_a_run_is_small_and_needs_no_network(played: showing.Show, tmp_path: Path) -> None:
    text = replay.write(tmp_path / "replay.html", played).read_text()
    assert len(text) < 200_000
    named = set(re.findall(r"https?:[^\"' ]*", text))
    assert named == {"http://www.w3.org/2000/svg"}  # a format's name, not a place that is asked
    data = json.loads(re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)[0])
    assert data["kind"] == "values"
    assert data["title"] == "qmix on gridworld25"
    assert data["about"].endswith("qmix, seed 0, final weights, greedy play")
    first = data["episodes"][0]
    assert len(first["weights"]) == len(first["values"]) == len(first["actions"])
    assert first["total"] == pytest.approx(sum(first["rewards"]), abs=1e-3)


def state(page: Any) -> tuple[int, int]:
    found = page.locator("main")
    return int(found.get_attribute("data-episode")), int(found.get_attribute("data-step"))


def test_keyboard_and_mouse_in_chromium(page: Path, chromium: Any) -> None:
    with opened(chromium, page) as shown:
        assert state(shown) == (0, 0)
        for key, after in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("Shift+ArrowRight", 11)):
            shown.keyboard.press(key)
            assert state(shown) == (0, after)
        shown.keyboard.press("Home")
        shown.keyboard.press("]")
        assert shown.locator("select").input_value() == "3"
        shown.keyboard.press("[")
        assert shown.locator("select").input_value() == "2"
        shown.keyboard.press("Space")
        until(shown, lambda: state(shown)[1] >= 3)
        shown.keyboard.press("Space")
        assert shown.locator("main").get_attribute("data-playing") == "false"
        stopped = state(shown)
        shown.wait_for_timeout(200)
        assert state(shown) == stopped
        shown.keyboard.press("3")
        assert state(shown) == (2, 0)
        shown.get_by_role("button", name="Episode 2").click()
        assert state(shown) == (1, 0)
        shown.get_by_role("button", name="Last step").click()
        assert state(shown)[1] == int(shown.get_by_label("step", exact=True).get_attribute("max"))
        assert "episode over" in shown.get_by_label("agent 0", exact=False).first.inner_text()
        shown.get_by_label("step", exact=True).fill("4")
        assert state(shown) == (1, 4)
        box = shown.locator(".lanes").bounding_box()
        shown.mouse.click(box["x"] + box["width"] - 9, box["y"] + 10)
        assert state(shown)[1] == STEPS
        shown.get_by_role("button", name="First step").click()
        shown.locator(".picture").click()
        until(shown, lambda: state(shown)[1] >= 2)
        assert shown.locator("main").get_attribute("data-playing") == "true"


def test_in_a_frame_it_plays_by_itself_and_is_as_dark_as_the_page_around(
    page: Path, chromium: Any, tmp_path: Path
) -> None:
    around = tmp_path / "around.html"
    address = f"{page.as_uri()}#embed"
    around.write_text(f'<iframe src="{address}" sandbox="allow-scripts" width="700" height="560"></iframe>')
    with opened(chromium, around, color_scheme="light") as window:
        frame = window.frames[1]
        told = lambda name: frame.locator("main").get_attribute(f"data-{name}")
        theme = lambda: frame.locator("html").get_attribute("data-theme")
        assert frame.locator("header, .keys").count() == 0
        until(window, lambda: told("episode") == "1")
        frame.get_by_role("button", name="Episode 3").click()
        until(window, lambda: told("episode") == "0")  # and begins again
        assert told("playing") == "true"
        assert theme() == "light"
        frame.locator("main").evaluate("main => { main.dataset.kept = 'yes'; }")
        window.locator("iframe").evaluate("(frame, address) => { frame.src = address; }", f"{address}=dark")
        until(window, lambda: theme() == "dark")
        assert told("kept") == "yes"  # it was not loaded anew


def test_the_board_is_drawn_as_recorded(page: Path, chromium: Any) -> None:
    wanted = show().env.draw(5, replay.SIZE)
    height, width = wanted.shape[:2]
    drawn = (
        "() => { const c = document.querySelector('.picture');"
        "return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data) }"
    )
    with opened(chromium, page) as window:
        for key in ("Home", "End"):  # tile by tile from step to step, and all of them at once
            window.keyboard.press(key)
            window.get_by_label("step", exact=True).fill("4" if key == "Home" else "5")
            if key == "Home":
                window.keyboard.press("ArrowRight")
            until(window, lambda: any(window.evaluate(drawn)[:4]))
            pixels = np.array(window.evaluate(drawn), np.uint8).reshape(height, width, 4)[..., :3]
            np.testing.assert_array_equal(pixels, wanted)


@pytest.mark.parametrize("width", [390, 1366])
def test_light_dark_and_no_sideways_scrolling(page: Path, chromium: Any, width: int) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    with opened(chromium, page, color_scheme="dark", viewport={"width": width, "height": 800}) as shown:
        dark = shown.evaluate(paper)
        shown.get_by_role("button", name="Light or dark").click()
        light = shown.evaluate(paper)
        shown.keyboard.press("d")
        assert shown.evaluate(paper) == dark
        assert sum(map(int, re.findall(r"\d+", dark)[:3])) < 120
        assert sum(map(int, re.findall(r"\d+", light)[:3])) > 600
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.get_by_role("group", name=re.compile(r"^agent \d, takes ")).count() == 4
        assert shown.get_by_label("mixer weights").is_visible()
        assert shown.locator("b").count() == 0  # an action's name is text, whatever it is
        assert shown.get_by_text("<b>collect</b>").count() >= 4


def test_numbers_of_a_box_are_shown_between_their_bounds() -> None:
    """Means and deviations beside what was done."""
    found = replay.data(show_of_numbers())
    assert found["kind"] == "density"
    assert found["actions"] == ["turn", "<b>push</b>"]
    assert found["bounds"] == [(-1.0, 1.0), (0.0, 4.0)]
    (episode,) = found["episodes"]
    assert episode["actions"][0][0] == [0.5, 1.0]
    assert episode["values"][0][0] == [0.25, 0.25, 0.5, 0.5]


def test_the_page_says_numbers_means_and_deviations(tmp_path: Path, chromium: Any) -> None:
    with opened(chromium, replay.write(tmp_path / "page.html", show_of_numbers())) as shown:
        card = shown.locator(".agent").first
        assert "0.50, 1.00" in card.inner_text()
        assert "0.50 of 0.25 ± 0.50" in card.inner_text()
        assert "gives turn 0.50 of 0.25 ± 0.50" in str(card.get_attribute("aria-label"))
