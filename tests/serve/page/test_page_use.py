"""The page in use: a lost connection, keys alone, no camera, a token, and nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from sam_edge.serve.http.routes import PAGE
from sam_edge.serve.models.engines import Engines
from sam_edge.serve.server import Server
from tests.serve.page.driver import look_at_the_ball, objects, start_camera, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_lost_connection_is_shown_and_restored(open_page: Callable[..., Any], engines: Engines) -> None:
    first = Server(engines, port=0)
    first.start()
    try:
        page = open_page(first.url)
        look_at_the_ball(page)
        port = first.port
    finally:
        first.stop()
    page.wait_for_selector("#connection-text:has-text('Connection lost')")
    assert "Connection lost" in page.inner_text("#badge")
    with Server(engines, port=port):
        page.wait_for_selector("#connection[data-state=open]")
        wait_for(lambda: not page.is_visible("#badge"), "the note to go away")
        page.evaluate("document.getElementById('viewport').dataset.gazeTarget = ''")
        wait_for(lambda: objects(page, "gaze-target"), "masks to come again")


def test_keys_and_a_screen_reader_are_enough(open_page: Callable[..., Any]) -> None:
    page = open_page()
    start_camera(page)
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    wait_for(lambda: objects(page, "gaze-target"), "something to be outlined")
    page.keyboard.press("Enter")
    wait_for(lambda: "Pinned object" in page.inner_text("[aria-live]"), "the pin to be announced")
    page.keyboard.press("Backspace")
    wait_for(lambda: "Unpinned all objects" in page.inner_text("[aria-live]"), "the unpin to be announced")
    page.keyboard.press("p")
    assert page.get_attribute("#pause", "aria-pressed") == "true"
    assert page.evaluate("document.getElementById('video').paused")
    unnamed = page.evaluate(
        """[...document.querySelectorAll("button, select, input")]
            .filter((one) => !one.hidden && !(one.ariaLabel || one.textContent.trim() || one.labels?.length))
            .map((one) => one.outerHTML)"""
    )
    assert unnamed == []


def test_without_a_camera_the_clip_plays_and_no_other_host_is_contacted(
    open_page: Callable[..., Any], server: Server
) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_selector("[data-ready]")
    page.click("button[data-source=demo]")
    page.wait_for_selector("#viewport.live")
    wait_for(lambda: page.evaluate("document.getElementById('video').currentTime") > 0.2, "the clip to play")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    own = f"127.0.0.1:{server.port}"
    foreign = [url for url in asked if not re.match(rf"(blob:)?(http|ws)://{re.escape(own)}/", url)]
    assert foreign == []
    assert len(asked) > 10


def test_a_token_is_asked_for(open_page: Callable[..., Any], browser: Any, engines: Engines) -> None:
    with Server(engines, port=0, token="open sesame, open") as guarded:
        page = browser.new_context().new_page()
        page.goto(guarded.url.split("#")[0])
        page.fill("#token", "open sesame, open")
        page.click("dialog button")
        page.wait_for_selector("#connection[data-state=open]")
        page.context.close()
        with_fragment = open_page(guarded.url)
        with_fragment.wait_for_selector("#connection[data-state=open]")


def test_types_name_what_the_client_exports() -> None:
    script = (PAGE / "sam-edge-client.js").read_text(encoding="utf-8")
    types = (PAGE / "sam-edge-client.d.ts").read_text(encoding="utf-8")
    [again] = re.findall(r"export \{ (.*) \} from", script)
    exported = {*again.split(", "), *re.findall(r"export class (\w+)", script)}
    declared = set(re.findall(r"export (?:function|class) (\w+)", types))
    assert declared == exported
    methods = set(re.findall(r"^  (?:get )?([a-z]\w*)\(.*\) \{$", script, re.MULTILINE)) - {"constructor"}
    assert {
        name for name in methods if re.search(rf"^  (?:readonly )?{name}[(:]", types, re.MULTILINE)
    } == methods


def test_nothing_in_the_page_comes_from_elsewhere() -> None:
    for path in [*PAGE.glob("*.js"), *PAGE.glob("*.html"), *PAGE.glob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?:src|href|from|import|url)\W{1,4}(?:https?:)?//", text), path.name
