"""The page in a real browser: Debian's Chromium without a screen, a film as its camera, a real model behind it."""

from __future__ import annotations

import base64
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.identity import KnownObject, ObjectEvent
from sam_edge.media.images import read_image
from sam_edge.serve.http.routes import PAGE
from sam_edge.serve.models.engines import Engines
from sam_edge.serve.server import Server
from sam_edge.stream.selection import State
from sam_edge.wire import protocol
from sam_edge.wire.mask_codec import runs_of
from sam_edge.wire.messages import (
    CameraSetup,
    Command,
    CommandAction,
    Configure,
    FrameSelection,
    Gaze,
    Hello,
    ImageFormat,
    MaskFormat,
    MaskOptions,
    ObjectAction,
    ObjectCommand,
    ObjectInfo,
    ObjectList,
    Ping,
    Rays,
    SceneFrame,
    SelectedObject,
    Unconfirmed,
    Welcome,
)
from sam_edge.wire.webcam_messages import (
    Calibrate,
    CalibrationAction,
    CalibrationResult,
    CalibrationTarget,
    Click,
    FaceFrame,
    FaceObservation,
    GazeEstimate,
    TargetError,
    TargetProgress,
    TargetState,
    Viewport,
    Webcam,
)

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'sam-edge[test]'"
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
VENDOR = PAGE / "vendor" / "ort.wasm.min.mjs"
FLAGS = [
    "--no-sandbox",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
WIDTH, HEIGHT, FILM_FRAMES = 480, 270, 360
RADIUS_PX, SWING_PX = 46, 24
SWINGING, STILL = (0.68, 0.66), (0.2, 0.3)
"""Where the balls are, shares of the film's sides; the first one's place lies on it all the time."""
SLOW_MS = 180_000
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    """The model in the package."""
    with Engines(runtime="onnxruntime", threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(engines: Engines) -> Iterator[Server]:
    with Server(engines, port=0) as running:
        yield running


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


def point_at(page: Any, place: tuple[float, float]) -> None:
    """Move the mouse to a place of the video."""
    box = page.locator("#overlay").bounding_box()
    page.mouse.move(box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"])


def objects(page: Any, role: str) -> dict[int, list[int]]:
    """Boxes of the objects with the role `gaze-target` or `pinned`, by number; 0 is an object without a number."""
    told = page.get_attribute("#viewport", f"data-{role}") or ""
    pairs = [entry.split(":") for entry in told.split()]
    return {int(number): [int(side) for side in box.split(",")] for number, box in pairs}


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = SLOW_MS / 1e3) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


def pinned(page: Any) -> dict[int, list[int]]:
    return objects(page, "pinned")


def outlines_a_ball(page: Any) -> bool:
    """Whether what is outlined has the width of a ball."""
    return any(
        1.4 * RADIUS_PX < right - left < 3 * RADIUS_PX
        for left, _, right, _ in objects(page, "gaze-target").values()
    )


def start_camera(page: Any) -> None:
    page.click("button[data-source=camera]")
    page.wait_for_selector("#viewport.live")


def look_at_the_ball(page: Any) -> None:
    start_camera(page)
    point_at(page, SWINGING)
    wait_for(lambda: outlines_a_ball(page), "the ball to be outlined")


def watch_it_swing(page: Any, number: int) -> None:
    """Wait until a pinned object has moved as the ball does, and check that it stays the ball."""
    boxes: list[list[int]] = []

    def swung() -> bool:
        boxes.extend([pinned(page)[number]] if number in pinned(page) else [])
        centres = [(left + right) / 2 for left, _, right, _ in boxes]
        return bool(boxes) and max(centres) - min(centres) > SWING_PX

    wait_for(swung, "the mask to follow the ball")
    widths = [right - left for left, _, right, _ in boxes]
    assert 1.4 * RADIUS_PX < np.median(widths) < 3 * RADIUS_PX


def pin_with_key(page: Any, *, ready: Callable[[Any], bool] = lambda _: True) -> int:
    """Press Space when the page is ready and outlines an object that is not pinned; return its number.

    On a busy machine the object may have gone when the server gets the key, as the page then says: it needs more.
    """
    before = set(pinned(page))
    added: set[int] = set()

    def pressed() -> set[int]:
        target = objects(page, "gaze-target")
        if target and not target.keys() & before and ready(page):
            page.keyboard.press("Space")
            end = time.monotonic() + 2.0
            while not added and time.monotonic() < end:
                time.sleep(0.05)
                added.update(set(pinned(page)) - before)
        return added

    wait_for(pressed, "an object to be pinned")
    [number] = added
    return number


def colour_of(page: Any, number: int) -> list[int]:
    """The colour of an object in the list: red, green, blue."""
    page.wait_for_selector(f"[data-object='{number}']")
    colour: list[int] = page.evaluate(
        """(number) => {
            const chip = document.querySelector(`[data-object="${number}"] .chip`);
            const context = new OffscreenCanvas(1, 1).getContext("2d");
            context.fillStyle = getComputedStyle(chip).backgroundColor;
            context.fillRect(0, 0, 1, 1);
            return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }""",
        number,
    )
    return colour


def drawn_share(page: Any, number: int) -> float:
    """Share of the overlay in the colour that an object has in the list."""
    return float(
        page.evaluate(
            """(colour) => {
                const canvas = document.getElementById("overlay");
                const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                let count = 0;
                for (let at = 0; at < data.length; at += 4) {
                    const near = colour.every((tone, index) => Math.abs(tone - data[at + index]) < 12);
                    if (data[at + 3] > 40 && near) count += 1;
                }
                return count / (data.length / 4);
            }""",
            colour_of(page, number),
        )
    )


def target_is_drawn(page: Any) -> bool:
    """Whether the gaze target covers the overlay in the colour that it has in the list."""
    return any(drawn_share(page, number) > 0.01 for number in objects(page, "gaze-target"))


def test_an_object_is_pinned_followed_and_unpinned(open_page: Callable[..., Any]) -> None:
    page = open_page()
    look_at_the_ball(page)
    wait_for(lambda: target_is_drawn(page), "the object to be drawn in its colour")
    number = pin_with_key(page, ready=outlines_a_ball)
    point_at(page, STILL)
    watch_it_swing(page, number)
    wait_for(lambda: drawn_share(page, number) > 0.01, "the pinned object to be drawn")
    second = pin_with_key(page)
    wait_for(lambda: set(pinned(page)) == {number, second}, "both objects to be shown as pinned")
    page.get_by_role("button", name=f"Unpin object {number}").click()
    wait_for(lambda: len(pinned(page)) == 1 and number not in pinned(page), "the first object to be unpinned")
    page.click("#unpin")
    wait_for(lambda: not pinned(page), "all objects to be unpinned")
    assert page.locator("#legend li").count() >= 6


def rows(page: Any) -> dict[int, str]:
    """Names of the objects in the list, by number."""
    pairs: list[tuple[int, str]] = page.evaluate(
        """[...document.querySelectorAll("#objects li")]
            .map((row) => [Number(row.dataset.object), row.querySelector(".name").textContent])"""
    )
    return dict(pairs)


def rename(page: Any, number: int, text: str, key: str = "Enter") -> None:
    """Rename an object in its place, with the keyboard alone."""
    page.focus(f"[data-object='{number}'] .name")
    page.keyboard.press("Enter")
    page.keyboard.type(text)
    page.keyboard.press(key)


MARKUP = "<img src=x onerror=alert(1)>"


def test_objects_are_named_merged_and_forgotten(open_page: Callable[..., Any]) -> None:
    page = open_page()
    look_at_the_ball(page)
    [ball] = objects(page, "gaze-target")
    wait_for(lambda: ball in rows(page), "the ball to be listed")
    rename(page, ball, "never mind", key="Escape")
    assert rows(page)[ball] == f"Object {ball}"
    rename(page, ball, MARKUP)
    wait_for(lambda: rows(page)[ball] == MARKUP, "the name to be shown as it was typed")
    assert page.evaluate("document.activeElement.textContent") == MARKUP
    wait_for(lambda: MARKUP in page.inner_text("#objects-note"), "the new name to be noted")
    assert page.locator("aside img").count() == 0
    page.focus(f"[data-object='{ball}'] .name")
    page.keyboard.press("Enter")
    page.evaluate("document.activeElement.value = 'ball\\u0007'")
    page.keyboard.press("Enter")
    wait_for(lambda: "U+0007" in page.inner_text("#objects-note"), "the server's refusal")
    assert rows(page)[ball] == MARKUP
    page.focus("#viewport")
    point_at(page, STILL)
    wait_for(lambda: set(objects(page, "gaze-target")) - {0, ball}, "another object to be outlined")
    [other] = objects(page, "gaze-target")
    wait_for(lambda: other in rows(page), "it to be listed")
    assert max(abs(a - b) for a, b in zip(colour_of(page, ball), colour_of(page, other), strict=True)) > 60
    wait_for(lambda: target_is_drawn(page), "the other object to be drawn in its colour")
    fits_small_screens(page, other)
    row = page.locator(f"[data-object='{other}']")
    row.locator("select").select_option(str(ball))
    row.get_by_role("button", name="Merge").click()
    wait_for(lambda: other not in rows(page), "two numbers to become one")
    said = f"Object {other} is {MARKUP}, object {ball}."
    wait_for(lambda: page.inner_text("#objects-note") == said, "it to be noted")
    page.get_by_role("button", name=f"More for object {ball}, {MARKUP}").click()
    page.locator(f"[data-object='{ball}']").get_by_role("button", name="Forget").click()
    wait_for(lambda: ball not in rows(page), "the object to be forgotten")


def fits_small_screens(page: Any, number: int) -> None:
    """Open an object's actions, and check that nothing is wider than a phone, upright and lying."""
    page.get_by_role("button", name=f"More for object {number}").click()
    before = page.viewport_size
    for width, height in ((390, 844), (844, 390)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.getElementById('objects').scrollWidth") <= width
        wide = page.evaluate(
            """[...document.querySelectorAll("#objects li *")].filter((one) => {
                const row = one.closest("li").getBoundingClientRect();
                const {left, right, width} = one.getBoundingClientRect();
                return width && (left < row.left || right > row.right + 1);
            }).map((one) => one.outerHTML)"""
        )
        assert wide == []
    page.set_viewport_size(before)


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


@pytest.mark.browser(onnxruntime_web=True)
def test_masks_can_be_computed_by_the_browser(open_page: Callable[..., Any]) -> None:
    page = open_page()
    start_camera(page)
    page.locator("input[value=browser]").check()
    page.wait_for_selector("#connection-text:has-text('WebAssembly')")
    assert page.evaluate("crossOriginIsolated")
    point_at(page, SWINGING)
    wait_for(lambda: outlines_a_ball(page), "a mask of the browser's own")
    page.click("#pin")
    wait_for(lambda: pinned(page), "the object to be pinned")
    watch_it_swing(page, 1)
    page.focus("#viewport")
    page.keyboard.press("Backspace")
    wait_for(lambda: not pinned(page), "it to be unpinned")


DECODE = """async ({picture, prompts}) => {
    const {Decoder} = await import("/assets/decoder.js");
    const info = await (await fetch("/api/info")).json();
    const decoder = await Decoder.open(info, {provider: "wasm", threads: 1});
    const blob = new Blob([Uint8Array.from(atob(picture), (one) => one.charCodeAt(0))], {type: "image/jpeg"});
    const embedding = await decoder.encode(blob, {size: [672, 448], dtype: "float16"});
    const found = [];
    for (const prompt of prompts) {
        const {mask, token, score} = await decoder.decode(embedding, prompt);
        const {x, y, width, height} = mask;
        const bytes = btoa(mask.bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
        found.push({x, y, width, height, bytes, token, score});
    }
    decoder.close();
    return {found, fast: info.decoder.for_wasm};
}"""


@pytest.mark.browser(onnxruntime_web=True)
def test_the_decoder_in_the_browser_agrees_with_python(
    open_page: Callable[..., Any], engines: Engines, repo_dir: Path
) -> None:
    page = open_page()
    folder = repo_dir / "sam_edge" / "assets" / "labelled" / "images"
    places = {"rabbit_standing": (0.5, 0.5), "cat": (0.5, 0.55), "rocket": (0.5, 0.4)}
    for name, (x, y) in places.items():
        data = (folder / f"{name}.jpg").read_bytes()
        image = read_image(folder / f"{name}.jpg")
        height, width = image.shape[:2]
        point, other = [x * width, y * height], [0.02 * width, 0.03 * height]
        box = [0.2 * width, 0.15 * height, 0.8 * width, 0.95 * height]
        prompts: list[dict[str, Any]] = [
            {"points": [point]},
            {"points": [point, other], "labels": [1, 0]},
            {"box": box},
        ]
        picture = base64.b64encode(data).decode()
        answer = page.evaluate(DECODE, {"picture": picture, "prompts": prompts})
        assert answer["fast"] is not None
        model = engines.segmenter()
        embedding = model.encode(image, size=(448, 672))
        for prompt, found in zip(prompts, answer["found"], strict=True):
            expected = model.decode(
                embedding, points=prompt.get("points"), labels=prompt.get("labels"), boxes=prompt.get("box")
            )
            part = np.frombuffer(base64.b64decode(found["bytes"]), np.uint8)
            mask = np.zeros((height, width), np.bool_)
            rows = slice(found["y"], found["y"] + found["height"])
            columns = slice(found["x"], found["x"] + found["width"])
            mask[rows, columns] = part.reshape(found["height"], found["width"]) == 1
            assert found["token"] == expected.token[0]
            assert found["score"] == pytest.approx(float(expected.scores[0]), abs=0.02)
            iou = (mask & expected.best).sum() / (mask | expected.best).sum()
            assert iou > 0.98, f"{name}, {list(prompt)}: {iou:.3f}"


WRITE = """async () => {
    const wire = await import("/assets/protocol.js");
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
    const ray = {timeNs: 7n, direction: [0, 0, -1], depthM: 1.5, headOrientation: [0, 0, 0, 1]};
    const at = 2n ** 60n;
    const data = new Uint8Array(4096).fill(3);
    const hello = {maskFormat: "png", polygons: true, tolerancePx: 2, size: [672, 448]};
    return [
        wire.encodeHello({...hello, token: "t", engine: "e", name: "näme"}),
        wire.encodeFrame(9, {timeNs: at, format: "rgba", width: 32, height: 32, data, bottomUp: true}),
        wire.encodeGaze([{timeNs: 5n, x: 1.5, y: -2}, {timeNs: 6n, x: NaN, y: NaN, confidence: 0}]),
        wire.encodeRays([ray], {cameraAxes: false, space: "head"}),
        wire.encodeCamera({width: 640, height: 480, focalPx: [500, 501], centerPx: [320, 240]}),
        wire.encodeCommand(4, "pin", {point: [10, 20]}),
        wire.encodeCommand(5, "unpin", {objectId: 3}),
        wire.encodeCommand(6, "pin", {atNs: 123n}),
        wire.encodePing(8, {timeNs: 1n, offsetNs: -5n, uncertaintyNs: 2n}),
        wire.encodeConfigure({maskFormat: "coco"}),
    ].map(text);
}"""

WRITE_OBJECTS = """async () => {
    const wire = await import("/assets/protocol.js");
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
    return [
        wire.encodeObjectCommand(6, "list"),
        wire.encodeObjectCommand(7, "rename", {objectId: 3, label: "Tasse ☕"}),
        wire.encodeObjectCommand(8, "rename", {objectId: 3, label: null}),
        wire.encodeObjectCommand(9, "merge", {objectId: 1, otherId: 3}),
        wire.encodeObjectCommand(10, "forget", {objectId: 2 ** 32 - 1}),
    ].map(text);
}"""

WRITE_WEBCAM = """async () => {
    const wire = await import("/assets/protocol.js");
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
    const data = new Uint8Array([255, 216, 1]);
    return [
        wire.encodeWebcam({width: 1920, height: 1080, widthMm: 530, cameraAboveMm: 9, cameraAsideMm: -3, fovDeg: 64}),
        wire.encodeWebcam(null),
        wire.encodeFaceFrame(7, {timeNs: 2n ** 60n, width: 640, height: 480, data}),
        wire.encodeViewport({x: 12.5, y: -4, scaleX: 1.5, scaleY: 1.25}),
        wire.encodeCalibrate("start"),
        wire.encodeCalibrate("restore", '{"size": "groß"}'),
        wire.encodeTarget(9, {timeNs: 5n, x: 1.5, y: 2.5, validation: true}),
        wire.encodeClick({timeNs: 6n, x: 3.5, y: 4.5, sizePx: 20}),
    ].map(text);
}"""

READ = """async (text) => {
    const {decodeMessage, fillRuns} = await import("/assets/protocol.js");
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const message = decodeMessage(bytes.buffer);
    const plain = (key, value) => (typeof value === "bigint" ? Number(value) : value);
    const selected = message.kind === "selection" ? message.objects : undefined;
    const masks = selected?.map(({mask}) => Array.from(fillRuns(mask)));
    const polygons = selected?.map((object) => object.polygons.map((one) => Array.from(one)));
    return JSON.parse(JSON.stringify({...message, masks, polygons, objects: message.objects}, plain));
}"""


def test_javascript_writes_what_python_reads(open_page: Callable[..., Any]) -> None:
    page = open_page()
    read = [protocol.decode_client_message(base64.b64decode(text)) for text in page.evaluate(WRITE)]
    hello, frame, gaze, rays, camera, pin_point, unpin, pin_at, ping, configure = read
    masks = MaskOptions(MaskFormat.PNG, polygons=True, tolerance_px=2)
    assert hello == Hello(masks=masks, token="t", engine="e", name="näme", size=(448, 672))
    assert isinstance(frame, SceneFrame)
    assert (frame.frame_id, frame.time_ns, frame.format) == (9, 2**60, ImageFormat.RGBA)
    assert bytes(frame.data) == bytes([3]) * 4096
    assert isinstance(gaze, Gaze)
    assert [(one.time_ns, one.x_px, one.y_px) for one in gaze.samples[:1]] == [(5, 1.5, -2.0)]
    assert not gaze.samples[1].valid
    assert isinstance(rays, Rays)
    assert len(rays.samples) == 1
    assert isinstance(camera, CameraSetup)
    assert isinstance(pin_point, Command)
    assert (pin_point.command_id, pin_point.action, pin_point.point_px) == (
        4,
        CommandAction.PIN,
        (10.0, 20.0),
    )
    assert isinstance(unpin, Command)
    assert (unpin.action, unpin.object_id) == (CommandAction.UNPIN, 3)
    assert isinstance(pin_at, Command)
    assert pin_at.at_ns == 123
    assert isinstance(ping, Ping)
    assert (ping.offset_ns, ping.uncertainty_ns) == (-5, 2)
    assert configure == Configure(MaskOptions(MaskFormat.COCO))


def test_javascript_writes_webcam_messages_that_python_reads(open_page: Callable[..., Any]) -> None:
    page = open_page()
    read = [protocol.decode_client_message(base64.b64decode(text)) for text in page.evaluate(WRITE_WEBCAM)]
    assert read == [
        Webcam(Screen((1080, 1920), 530.0, 9.0, -3.0), 64.0),
        Webcam(None),
        FaceFrame(7, 2**60, (480, 640), b"\xff\xd8\x01"),
        Viewport((12.5, -4.0), (1.5, 1.25)),
        Calibrate(CalibrationAction.START),
        Calibrate(CalibrationAction.RESTORE, '{"size": "groß"}'.encode()),
        CalibrationTarget(9, 5, (1.5, 2.5), validation=True),
        Click(6, (3.5, 4.5), 20.0),
    ]


def test_javascript_writes_commands_about_objects_that_python_reads(open_page: Callable[..., Any]) -> None:
    written = open_page().evaluate(WRITE_OBJECTS)
    assert [protocol.decode_client_message(base64.b64decode(text)) for text in written] == [
        ObjectCommand(6, ObjectAction.LIST),
        ObjectCommand(7, ObjectAction.RENAME, 3, label="Tasse ☕"),
        ObjectCommand(8, ObjectAction.RENAME, 3),
        ObjectCommand(9, ObjectAction.MERGE, 1, 3),
        ObjectCommand(10, ObjectAction.FORGET, 2**32 - 1),
    ]


OBJECT_REPLIES = (
    (
        ObjectList(4, 2, (KnownObject(1, "Größe", -5, 6, 1234.0, 3, True, (1.0, 2.0, 3.5, 4.5)),)),
        {
            "kind": "object_list",
            "commandId": 4,
            "session": 2,
            "objects": [
                {
                    "objectId": 1,
                    "label": "Größe",
                    "firstSeenNs": -5,
                    "lastSeenNs": 6,
                    "dwellMs": 1234,
                    "visits": 3,
                    "pinned": True,
                    "box": [1, 2, 3.5, 4.5],
                }
            ],
        },
    ),
    (
        Unconfirmed(17, 4),
        {"kind": "unconfirmed", "frameId": 17, "objectId": 4},
    ),
    (
        ObjectInfo(17, {}, (ObjectEvent("merged", 3, 1, 2, "cup"), ObjectEvent("new", 4, 5))),
        {
            "kind": "object_info",
            "frameId": 17,
            "labels": {},
            "events": [
                {"kind": "merged", "timeNs": 3, "objectId": 1, "otherId": 2, "label": "cup"},
                {"kind": "new", "timeNs": 4, "objectId": 5, "otherId": None, "label": None},
            ],
        },
    ),
)
JOIN = """async (texts) => {
    const {SamEdgeClient} = await import("/assets/sam-edge-client.js");
    const sockets = [];
    class Socket {
        readyState = 1;
        sent = [];
        constructor() { sockets.push(this); }
        send(data) { this.sent.push(new Uint8Array(data)[0]); }
        close() {}
    }
    const client = new SamEdgeClient("ws://nowhere", {WebSocket: Socket, objects: true, confirmation: true});
    const seen = [];
    client.addEventListener("selection", ({detail}) => {
        const {frameId, objects, events, confirmed} = detail;
        seen.push([frameId, objects.map(({label}) => label), events.map(({kind}) => kind), confirmed]);
    });
    client.connect();
    const [socket] = sockets;
    socket.onopen();
    for (const text of texts) {
        socket.onmessage({data: Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer});
    }
    client.close();
    return {seen, asked: [0x0f, 0x10].filter((kind) => socket.sent.includes(kind))};
}"""


def test_javascript_reads_objects_that_python_writes(open_page: Callable[..., Any]) -> None:
    page = open_page()
    for answer, expected in OBJECT_REPLIES:
        assert page.evaluate(READ, base64.b64encode(protocol.encode(answer)).decode()) == expected


def test_the_client_in_javascript_joins_labels_and_events_to_their_selection(
    open_page: Callable[..., Any],
) -> None:
    welcome = Welcome(1, 2, 2, 2, 99, 1000, 2000, 60.0, 2, 30.0, None, "sam-edge 0", "m", "fake", "int8")
    item = SelectedObject(1, True, False, 0.5, (0, 0, 1, 1), 1, (0, 0, 1, 1), MaskFormat.NONE)
    first, second = (
        FrameSelection(frame, 6, 7, 8, 1, (48, 64), State.FOCUSED, "encoded", objects=(item,))
        for frame in (17, 18)
    )
    info = ObjectInfo(17, {1: "cup"}, (ObjectEvent("returned", 3, 1, label="cup"),))
    sent = [
        base64.b64encode(protocol.encode(one)).decode()
        for one in (welcome, info, Unconfirmed(17, 1), first, second)
    ]
    found = open_page().evaluate(JOIN, sent)
    assert found["seen"] == [[17, ["cup"], ["returned"], False], [18, [None], [], True]]
    assert found["asked"] == [0x0F, 0x10]


WEBCAM_REPLIES = (
    (
        GazeEstimate(
            6,
            GazeSample(5, 100.5, 200.5, 1.0, covariance_px2=(400.0, 10.0, 900.0)),
            FaceObservation((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0), 600.0),
            calibrated=True,
            face_model_progress=1.0,
            latency_ms=12.5,
        ),
        {
            "kind": "gaze_estimate",
            "faceFrameId": 6,
            "timeNs": 5,
            "gaze": {"x": 100.5, "y": 200.5, "confidence": 1, "covariance": [400, 10, 900]},
            "face": {"box": [1, 2, 3, 4], "irises": [[5, 6], [7, 8]], "distanceMm": 600},
            "blinking": False,
            "calibrated": True,
            "faceModelProgress": 1,
            "latencyMs": 12.5,
        },
    ),
    (
        GazeEstimate(
            7, GazeSample(5, float("nan"), float("nan"), 0.0), None, blinking=True, face_model_progress=0.5
        ),
        {
            "kind": "gaze_estimate",
            "faceFrameId": 7,
            "timeNs": 5,
            "gaze": None,
            "face": None,
            "blinking": True,
            "calibrated": False,
            "faceModelProgress": 0.5,
            "latencyMs": 0,
        },
    ),
    (
        TargetProgress(3, TargetState.UNSTEADY, 0.25, 12),
        {"kind": "target_progress", "targetId": 3, "state": "unsteady", "validSamples": 12, "progress": 0.25},
    ),
    (
        CalibrationResult(
            CalibrationAction.FINISH,
            60.0,
            1.5,
            2.5,
            0.75,
            40.0,
            (TargetError(4, True, False, (1.0, 2.0), (4.0, 6.0)),),
            b"stored",
        ),
        {
            "kind": "calibration_result",
            "action": "finish",
            "accuracyPx": 60,
            "accuracyDeg": 1.5,
            "worstDeg": 2.5,
            "noiseDeg": 0.75,
            "pxPerDeg": 40,
            "targets": [
                {"targetId": 4, "validation": True, "rejected": False, "x": 1, "y": 2, "gazeX": 4, "gazeY": 6}
            ],
            "calibration": "stored",
        },
    ),
)


def test_javascript_reads_webcam_messages_that_python_writes(open_page: Callable[..., Any]) -> None:
    page = open_page()
    for answer, expected in WEBCAM_REPLIES:
        assert page.evaluate(READ, base64.b64encode(protocol.encode(answer)).decode()) == expected


def test_javascript_reads_what_python_writes(open_page: Callable[..., Any]) -> None:
    mask = np.zeros((5, 7), np.bool_)
    mask[1:4, 2:6] = mask[0, 0] = True
    polygon = np.array([[1, 2], [3, 4], [5, 6.5]], np.float32)
    item = SelectedObject(
        object_id=3,
        gaze_target=True,
        pinned=True,
        score=0.5,
        box=(10.0, 20.0, 17.0, 25.0),
        area_px=int(mask.sum()),
        rectangle=(10, 20, 7, 5),
        format=MaskFormat.RUNS,
        mask_data=runs_of(mask),
        polygons=(polygon,),
    )
    selected = FrameSelection(
        frame_id=4,
        frame_time_ns=100,
        received_ns=200,
        sent_ns=300,
        session=2,
        frame_size=(48, 64),
        state=State.HELD,
        origin="propagated",
        age_ms=33.5,
        fixation=(1.0, 2.0, 3.0),
        objects=(item,),
        stages_ms={"wait": 1.5, "closeup": 2.25},
    )
    text = base64.b64encode(protocol.encode(selected)).decode()
    read = open_page().evaluate(READ, text)
    assert (read["kind"], read["frameId"], read["timeNs"], read["sentNs"]) == ("selection", 4, 100, 300)
    assert (read["width"], read["height"], read["state"], read["origin"]) == (64, 48, "held", "propagated")
    assert read["stages"] == {"wait": 1.5, "closeup": 2.25}
    assert read["fixation"] == {"x": 1, "y": 2, "spread": 3}
    [found] = read["objects"]
    assert (found["objectId"], found["gazeTarget"], found["pinned"], found["box"]) == (
        3,
        True,
        True,
        [10, 20, 17, 25],
    )
    assert read["masks"] == [mask.astype(int).ravel().tolist()]
    assert read["polygons"] == [[polygon.ravel().tolist()]]


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


REFUSE_MEMORY = """
const RealMemory = WebAssembly.Memory;
let refusals = %d;
WebAssembly.Memory = function (wanted) {
  if (wanted.shared && refusals-- > 0) throw new RangeError("Out of memory");
  return new RealMemory(wanted);
};
"""
"""What a phone does that is short of memory: the allocation of shared memory fails a number of times."""


def refuse_memory(page: Any, times: int) -> None:
    """Let the decoder's worker get no shared memory so many times."""
    source = (PAGE / "decoder-worker.js").read_text(encoding="utf-8")
    body = source.replace("\n\nconst VENDOR", "\n\n" + REFUSE_MEMORY % times + "\nconst VENDOR", 1)
    assert body != source
    page.route(
        "**/decoder-worker.js",
        lambda route: route.fulfill(
            body=body,
            content_type="text/javascript",
            headers={
                "Cross-Origin-Embedder-Policy": "require-corp",
                "Cross-Origin-Resource-Policy": "same-origin",
            },
        ),
    )


@pytest.mark.browser(onnxruntime_web=True)
def test_a_browser_without_memory_gets_its_masks_from_the_server(open_page: Callable[..., Any]) -> None:
    page = open_page()
    refuse_memory(page, 1000)
    start_camera(page)
    page.locator("input[value=browser]").check()
    point_at(page, SWINGING)
    page.wait_for_selector("#mode-hint:has-text('masks come from the server')")
    assert page.locator("input[value=server]").is_checked()
    page.wait_for_selector("#connection-text:has-text('onnxruntime')")
    wait_for(lambda: outlines_a_ball(page), "a mask of the server")


@pytest.mark.browser(onnxruntime_web=True)
def test_memory_that_is_refused_once_is_asked_for_again(open_page: Callable[..., Any]) -> None:
    page = open_page()
    refuse_memory(page, 1)
    start_camera(page)
    page.locator("input[value=browser]").check()
    page.wait_for_selector("#connection-text:has-text('WebAssembly')")
    point_at(page, SWINGING)
    wait_for(lambda: outlines_a_ball(page), "a mask of the browser's own")
    assert page.locator("input[value=browser]").is_checked()
