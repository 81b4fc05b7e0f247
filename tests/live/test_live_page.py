"""The page of `sam-edge live --web` in a real browser."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
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
from sam_edge._live.screen_eye import ScreenGaze
from sam_edge._live.step import LiveStep
from sam_edge.gaze.adapters.replay import ReplaySource
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.object_colours import object_rgb
from sam_edge.scene import LiveFrame
from sam_edge.serve.http.routes import PAGE

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'sam-edge[test]'")

pytestmark = pytest.mark.browser
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
def page(browser: Any, server: LivePageServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    yield from open_page(browser, server, request.param)


@pytest.fixture
def wide_page(browser: Any, server: LivePageServer) -> Iterator[Any]:
    yield from open_page(browser, server, (1200, 800))


def open_page(browser: Any, server: LivePageServer, size: tuple[int, int]) -> Iterator[Any]:
    """Open the page in a window of a width and height; what it complains of fails the test."""
    complaints: list[str] = []
    opened = browser.new_page(viewport={"width": size[0], "height": size[1]})
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(server.url)
    yield opened
    opened.close()
    assert complaints == []


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
    number = shown.selection.object_id
    page.wait_for_selector(f"[data-object='{number}'] small:has-text('pinned')")
    chip = page.locator(f"[data-object='{number}'] .chip")
    colour = chip.evaluate("one => getComputedStyle(one).backgroundColor")
    assert colour == f"rgb{object_rgb(number or 0)}"
    assert "mask " in page.inner_text("#facts")
    assert " ms old" in page.inner_text("#facts")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # Every control can be brought into view.
    for name in ("pin", "unpin", "full", "stop"):
        page.locator(f"#{name}").scroll_into_view_if_needed()
        assert page.locator(f"#{name}").is_visible()
    assert page.evaluate(
        "[...document.querySelectorAll('button')].every(one => one.getBoundingClientRect().width >= 40)"
    )
    page.click("#stop")
    page.wait_for_selector("#connection[data-state=closed]")
    assert not server.show(shown.frame.image, shown)


def test_a_camera_that_sends_nothing_is_said(
    server: LivePageServer, wide_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_edge._live.page_server.NEXT_FRAME_S", 0.2)
    wide_page.reload()
    wide_page.wait_for_selector("#connection:has-text('The camera sends nothing')")


COLOURS = """async () => {
    const {colourOf} = await import("/page/object-colours.js");
    const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    return Array.from({length: 40}, (_, index) => {
        context.fillStyle = colourOf(index + 1);
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    });
}"""


def test_colours_are_those_of_the_other_page(wide_page: Any) -> None:
    """The golden values are Chromium's own conversion of the page's colours."""
    script = (PAGE / "object-colours.js").read_text(encoding="utf-8")
    wide_page.route(
        "**/page/object-colours.js",
        lambda route: route.fulfill(body=script, content_type="text/javascript"),
    )
    for number, colour in enumerate(wide_page.evaluate(COLOURS), 1):
        assert np.abs(np.subtract(colour, object_rgb(number))).max() <= 2, number


def test_the_page_tells_where_its_picture_is_on_the_screen(browser: Any, session: GazeSession) -> None:
    source = ReplaySource([], name="webcam:1")
    gaze = ScreenGaze(source, screen_size=(800, 1200), frame_size=SIZE)
    with LivePageServer(session, name="webcam:0", port=0, screen=gaze) as server:
        for page in open_page(browser, server, (1200, 800)):
            shown = step(session, 0)
            server.show(shown.frame.image, shown)
            page.wait_for_selector("#picture:not([hidden])")
            assert page.is_visible("#eye")
            page.evaluate("addEventListener('mousemove', (event) => { window.event1 = event; })")
            page.mouse.move(300, 300)
            corner = page.evaluate("[event1.screenX - event1.clientX, event1.screenY - event1.clientY]")
            deadline_s = time.monotonic() + 20
            while not close_to(gaze, page.locator("#picture").bounding_box(), corner):
                assert time.monotonic() < deadline_s, gaze.place
                server.show(shown.frame.image, shown)
                time.sleep(0.05)


def close_to(gaze: ScreenGaze, box: dict[str, float], corner: list[float]) -> bool:
    """Whether the place is that of the picture, in a page whose corner is there on a screen of 1200 x 800."""
    place = gaze.place
    if place is None:
        return False
    found = (place.left, place.top, place.width, place.height)
    left, top = box["x"] + corner[0], box["y"] + corner[1]
    expected = (left / 1200, top / 800, box["width"] / 1200, box["height"] / 800)
    return bool(np.allclose(found, expected, atol=2 / 1200))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"left": 0}', b'{"left": "a", "top": 0, "width": 1, "height": 1}', b'{"left": 1e999}'],
)
def test_places_that_make_no_sense_are_refused(session: GazeSession, body: bytes) -> None:
    source = ReplaySource([], name="webcam:1")
    gaze = ScreenGaze(source, screen_size=(800, 1200), frame_size=SIZE)
    with LivePageServer(session, name="webcam:0", port=0, screen=gaze) as server:
        request = urllib.request.Request(f"{server.url}api/place", data=body, method="POST")
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(request, timeout=20)
    assert gaze.place is None
