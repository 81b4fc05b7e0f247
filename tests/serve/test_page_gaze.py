"""Webcam gaze in the page: a rendered face that looks at the dots, in Chromium, with a real model behind it."""

from __future__ import annotations

import base64
import json
import math
import re
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import count
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.client import connect, jpeg_of
from sam_edge.client.webcam import RemoteWebcam
from sam_edge.gaze.calibration import calibrate as calibrate_gaze
from sam_edge.gaze.calibration.targets import TargetSamples
from sam_edge.gaze.webcam.head import PinholeCamera
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.gaze.webcam.source import WebcamGazeEstimator
from sam_edge.serve.connection.webcam_worker import WebcamWorker
from sam_edge.serve.http.routes import PAGE
from sam_edge.serve.limits import Limits
from sam_edge.serve.models.engines import Engines
from sam_edge.serve.server import Server
from sam_edge.wire.messages import WebcamRequest
from sam_edge.wire.webcam_messages import Click

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
]
WIDTH, HEIGHT = 900, 700
PX_PER_DEG = 600 * 0.01745 / 0.27
"""The page takes a pixel for 0.27 mm; the face is 600 mm away."""
FOV_DEG, FACE_SIZE = 78.0, (720, 1280)
DRAWN = 3
"""Pictures of each look: noise and all."""
SLOW_MS = 180_000
LEARN = [(x, y) for y in (0.1, 0.5, 0.9) for x in (0.1, 0.5, 0.9)]
CHECK = [(x, y) for y in (0.3, 0.7) for x in (0.3, 0.7)]
THING = (0.34, 0.38)
"""Where the face looks afterwards, shares of the page: on the video."""
pytestmark = [pytest.mark.browser, pytest.mark.slow]
MIRROR = """(faces) => {
    // The camera that looks at the person: a canvas that shows the face which looks where the dot is.
    const pictures = faces.map(({x, y, data}) => {
        const image = new Image();
        image.src = `data:image/jpeg;base64,${data}`;
        return {x, y, image};
    });
    window.looking = [0.5, 0.5];
    window.asked = [];
    let drawn = 0;
    const wanted = () => {
        const dot = document.getElementById("dot");
        if (!dot || dot.hidden) return window.looking;
        return [parseFloat(dot.style.left) / innerWidth, parseFloat(dot.style.top) / innerHeight];
    };
    const open = async (constraints) => {
        window.asked.push(constraints);
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [1280, 720];
        const context = canvas.getContext("2d");
        setInterval(() => {
            const [x, y] = wanted() ?? [0, 0];
            const away = (one) => Math.hypot(one.x - x, one.y - y);
            const least = Math.min(...pictures.map(away));
            const near = pictures.filter((one) => away(one) < least + 1e-6);
            if (window.looking) context.drawImage(near[drawn++ % near.length].image, 0, 0);
            else context.fillRect(0, 0, 1280, 720);
        }, 40);
        return canvas.captureStream(25);
    };
    navigator.mediaDevices.getUserMedia = open;
}"""

CORNER = """() => {
    // Where the page is on the screen: as if it had filled it there.
    window.corner = new Promise((resolve) => addEventListener("pointermove", (event) => {
        resolve([event.screenX - event.clientX, event.screenY - event.clientY]);
    }, {once: true}));
    return null;
}"""


@pytest.fixture(scope="module")
def faces(rendered: ModuleType) -> list[dict[str, Any]]:
    """Pictures of a face that looks at each dot, and at the thing."""
    screen = Screen((HEIGHT, WIDTH), 0.27 * WIDTH)
    face = rendered.RenderedFace(PinholeCamera.of_view(FACE_SIZE, fov_deg=FOV_DEG), screen)
    made = []
    for x, y in [*LEARN, *CHECK, THING]:
        for _ in range(DRAWN):
            image = face.render(rendered.Scene((x * WIDTH, y * HEIGHT)))
            made.append({"x": x, "y": y, "data": base64.b64encode(jpeg_of(image, 95)).decode()})
    return made


@pytest.fixture(scope="module")
def kept(faces: list[dict[str, Any]]) -> str:
    """What the browser keeps of a calibration with these pictures."""
    estimator = WebcamGazeEstimator(Screen((HEIGHT, WIDTH), 0.27 * WIDTH), fov_deg=FOV_DEG)
    pictures: dict[tuple[float, float], list[NDArray[np.uint8]]] = {}
    for one in faces:
        data = np.frombuffer(base64.b64decode(one["data"]), np.uint8)
        image = cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)
        pictures.setdefault((one["x"], one["y"]), []).append(np.asarray(image, np.uint8))
    times = count(0, 40_000_000)
    for _ in range(42):
        estimator.estimate(pictures[0.5, 0.5][0], next(times))
    collected = [
        TargetSamples(
            (x * WIDTH, y * HEIGHT),
            tuple(estimator.estimate(pictures[x, y][index % DRAWN], next(times)) for index in range(10)),
        )
        for x, y in LEARN
    ]
    calibration = calibrate_gaze(collected, size=(HEIGHT, WIDTH))
    return json.dumps(
        {
            "screen": f"{WIDTH}x{HEIGHT}@1",
            "calibration": calibration.to_json(),
            "accuracyDeg": 1.2,
            "at": int(time.time() * 1000),
        }
    )


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
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tool:
        chromium = tool.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, server: Server, faces: list[dict[str, Any]]) -> Iterator[Callable[..., Any]]:
    """Open the page in a window of its own; what it complains of fails the test."""
    contexts, complaints = [], []

    def start(url: str = server.url, *, mirror: bool = True, kept: str = "", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": WIDTH, "height": HEIGHT}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.extend([said.text] if said.type == "error" else []))
        if mirror:
            page.add_init_script(f"({MIRROR})({json.dumps(faces)})")
        page.goto(url)
        page.wait_for_selector("[data-ready]")
        page.wait_for_selector("#connection[data-state=open]")
        if kept:
            page.evaluate(CORNER)
            page.mouse.move(9, 9)
            home = page.evaluate("window.corner")
            facts = {**json.loads(kept), "measured": {"origin": home, "size": [WIDTH, HEIGHT]}}
            page.evaluate("(text) => localStorage.setItem('sam-edge-calibration', text)", json.dumps(facts))
        return page

    yield start
    for context in contexts:
        context.close()
    lost = re.compile("WebSocket connection .* failed|Failed to load resource")
    assert [text for text in complaints if not lost.search(text)] == []


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = SLOW_MS / 1e3) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


def agree(page: Any) -> None:
    page.select_option("#gaze-source", "webcam")
    page.click("#consent button[value=yes]")
    page.wait_for_selector("#calibration[open]")


def calibrate(page: Any) -> None:
    page.click("#calibration-start")
    page.wait_for_selector("#calibration-result:not([hidden])")


def test_without_consent_the_mouse_stays_and_no_camera_is_asked_for(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.select_option("#gaze-source", "webcam")
    terms = page.inner_text("#consent")
    for words in ("images of your face", f"{page.url.split('/')[2]}", "not stored, not logged", "Any time"):
        assert words in terms
    page.click("#consent button[value=no]")
    wait_for(lambda: page.input_value("#gaze-source") == "pointer", "the mouse to stay")
    page.select_option("#gaze-source", "webcam")
    page.keyboard.press("Escape")
    wait_for(lambda: page.input_value("#gaze-source") == "pointer", "the mouse to stay")
    assert page.evaluate("window.asked") == []
    assert page.is_hidden("#gaze-card")


def test_a_camera_that_is_denied_is_told(open_page: Callable[..., Any]) -> None:
    page = open_page(mirror=False)
    page.select_option("#gaze-source", "webcam")
    page.click("#consent button[value=yes]")
    page.wait_for_selector("#gaze-note:has-text('Access to the camera was denied')")
    assert page.input_value("#gaze-source") == "pointer"
    assert "mouse stays the gaze" in page.inner_text("#announcement")


def gaze_away_deg(page: Any, place: tuple[float, float] = THING) -> float:
    """How far the newest gaze is from a place of the page (shares), degrees; many while there is none."""
    told = page.get_attribute("#viewport", "data-gaze")
    if not told:
        return 99.0
    x, y = map(float, told.split())
    return math.hypot(x - place[0] * WIDTH, y - place[1] * HEIGHT) / PX_PER_DEG


def use_last(page: Any) -> None:
    """Choose webcam gaze with the calibration that the browser kept."""
    agree(page)
    page.click("#calibration-last")
    page.wait_for_selector("#viewport.live")
    page.wait_for_selector("#face-state[data-state=good]")


def pin_with_key(page: Any) -> None:
    """Press Space until something is pinned: on a busy machine, what is outlined may have gone when the key comes."""

    def pressed() -> str | None:
        page.keyboard.press("Space")
        time.sleep(2.0)
        shown: str | None = page.get_attribute("#viewport", "data-pinned")
        return shown

    wait_for(pressed, "the object to be pinned")


def test_eyes_are_calibrated_and_select_a_thing(open_page: Callable[..., Any]) -> None:
    page = open_page()
    agree(page)
    assert page.evaluate("window.asked[0].video.facingMode") == "user"
    assert page.evaluate("window.asked[0].audio") is False
    assert page.is_hidden("#calibration-last")
    page.wait_for_selector("#face-state-large[data-state=good]")
    calibrate(page)
    assert re.match(
        "(Very good|Good|Coarse): an error of about", page.inner_text("#calibration-title-result")
    )
    kept = json.loads(page.evaluate("localStorage.getItem('sam-edge-calibration')"))
    assert kept["accuracyDeg"] < 4.0
    page.click("#calibration-use")
    page.wait_for_selector("#viewport.live")
    page.evaluate("(place) => { window.looking = place; }", list(THING))
    wait_for(lambda: gaze_away_deg(page) < 4.0, "gaze to arrive where the face looks")
    wait_for(lambda: page.get_attribute("#viewport", "data-gaze-target"), "a thing to be outlined")
    pin_with_key(page)
    page.click("#gaze-stop")
    assert page.input_value("#gaze-source") == "pointer"
    assert page.is_hidden("#gaze-card")
    assert page.evaluate("document.getElementById('face').srcObject") is None


@pytest.fixture
def told_clicks(monkeypatch: pytest.MonkeyPatch) -> list[Click]:
    """Clicks that the server was told of."""
    told: list[Click] = []
    tell = WebcamWorker.add_message

    def noting(self: WebcamWorker, message: WebcamRequest, at_ns: int) -> None:
        told.extend([message] if isinstance(message, Click) else [])
        tell(self, message, at_ns)

    monkeypatch.setattr(WebcamWorker, "add_message", noting)
    return told


def test_the_last_calibration_is_offered_and_clicks_are_told(
    open_page: Callable[..., Any], kept: str, told_clicks: list[Click]
) -> None:
    page = open_page(kept=kept)
    agree(page)
    assert "about 1.2°" in page.inner_text("#calibration-last")
    page.click("#calibration-last")
    page.wait_for_selector("#viewport.live")
    page.evaluate("(place) => { window.looking = place; }", list(THING))
    wait_for(lambda: gaze_away_deg(page) < 4.0, "gaze to arrive where the face looks")
    assert "Sit as you sat" in page.inner_text("#gaze-accuracy")
    # What is clicked was looked at: the server is told where on the screen.
    x, y = THING[0] * WIDTH + 30, THING[1] * HEIGHT + 20
    page.mouse.click(x, y)
    wait_for(lambda: told_clicks, "the click to be told")
    assert told_clicks[0].position_px == pytest.approx((x, y), abs=1.5)
    assert told_clicks[0].size_px == 0.0

    def clicked_again() -> str | None:
        """What is at a point is found in a second and a half, or not at all: a busy machine needs more clicks."""
        page.mouse.click(x, y)
        time.sleep(2.0)
        told: str | None = page.get_attribute("#viewport", "data-pinned")
        return told

    wait_for(clicked_again, "what was clicked to be kept")


def test_a_cut_connection_comes_back_with_its_calibration(
    open_page: Callable[..., Any], engines: Engines, kept: str
) -> None:
    with Server(engines, port=0) as first:
        port = first.port
        page = open_page(first.url, kept=kept)
        use_last(page)
        page.evaluate("(place) => { window.looking = place; }", list(THING))
        wait_for(lambda: gaze_away_deg(page) < 4.0, "gaze to arrive")
    page.wait_for_selector("#connection[data-state=waiting]")
    page.evaluate("document.getElementById('viewport').dataset.gaze = ''")
    with Server(engines, port=port):
        page.wait_for_selector("#connection[data-state=open]")
        wait_for(lambda: gaze_away_deg(page) < 4.0, "calibrated gaze to come back")
        page.context.close()


@pytest.mark.browser(onnxruntime_web=True)
def test_gaze_selects_among_masks_of_the_browser(open_page: Callable[..., Any], kept: str) -> None:
    page = open_page(kept=kept)
    page.locator("input[value=browser]").check()
    page.wait_for_selector("#connection-text:has-text('WebAssembly')")
    use_last(page)
    page.evaluate("(place) => { window.looking = place; }", list(THING))
    wait_for(lambda: gaze_away_deg(page) < 4.0, "gaze to arrive")
    wait_for(lambda: page.get_attribute("#viewport", "data-gaze-target"), "a mask of the browser's own")
    pin_with_key(page)
    page.select_option("#gaze-source", "pointer")
    wait_for(lambda: page.is_hidden("#gaze-card"), "webcam gaze to end")


def press_until_collected(page: Any) -> None:
    """Press Space again where the page asks for it: on a busy machine the gaze at a dot may count as unsteady."""
    for _ in range(6):
        page.wait_for_selector("#calibration-hint:has-text('Dot 2 of 13'), #dot[data-state=settle]")
        if "Dot 2 of 13" in page.inner_text("#calibration-hint"):
            return
        assert "not steady" in page.inner_text("#calibration-hint")
        page.keyboard.press("Space")
        page.wait_for_selector("#dot[data-state=collect]")
    raise AssertionError(f"no dot was collected: {page.inner_text('#calibration-hint')!r}")


def test_keys_are_enough_and_escape_stops(open_page: Callable[..., Any]) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page.focus("#gaze-source")
    page.select_option("#gaze-source", "webcam")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#calibration[open]")
    page.wait_for_selector("#face-state-large[data-state=good]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.getElementById('calibration').scrollWidth") <= 390
    assert page.evaluate("document.activeElement.id") == "calibration-start"
    page.check("#calibration-manual")
    page.focus("#calibration-start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#dot[data-state=settle]")
    assert "press Space" in page.inner_text("#calibration-hint")
    time.sleep(1.0)
    # Without the key nothing is collected.
    assert page.get_attribute("#dot", "data-state") == "settle"
    page.keyboard.press("Space")
    page.wait_for_selector("#dot[data-state=collect]")
    press_until_collected(page)
    page.keyboard.press("Escape")
    page.wait_for_selector("#calibration-intro:not([hidden])")
    assert "stopped" in page.inner_text("#calibration-problem")
    page.click("#calibration-later")
    # The dialog's "close" event, which sets this text, comes after the dialog is hidden.
    page.wait_for_selector("#gaze-accuracy:has-text('Not calibrated')")


def test_who_is_not_seen_is_told(open_page: Callable[..., Any]) -> None:
    page = open_page()
    agree(page)
    page.evaluate("window.looking = null")
    page.wait_for_selector("#face-state-large:has-text('No face in view')")
    unnamed = page.evaluate(
        """[...document.querySelectorAll("#calibration button, #calibration input, #calibration video")]
            .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length))
            .map((one) => one.outerHTML)"""
    )
    assert unnamed == []
    page.keyboard.press("Escape")
    page.wait_for_selector("#calibration", state="hidden")
    page.select_option("#gaze-source", "pointer")
    wait_for(lambda: "No images are taken" in page.inner_text("#gaze-note"), "the end to be told")


def test_a_server_that_watches_enough_faces_says_so(open_page: Callable[..., Any], engines: Engines) -> None:
    with Server(engines, port=0, limits=Limits(webcams=1)) as small, connect(small.stream_url) as other:
        eye = RemoteWebcam(other, Screen((HEIGHT, WIDTH), 500.0))
        eye.start_calibration()
        assert eye.receive(10) is not None
        page = open_page(small.url)
        page.select_option("#gaze-source", "webcam")
        page.click("#consent button[value=yes]")
        wait_for(lambda: "gaze for 1 clients" in page.inner_text("#gaze-note"), "the refusal to be told")
        assert page.input_value("#gaze-source") == "pointer"
        page.context.close()


def test_a_server_that_does_not_know_webcam_gaze_does_not_offer_it(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.route("**/api/info", without_eye)
    page.reload()
    page.wait_for_selector("[data-ready]")
    assert page.evaluate("document.querySelector('#gaze-source option[value=webcam]').disabled")


@pytest.mark.parametrize(
    ("off_deg", "title", "things", "usable"),
    [
        (0.62, "Very good: an error of about 0.6 degrees", "a thumb", True),
        (0.97, "Very good: an error of about 1 degree", "a thumb", True),
        (2.1, "Good: an error of about 2 degrees", "a hand", True),
        (4.4, "Coarse: an error of about 4.5 degrees", "a few large objects", True),
        (7.0, "Too inaccurate", "more light", False),
    ],
)
def test_how_good_it_is_is_said_in_words(
    browser: Any, server: Server, off_deg: float, title: str, things: str, usable: bool
) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{server.url}openapi.json")
    told = page.evaluate(
        """async (off) => (await import("/assets/calibration.js")).describeAccuracy(
            {accuracyDeg: off, worstDeg: 2 * off, noiseDeg: 0.5, accuracyPx: 40 * off})""",
        off_deg,
    )
    page.context.close()
    assert told["title"] == title
    assert things in told["text"]
    assert str(round(40 * off_deg)) in told["text"]
    assert told["usable"] is usable


STEADY = """async () => {
    const {WebcamGazeSource} = await import("/assets/webcam-gaze-source.js");
    const box = {left: 100, top: 50, width: 800, height: 400};
    const source = new WebcamGazeSource({
        boxOf: () => box, sizeOf: () => [400, 200], screenMapping: {shift: [10, 20]},
    });
    const covariance = [900, 0, 900];
    const look = (x, y, ms) => source.update({timeNs: BigInt(ms) * 1000000n, gaze: {x, y, confidence: 1, covariance}});
    const found = {viewport: source.changedViewport(), again: source.changedViewport(), nowhere: source.point};
    look(310, 170, 1);
    Object.assign(found, {first: source.point, spread: source.spread});
    look(320, 170, 2);
    found.noise = source.point;
    look(710, 270, 3);
    Object.assign(found, {leap: source.point, trail: source.trail.length, click: source.clickOn([10, 20, 30, 30], 7)});
    found.click.timeNs = Number(found.click.timeNs);
    box.left = 200;
    found.scrolled = source.changedViewport().x;
    source.update({timeNs: 4n, gaze: null});
    source.clear();
    found.forgotten = source.point;
    return found;
}"""


def test_gaze_is_brought_to_the_frames_and_steadied(browser: Any, server: Server) -> None:
    """Frames of 400x200 are shown twice as large, 110 pixels from the screen's left and 70 from its top."""
    page = browser.new_context().new_page()
    page.goto(f"{server.url}openapi.json")
    found = page.evaluate(STEADY)
    page.context.close()
    assert found["viewport"] == {"x": 110, "y": 70, "scaleX": 2, "scaleY": 2}
    assert (found["again"], found["nowhere"], found["forgotten"]) == (None, None, None)
    assert found["first"] == [100, 50]
    assert found["spread"] == pytest.approx(15.0)
    # Five frame pixels are a third of what is known: noise. 195 are a look elsewhere.
    x, y = found["noise"]
    assert 100 < x < 102
    assert y == 50
    assert found["leap"] == [300, 100]
    assert found["trail"] == 3
    assert found["click"] == {"timeNs": 7_000_000, "x": 150, "y": 120, "sizePx": 40}
    assert found["scrolled"] == 210


MANUAL = """async () => {
    const {Calibration, CalibrationStopped} = await import("/assets/calibration.js");
    const client = new EventTarget();
    const emit = (type, detail) => client.dispatchEvent(new CustomEvent(type, {detail}));
    const collected = [];
    Object.assign(client, {
        state: "open",
        calibrate: async () => {},
        // The gaze is unsteady at the first dot, once.
        collectTarget: (targetId) => setTimeout(() => {
            collected.push(targetId);
            emit("target_progress", {targetId, state: collected.length === 1 ? "unsteady" : "collected", progress: 0});
        }),
    });
    const [dot, hint] = [document.createElement("div"), document.createElement("div")];
    document.body.append(dot, hint);
    const calibration = new Calibration(client, {dot, hint});
    const hints = [];
    new MutationObserver(() => {
        hints.push(hint.textContent);
        if (collected.length === 3) calibration.stop();
        else if (hint.textContent.includes("Space")) setTimeout(() => calibration.confirm());
    }).observe(hint, {childList: true, characterData: true, subtree: true});
    const running = calibration.run({manual: true});
    emit("gaze_estimate", {face: {}, faceModelProgress: 1});
    await running.catch((error) => { if (!(error instanceof CalibrationStopped)) throw error; });
    return {hints: hints.filter((text) => text.includes("Dot")), collected};
}"""


def test_a_dot_with_unsteady_gaze_is_said_and_comes_again(browser: Any, server: Server) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{server.url}openapi.json")
    found = page.evaluate(MANUAL)
    page.context.close()
    assert found["collected"] == [0, 1, 2]
    look = "look at it and press Space"
    assert found["hints"] == [
        f"Dot 1 of 13: {look}",
        f"The gaze was not steady. Dot 1 of 13: {look}",
        f"Dot 2 of 13: {look}",
        f"Dot 3 of 13: {look}",
    ]


def without_eye(route: Any) -> None:
    """Answer as a server of before."""
    told = route.fetch().json()
    del told["webcam"]
    route.fulfill(json=told)
