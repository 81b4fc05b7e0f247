"""The page in a real browser: Debian's Chromium without a screen, a film as its camera, a real model behind it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.serve.models.engines import Engines
from sam_edge.serve.server import Server
from tests.serve.page.driver import FILM_FRAMES, HEIGHT, RADIUS_PX, SLOW_MS, STILL, SWING_PX, SWINGING, WIDTH

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'sam-edge[test]'"
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory, clip_frame: NDArray[np.uint8]) -> Path:
    """A ball that swings to and fro over a meadow in twelve seconds, and one that lies still; as Chromium reads it.

    It moves 13 pixels a second at most, so that a busy machine that sees few frames can follow it, too.
    """
    path = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    meadow = cv2.resize(clip_frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)[:, :, ::-1]
    with path.open("wb") as handle:
        for index in range(FILM_FRAMES):
            frame = np.array(meadow, np.uint8)
            shift = SWING_PX * np.sin(2 * np.pi * index / FILM_FRAMES)
            draw_ball(frame, SWINGING[0] * WIDTH + shift, SWINGING[1] * HEIGHT, (40, 90, 235))
            draw_ball(frame, STILL[0] * WIDTH, STILL[1] * HEIGHT, (225, 225, 230))
            handle.write(cv2.imencode(".jpg", frame)[1].tobytes())
    return path


def draw_ball(frame: NDArray[np.uint8], x: float, y: float, colour: tuple[int, int, int]) -> None:
    """Draw a shaded ball of `RADIUS_PX`."""
    for step in range(12):
        share = step / 12
        tone = [int(value * (0.55 + 0.45 * share)) for value in colour]
        centre = (round(x - 9 * share), round(y - 9 * share))
        cv2.circle(frame, centre, round(RADIUS_PX * (1 - 0.9 * share)), tone, -1, cv2.LINE_AA)


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """The model in the package."""
    with Engines(runtime="onnxruntime", threads=1) as opened:
        yield opened


@pytest.fixture(scope="session")
def server(engines: Engines) -> Iterator[Server]:
    with Server(engines, port=0) as running:
        yield running


# Two of playwright's loops in one thread are not accepted: other modules have browsers of their own.
@pytest.fixture(scope="module")
def browser(film: Path) -> Iterator[Any]:
    with playwright.sync_playwright() as tool:
        chromium = tool.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, server: Server) -> Iterator[Callable[..., Any]]:
    """Open the page in a window of its own; what it complains of fails the test."""
    contexts, complaints = [], []

    def start(url: str = server.url, **options: Any) -> Any:
        options = {"viewport": {"width": 900, "height": 700}, "permissions": ["camera"], **options}
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.extend([said.text] if said.type == "error" else []))
        page.goto(url)
        page.wait_for_selector("[data-ready]")
        return page

    yield start
    for context in contexts:
        context.close()
    lost = re.compile("WebSocket connection .* failed|Failed to load resource")
    assert [text for text in complaints if not lost.search(text)] == []
