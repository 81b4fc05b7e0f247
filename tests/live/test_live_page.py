"""The page of `sam-edge live --web` in a real browser."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the server: pip install 'sam-edge[serve]'")
pytest.importorskip("uvicorn", reason="needs the server: pip install 'sam-edge[serve]'")

import sam_edge
from sam_edge import GazeSession
from sam_edge._live.page_server import LivePageServer
from sam_edge._live.run import LiveStep
from sam_edge.gaze.samples import GazeSample
from sam_edge.scene import LiveFrame

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'sam-edge[test]'")

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SIZE = (240, 320)
MS = 1_000_000


@pytest.fixture
def session() -> Iterator[GazeSession]:
    with sam_edge.load(runtime="fake") as model, GazeSession(model, px_per_deg=10) as opened:
        yield opened


@pytest.fixture
def server(session: GazeSession) -> Iterator[LivePageServer]:
    with LivePageServer(session, name="neon://phone", port=0) as running:
        yield running


@pytest.fixture(params=[(1200, 800), (390, 844), (844, 390)], ids=["wide", "narrow", "low"])
def page(server: LivePageServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    with sync_api.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        width, height = request.param
        opened = browser.new_page(viewport={"width": width, "height": height})
        opened.goto(server.url)
        yield opened
        browser.close()


def step(session: GazeSession, number: int) -> LiveStep:
    """Step a frame with gaze that rests on one place."""
    time_ns = time.monotonic_ns()
    session.feed([GazeSample(time_ns - 10 * MS + index * 2 * MS, 150.0, 110.0) for index in range(5)])
    image = np.full((*SIZE, 3), 90, np.uint8)
    return LiveStep(LiveFrame(image, time_ns), session.step(image, time_ns), (), 12.0, 0.0)


def test_the_page_shows_frames_and_sends_commands(
    server: LivePageServer, session: GazeSession, page: Any
) -> None:
    shown = step(session, 0)
    assert server.show(shown.frame.image, shown)
    page.wait_for_selector("#picture:not([hidden])")
    page.wait_for_function("document.getElementById('picture').naturalWidth === 320")
    assert page.inner_text("#state") == "Nothing is selected."
    assert page.is_disabled("#pin")
    deadline_s = time.monotonic() + 20
    while shown.selection.object_id is None and time.monotonic() < deadline_s:
        time.sleep(0.02)
        shown = step(session, 1)
    labelled = replace(shown, selection=replace(shown.selection, label="<b>cup</b>"))
    server.show(shown.frame.image, labelled)
    page.wait_for_selector("#state:has-text('<b>cup</b>')")
    page.keyboard.press("s")
    shown = step(session, 2)
    while not shown.selection.pinned and time.monotonic() < deadline_s:
        shown = step(session, 2)
    server.show(shown.frame.image, shown)
    page.wait_for_selector("#facts:has-text('Pinned: ')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(
        "[...document.querySelectorAll('button')].every(one => one.getBoundingClientRect().width >= 40)"
    )
    page.click("#stop")
    page.wait_for_selector("#connection[data-state=closed]")
    assert not server.show(shown.frame.image, shown)


def test_a_camera_that_sends_nothing_is_said(
    server: LivePageServer, page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_edge._live.page_server.NEXT_FRAME_S", 0.2)
    page.reload()
    page.wait_for_selector("#connection:has-text('The camera sends nothing')")
