"""The page in a real browser: Debian's Chromium without a screen, the demo clip and its gaze, the model that ships."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sam_edge
from sam_edge.annotate import (
    Annotation,
    AnnotationStage,
    Annotator,
    Journal,
    SeekableVideo,
    detect_dwells,
    open_gaze_video,
    write_dataset,
)
from sam_edge.masks.sa1b import read_sa1b
from sam_edge.segmenter import Segmenter

pytest.importorskip("playwright", reason="needs playwright: pip install 'sam-edge[test]'")
pytest.importorskip("uvicorn", reason="needs the server: pip install 'sam-edge[serve]'")

from sam_edge.annotate.web import PAGE, PageServer

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo"
SLOW_MS = 120_000
ASKED, DONE = "[data-ready=proposal]", "[data-ready=finished]"
pytestmark = [pytest.mark.browser, pytest.mark.slow]
Open = Callable[..., Any]
Serve = Callable[..., PageServer]


@pytest.fixture(scope="module")
def model() -> Iterator[Segmenter]:
    with sam_edge.load(runtime="onnxruntime", threads=1) as opened:
        yield opened


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Open a page in a window of its own; what it complains of fails the test."""
    contexts, complaints = [], []

    def start(url: str, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.extend([said.text] if said.type == "error" else []))
        page.goto(url)
        page.wait_for_selector(f"{ASKED}, {DONE}")
        return page

    yield start
    for context in contexts:
        context.close()
    assert [text for text in complaints if not re.search("Failed to load resource", text)] == []


@pytest.fixture
def serve(model: Segmenter, tmp_path: Path) -> Iterator[Serve]:
    """Serve the first dwells of the demo; what was served before is stopped."""
    running: list[tuple[PageServer, threading.Thread, Annotator]] = []

    def stop() -> None:
        while running:
            server, thread, annotator = running.pop()
            server.stop()
            thread.join(60)
            assert not thread.is_alive()
            write_dataset(annotator.journal)
            annotator.journal.close()
            annotator.video.close()

    def start(
        dwells: int = 4, stages: tuple[AnnotationStage, ...] = (AnnotationStage.ASSISTED,)
    ) -> PageServer:
        stop()
        source = open_gaze_video(DEMO)
        journal = Journal(tmp_path / "set", {"video": source.video.name, "gaze": source.gaze.name})
        found = detect_dwells(source.gaze.samples, px_per_deg=28)[:dwells]
        annotator = Annotator(
            model,
            journal,
            SeekableVideo(source.video),
            found,
            stages=stages,
            stride=10_000,
            size=(224, 224),
            provenance={"model": "mobile_sam"},
        )
        server = PageServer(annotator, source.gaze.samples)
        server.listen()
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread, annotator))
        return server

    yield start
    stop()


@pytest.fixture
def journal_of(tmp_path: Path) -> Callable[[], list[Annotation]]:
    """Read what is kept now, as a program would after this one was killed."""

    def read() -> list[Annotation]:
        copy = tmp_path / f"copy{time.monotonic_ns()}"
        copy.mkdir()
        shutil.copy(tmp_path / "set" / "journal.jsonl", copy)
        with Journal(copy, {"video": "clip.mp4", "gaze": "gaze.csv"}) as journal:
            return journal.annotations

    return read


def told(page: Any) -> Any:
    """What the page's server says."""
    return json.loads(page.request.get(page.url + "api/state").text())


def after(page: Any, act: Callable[[], object]) -> Any:
    """Do something, and wait until the page shows what came of it."""
    before = page.get_attribute("body", "data-state")
    act()
    page.wait_for_selector(f"body:not([data-state='{before}']):not([data-ready=busy])")
    return told(page)


def place(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a share of the picture is on the screen."""
    box = page.locator("#scene").bounding_box()
    shown = page.locator("#scene").get_attribute("viewBox").split()
    scale = min(box["width"] / float(shown[2]), box["height"] / float(shown[3]))
    width, height = float(shown[2]) * scale, float(shown[3]) * scale
    return (
        box["x"] + (box["width"] - width) / 2 + x * width,
        box["y"] + (box["height"] - height) / 2 + y * height,
    )


# pycocotools 2.0.11 was made for numpy 1, whose way to an array numpy 2 still takes, and warns of.
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
def test_a_data_set_made_by_hand(
    serve: Serve, open_page: Open, tmp_path: Path, journal_of: Callable[[], list[Annotation]]
) -> None:
    page = open_page(serve(dwells=6).url)
    assert "0 of 6 dwells" in page.text_content("#steps")
    # Accepted as it is, with a label.
    page.fill("#label", "meadow")
    first = told(page)["proposal"]["frame"]
    after(page, lambda: page.press("#label", "Enter"))
    # Another of SAM's masks, by its number and by Tab.
    state = after(page, lambda: page.keyboard.press("2"))
    assert state["proposal"]["maskIndex"] == 1
    assert page.locator("#masks button[aria-pressed=true]").get_attribute("aria-label").startswith("Mask 2,")
    after(page, lambda: page.keyboard.press("Tab"))
    after(page, lambda: page.locator("#masks button").first.click())
    assert told(page)["proposal"]["maskIndex"] == 0
    after(page, lambda: page.locator("#masks button").nth(1).click())
    # Where focus is on a button, Enter is that button's; on the picture it accepts.
    page.focus("#viewport")
    page.fill("#label", "")
    after(page, lambda: page.press("#viewport", " "))
    # A click corrects, and is undone; then it corrects again.
    state = after(page, lambda: page.mouse.click(*place(page, 0.25, 0.6)))
    assert len(state["proposal"]["points"]) == 1
    assert page.locator(".m-positive").count() == 1
    state = after(page, lambda: page.press("#viewport", "z"))
    assert state["proposal"]["points"] == []
    after(page, lambda: page.mouse.click(*place(page, 0.25, 0.6)))
    page.fill("#label", "rabbit")
    after(page, lambda: page.click("#accept"))
    # Rejected, taken back, rejected.
    fourth = told(page)["proposal"]["frame"]
    after(page, lambda: page.press("#viewport", "Backspace"))
    assert told(page)["proposal"]["frame"] != fourth
    state = after(page, lambda: page.click("#undo"))
    assert state["proposal"]["frame"] == fourth
    after(page, lambda: page.click("#reject"))
    kept = journal_of()
    assert [(one.category, one.decision) for one in kept] == [
        ("meadow", "accepted"),
        ("object", "corrected"),
        ("rabbit", "corrected"),
    ]
    assert kept[0].index == first
    # A reload shows the same question; another page as well.
    asked = told(page)
    page.reload()
    page.wait_for_selector(ASKED)
    assert page.input_value("#label") == "rabbit"
    assert told(page) == asked
    assert [chip.inner_text() for chip in page.locator("#chips button").all()] == [
        "meadow",
        "object",
        "rabbit",
    ]
    # The program ends and begins again: the same question, another state.
    server = serve(dwells=6)
    page.goto(server.url)
    page.wait_for_selector(ASKED)
    assert told(page)["proposal"] == asked["proposal"]
    # Accepted twice more, and all is done.
    after(page, lambda: page.press("#viewport", "Enter"))
    after(page, lambda: page.press("#viewport", "Enter"))
    page.wait_for_selector(DONE)
    assert "All is done" in page.inner_text("#cover")
    check_data_set(tmp_path / "set", masks=5)


def check_data_set(folder: Path, *, masks: int) -> None:
    """See that others read it, and that every mask says where it comes from."""
    coco_tools = pytest.importorskip(
        "pycocotools.coco", reason="needs pycocotools: pip install 'sam-edge[test]'"
    )
    coco = coco_tools.COCO(str(folder / "annotations.json"))
    assert len(coco.anns) == masks
    assert {one["name"] for one in coco.loadCats(coco.getCatIds())} >= {"object", "meadow", "rabbit"}
    for number, one in coco.anns.items():
        mask = coco.annToMask(one)
        image = coco.imgs[one["image_id"]]
        assert mask.shape == (image["height"], image["width"]) == (720, 1280)
        assert int(mask.sum()) == one["area"]
        assert (folder / image["file_name"]).is_file()
        (again,) = [
            mask
            for mask in read_sa1b(folder / "sa1b" / f"{Path(image['file_name']).stem}.json").masks
            if mask.mask_id == number
        ]
        assert again.area_px == one["area"]
        origin = one["provenance"]
        assert again.extra["provenance"] == origin
        assert origin["stage"] == "assisted"
        assert origin["decision"] in ("accepted", "corrected")
        assert origin["model"] == "mobile_sam"
        assert origin["gaze"]["end_ns"] - origin["gaze"]["onset_ns"] >= 200_000_000


def test_by_keys_alone(serve: Serve, open_page: Open) -> None:
    page = open_page(serve().url)
    assert page.evaluate("document.activeElement.id") == "viewport"
    dwell = told(page)["proposal"]["dwell"]
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight"):
        page.keyboard.press(key)
    state = after(page, lambda: page.keyboard.press("-"))
    (point,) = state["proposal"]["points"]
    assert point["positive"] is False
    assert point["x"] == pytest.approx(dwell["x"] + 4 * 12.8, abs=0.2)
    assert point["y"] == pytest.approx(dwell["y"] - 12.8, abs=0.2)
    page.keyboard.press("Shift+ArrowRight")
    state = after(page, lambda: page.keyboard.press("+"))
    assert [one["positive"] for one in state["proposal"]["points"]] == [False, True]
    state = after(page, lambda: page.keyboard.press("g"))
    assert state["proposal"]["dwell"]["used"] is False
    assert page.locator("#gaze").is_disabled()
    page.keyboard.press("b")
    assert "box begins" in page.text_content("#announcer")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    state = after(page, lambda: page.keyboard.press("b"))
    left, top, right, bottom = state["proposal"]["box"]
    assert (right - left, bottom - top) == pytest.approx((64, 64), abs=0.2)
    page.keyboard.press("l")
    assert page.evaluate("document.activeElement.id") == "label"
    page.keyboard.type("z 2")  # letters are letters there
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "viewport"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "accept"
    state = after(page, lambda: page.keyboard.press("Enter"))
    assert state["masks"] == 1
    assert "1 of 4 dwells" in page.text_content("#announcer")
    assert re.search(r"Mask 1 of \d, predicted IoU \d\.\d\d", page.text_content("#announcer"))


def test_beside_and_boxes_by_mouse(serve: Serve, open_page: Open) -> None:
    page = open_page(serve().url)
    page.keyboard.down("Shift")
    state = after(page, lambda: page.mouse.click(*place(page, 0.8, 0.8)))
    page.keyboard.up("Shift")
    state = after(page, lambda: page.mouse.click(*place(page, 0.7, 0.8), button="right"))
    assert [one["positive"] for one in state["proposal"]["points"]] == [False, False]
    page.check("#tools input[value=negative]", force=True)
    state = after(page, lambda: page.mouse.click(*place(page, 0.9, 0.9)))
    assert [one["positive"] for one in state["proposal"]["points"]] == [False] * 3

    def drag() -> None:
        page.mouse.move(*place(page, 0.9, 0.7))
        page.mouse.down()
        page.mouse.move(*place(page, 0.6, 0.4), steps=4)
        page.mouse.up()

    state = after(page, drag)
    assert state["proposal"]["box"] == pytest.approx([768, 288, 1152, 504], abs=4)
    page.check("#tools input[value=box]", force=True)
    page.mouse.click(*place(page, 0.5, 0.5))
    page.wait_for_selector("#problem:not([hidden])")
    assert "Drag to draw a box" in page.inner_text("#problem")


def test_undo_after_all_is_done(
    serve: Serve, open_page: Open, journal_of: Callable[[], list[Annotation]]
) -> None:
    page = open_page(serve(dwells=1).url)
    frame = told(page)["proposal"]["frame"]
    after(page, lambda: page.press("#viewport", "Enter"))
    page.wait_for_selector(DONE)
    assert len(journal_of()) == 1
    state = after(page, lambda: page.click("#undo"))
    assert state["proposal"]["frame"] == frame
    assert journal_of() == []
    page.click("#undo")
    page.wait_for_selector("#problem:not([hidden])")
    assert "no answer to take back" in page.inner_text("#problem")


def test_a_finger_on_a_phone(serve: Serve, open_page: Open) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    page = open_page(serve().url, **phone, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    state = after(page, lambda: page.touchscreen.tap(*place(page, 0.25, 0.6)))
    assert [one["positive"] for one in state["proposal"]["points"]] == [True]
    x, y = place(page, 0.8, 0.8)
    options = {"pointerId": 5, "pointerType": "touch", "isPrimary": True, "clientX": x, "clientY": y}
    state = after(page, lambda: page.dispatch_event("#viewport", "pointerdown", options))
    assert [one["positive"] for one in state["proposal"]["points"]] == [True, False]
    for name in ("#accept", "#reject", "#undo"):
        box = page.locator(name).bounding_box()
        assert box["height"] >= 40
    state = after(page, lambda: page.tap("#accept"))
    assert state["masks"] == 1


def test_everything_has_a_name_and_is_reached_by_tab(serve: Serve, open_page: Open) -> None:
    page = open_page(serve().url)
    page.focus("#viewport")
    page.keyboard.press("Escape")
    reached = set()
    for _ in range(24):
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
        page.keyboard.press("Tab")
    assert {"accept", "reject", "undo", "label", "tool", "gaze", "end-stage", "stop"} <= reached
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input")].filter((one) =>
            !(one.getAttribute("aria-label") || one.labels?.length || one.textContent.trim())).length"""
    )
    assert unnamed == 0


def test_the_page_stops_the_program(serve: Serve, open_page: Open) -> None:
    page = open_page(serve().url)
    page.click("#stop")
    page.wait_for_selector("[data-ready=stopped]")
    assert "The same command continues there" in page.inner_text("#cover")
    assert page.locator("#accept").is_disabled()


def test_confident_masks_are_made_while_the_page_says_so(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(dwells=2, stages=(AnnotationStage.ASSISTED, AnnotationStage.SEMI)).url)
    state = after(page, lambda: page.click("#end-stage"))
    assert "ended" in page.text_content("#steps")
    assert state["masks"] > state["byHand"] == 0
    while not state["finished"]:
        assert state["proposal"]["stage"] == "semi"
        assert page.locator(".m-annotation").count() == len(state["annotations"]) > 0
        number = state["annotations"][0]["number"]
        field = page.locator(f"#annotations li[data-number='{number}'] input")
        field.fill("hill")
        state = after(page, lambda: page.keyboard.press("Tab"))
        assert state["annotations"][0]["category"] == "hill"
        before = len(state["annotations"])
        last = state["annotations"][-1]["number"]
        state = after(page, page.locator(f"#annotations li[data-number='{last}'] button").click)
        assert len(state["annotations"]) == before - 1
        state = after(page, lambda: page.press("#viewport", "Enter"))


def test_killed_and_begun_again_the_open_page_goes_on(browser: Any, tmp_path: Path) -> None:
    out = tmp_path / "set"
    port = 0

    def start() -> subprocess.Popen[str]:
        command = [
            sys.executable, "-m", "sam_edge.cli", "annotate", str(DEMO), "--out", str(out), "--web",
            "--port", str(port), "--stages", "assisted", "--runtime", "onnxruntime", "--threads", "1",
            "--size", "224x224",
        ]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    program = start()
    try:
        assert program.stdout is not None
        url = program.stdout.readline().split()[1]
        port = int(url.rstrip("/").rpartition(":")[2])
        page = browser.new_context().new_page()
        page.set_default_timeout(SLOW_MS)
        page.goto(url)
        page.wait_for_selector(ASKED)
        after(page, lambda: page.press("#viewport", "Enter"))
        asked = told(page)["proposal"]
        program.kill()
        program.communicate()
        page.keyboard.press("Enter")
        page.wait_for_selector("#connection[data-state=waiting]")
        assert "may be lost" in page.inner_text("#problem")
        program = start()
        page.wait_for_selector("#connection[data-state=open]")
        page.wait_for_selector(ASKED)
        assert told(page)["proposal"] == asked
        state = after(page, lambda: page.press("#viewport", "Enter"))
        assert state["masks"] == 2
        page.click("#stop")
        assert program.wait(60) == 0
        page.context.close()
    finally:
        if program.poll() is None:
            program.send_signal(signal.SIGKILL)
        program.communicate()


def test_nothing_in_the_page_comes_from_elsewhere() -> None:
    for path in [*PAGE.glob("*.js"), *PAGE.glob("*.html"), *PAGE.glob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?:src|href|from|import|url)\W{1,4}(?:https?:)?//", text), path.name
