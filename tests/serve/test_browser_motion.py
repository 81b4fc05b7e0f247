"""Masks that move with the picture, in the page: the arithmetic on known motion, and a thing that is followed live."""

from __future__ import annotations

import base64
import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import sam_edge
from sam_edge.client import jpeg_of
from sam_edge.media.frames import open_frames
from sam_edge.serve.http.routes import CLIP
from sam_edge.serve.server import Server

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'sam-edge[test]'"
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [pytest.mark.browser, pytest.mark.slow]
FIRST, LAST, RABBIT = 60, 68, (0.35, 0.5)
"""Frames of the demo clip, a third of a second apart, and a place on the rabbit, shares of the frame's sides."""
PAN_PX, SHOWN = 14, (600, 1100)
"""The camera turns by so many pixels a frame, and shows this height and width of it."""

MOVED = """async ({before, after, width, height, mask}) => {
    const {buildPyramid, fitSimilarity, selectPoints, trackPoints, transformMask} = await import("/assets/motion.js");
    const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const grey = (text) => Float32Array.from(bytes(text));
    const [from, to] = [before, after].map((text) => buildPyramid(grey(text), width, height));
    const thing = {...mask, bytes: bytes(mask.bytes)};
    const points = selectPoints(thing, from[0], 1);
    const places = trackPoints(from, to, points);
    const found = fitSimilarity(points, places);
    const moved = found && transformMask(thing, found, [width, height]);
    return {found, points: points.length, mask: moved && {...moved, bytes: Array.from(moved.bytes)}};
}"""
CARRIED = """async ({pictures, mask, size, small}) => {
    const {WorkerRpc} = await import("/assets/worker-rpc.js");
    const worker = new WorkerRpc("./motion-worker.js", "motion");
    const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    for (const [index, picture] of pictures.entries()) {
        const blob = new Blob([bytes(picture)], {type: "image/jpeg"});
        const bitmap = await createImageBitmap(blob, {resizeWidth: small[0], resizeHeight: small[1]});
        await worker.call("addImage", {key: index, image: bitmap}, [bitmap]);
    }
    const last = pictures.length - 1;
    const tracks = [{id: 1, from: 0, mask: {...mask, bytes: bytes(mask.bytes)}}];
    const [moved] = await worker.call("moveMasks", {tracks, to: last, size});
    const middle = [mask.x + mask.width / 2, mask.y + mask.height / 2];
    const [there] = await worker.call("moveMasks", {tracks: [{id: 1, from: 0, mask: null}], to: last, size});
    const gone = await worker.call("moveMasks", {tracks: [{id: 2, from: 99, mask: tracks[0].mask}], to: last, size});
    const place = [moved.x + moved.width / 2, moved.y + moved.height / 2];
    const back = await worker.call("movePointBack", {point: place, from: last, to: 0, size});
    worker.close();
    return {mask: {...moved, bytes: Array.from(moved.bytes)}, again: there.areaPx === moved.areaPx, gone, back, middle};
}"""
SESSION = """async ({moving, lag, frames}) => {
    const {BrowserSession} = await import("/assets/browser-session.js");
    const {MaskTracker} = await import("/assets/mask-tracker.js");
    if (!moving) {
        MaskTracker.prototype.moveTo = async (tracks) => tracks.map(() => null);
        MaskTracker.prototype.movePointBack = async (point) => point;
    }
    const [width, height, radius] = [480, 270, 50];
    const context = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    let seed = 7;
    const chance = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    const several = (length, make) => Array.from({length}, make);
    const speckles = several(900, () => [chance() * width, chance() * height, 4 + 12 * chance(), chance()]);
    const spots = several(60, () => [(2 * chance() - 1) * radius, (2 * chance() - 1) * radius, chance()]);
    let frame = 0;
    const at = (index) => [240 + 110 * Math.sin(index / 13), 135 + 20 * Math.cos(index / 13)];
    const shown = () => {
        context.fillStyle = "gray";
        context.fillRect(0, 0, width, height);
        for (const [x, y, size, tone] of speckles) {
            context.fillStyle = `rgb(40 ${Math.round(200 * tone)} 60)`;
            context.fillRect(x, y, size, size);
        }
        const [x, y] = at(frame);
        context.save();
        context.beginPath();
        context.arc(x, y, radius, 0, 7);
        context.fillStyle = "rgb(200 60 40)";
        context.fill();
        context.clip();
        for (const [dx, dy, tone] of spots) {
            context.fillStyle = `rgb(${Math.round(90 + 160 * tone)} 50 30)`;
            context.fillRect(x + dx, y + dy, 12, 9);
        }
        context.restore();
    };
    const maskAt = (index) => {
        const [x, y] = at(index);
        const box = [Math.floor(x - radius), Math.floor(y - radius), 2 * radius + 1, 2 * radius + 1];
        const bytes = new Uint8Array(box[2] * box[3]).map((_, place) => {
            const [px, py] = [box[0] + (place % box[2]) + 0.5, box[1] + Math.floor(place / box[2]) + 0.5];
            return Math.hypot(px - x, py - y) <= radius ? 1 : 0;
        });
        return {x: box[0], y: box[1], width: box[2], height: box[3], bytes, areaPx: Math.round(Math.PI * radius ** 2)};
    };
    const spread = ({x, y, width: across, bytes}) => {
        const out = new Set();
        bytes.forEach((on, place) => on && out.add((y + Math.floor(place / across)) * width + x + (place % across)));
        return out;
    };
    const iou = (one, other) => {
        const [a, b] = [spread(one), spread(other)];
        const both = [...a].filter((place) => b.has(place)).length;
        return both / (a.size + b.size - both);
    };
    const camera = new EventTarget();
    const small = (longSide) => ({resizeWidth: longSide, resizeHeight: Math.round(longSide * height / width)});
    Object.assign(camera, {
        playing: true,
        size: [width, height],
        capture: async () => ({blob: {frame}, width, height}),
        thumbnail: (longSide) => createImageBitmap(context.canvas, small(longSide)),
    });
    let [waiting, encodings, beside] = [[], 0, 0];
    const decoder = {
        encode: async (blob) => {
            const until = blob.frame + lag;
            encodings += 1;
            if (encodings > 1) await new Promise((resolve) => waiting.push({until, resolve}));
            return {of: blob.frame, transform: {width, height}, encodeMs: 0, networkMs: 0};
        },
        decode: async ({of}, {points = []}) => {
            const [x, y] = at(of);
            const on = points.every(([px, py]) => Math.hypot(px - x, py - y) < radius);
            if (!on) beside += 1;
            return {mask: on ? maskAt(of) : null, score: 0.9, similarity: on ? 1 : 0, decodeMs: 0, pasteMs: 0};
        },
        close: () => {},
    };
    // The eye rests on the rim of the ball that is ahead when it moves to the right.
    const gazeSource = {get point() { const [x, y] = at(frame); return [x + 0.7 * radius, y]; }};
    const session = new BrowserSession(decoder, {camera, gazeSource, size: null, engine: ""});
    const problems = [];
    let [pinned, told] = [null, () => {}];
    session.addEventListener("problem", ({detail}) => problems.push(detail.message));
    session.addEventListener("selection", ({detail}) => {
        pinned = detail.objects.find((object) => object.pinned)?.mask ?? null;
        told(detail);
    });
    shown();
    session.run();
    const said = () => new Promise((resolve) => {
        const again = setInterval(() => camera.dispatchEvent(new Event("frame")), 200);
        told = (detail) => { clearInterval(again); resolve(detail); };
        camera.dispatchEvent(new Event("frame"));
    });
    while (!session.pin()) await said();
    const found = [];
    for (frame = 1; frame <= frames; frame += 1) {
        shown();
        waiting = waiting.filter(({until, resolve}) => until > frame || resolve());
        await said();
        if (pinned) found.push(iou(pinned, maskAt(frame)));
    }
    session.close();
    return {found, problems, encodings, beside};
}"""


@contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-breakpad", "--disable-crash-reporter", *flags],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def texture() -> NDArray[np.uint8]:
    """Grey noise of several sizes, (180, 256)."""
    random = np.random.default_rng(3)
    total = np.zeros((180, 256), np.float32)
    for cells, gain in ((12, 60), (40, 40), (90, 20)):
        coarse = random.normal(0, gain, (cells * 180 // 256 + 1, cells)).astype(np.float32)
        total += cv2.resize(coarse, (256, 180), interpolation=cv2.INTER_CUBIC)
    return np.clip(total + 128, 0, 255).astype(np.uint8)


def encoded(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, np.uint8).tobytes()).decode("ascii")


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def in_frame(made: dict[str, Any], size: tuple[int, ...]) -> NDArray[np.bool_]:
    found = np.zeros(size, np.bool_)
    part = np.array(made["bytes"], np.bool_).reshape(made["height"], made["width"])
    found[made["y"] : made["y"] + made["height"], made["x"] : made["x"] + made["width"]] = part
    return found


@pytest.mark.parametrize(
    ("shift", "degrees", "scale"),
    [((0, 0), 0, 1.0), ((7.3, -4.6), 0, 1.0), ((-18, 11), 0, 1.0), ((5, 3), 8, 1.06), ((-6, 2), -5, 0.93)],
)
def test_known_motion_is_found(
    server: Server, texture: NDArray[np.uint8], shift: tuple[float, float], degrees: float, scale: float
) -> None:
    """A disc of one texture moves before another one that stands still."""
    centre = (120, 90)
    matrix = cv2.getRotationMatrix2D(centre, degrees, scale)
    matrix[:, 2] += np.array(shift)
    disc = cv2.circle(np.zeros(texture.shape, np.uint8), centre, 36, 1, -1)
    there = cv2.warpAffine(disc, matrix, disc.shape[::-1]) > 0
    own = texture[::-1, ::-1].copy()
    before = np.where(disc > 0, own, texture)
    after = np.where(there, cv2.warpAffine(own, matrix, own.shape[::-1]), texture)
    x, y, width, height = cv2.boundingRect(disc)
    mask = {"x": x, "y": y, "width": width, "height": height}
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{server.url}healthz")
        told = page.evaluate(
            MOVED,
            {
                "before": encoded(before),
                "after": encoded(after),
                "width": 256,
                "height": 180,
                "mask": {**mask, "bytes": encoded(disc[y : y + height, x : x + width])},
            },
        )
    assert told["points"] >= 20
    assert iou(in_frame(told["mask"], texture.shape), there) > 0.96
    assert iou(disc > 0, there) < 0.96 or shift == (0, 0)


def test_where_nothing_can_be_told_apart_nothing_is_made_up(server: Server) -> None:
    flat = encoded(np.full((180, 256), 90))
    mask = {"x": 50, "y": 50, "width": 40, "height": 40, "bytes": encoded(np.ones((40, 40)))}
    given = {"before": flat, "after": flat, "width": 256, "height": 180, "mask": mask}
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{server.url}healthz")
        told = page.evaluate(MOVED, given)
    assert told == {"found": None, "points": 0, "mask": None}


def test_a_mask_moves_with_a_real_clip(server: Server) -> None:
    """The rabbit of the demo clip, while the camera turns; the model finds it on both ends, motion brings it there."""
    with open_frames(CLIP) as frames:
        whole = [frame.image for frame in islice(frames, FIRST, LAST + 1)]
    with sam_edge.load(runtime="onnxruntime", threads=1) as model:
        place = [RABBIT[0] * whole[0].shape[1], RABBIT[1] * whole[0].shape[0]]
        found = [model.decode(model.encode(image), points=[place]).best for image in (whole[0], whole[-1])]
    height, width = SHOWN
    images = [np.array(image[:height, PAN_PX * index :][:, :width]) for index, image in enumerate(whole)]
    first, last = found[0][:height, :width], found[1][:height, PAN_PX * (LAST - FIRST) :][:, :width]
    x, y, across, down = cv2.boundingRect(first.astype(np.uint8))
    mask = {"x": x, "y": y, "width": across, "height": down}
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{server.url}healthz")
        told = page.evaluate(
            CARRIED,
            {
                "pictures": [
                    base64.b64encode(jpeg_of(np.ascontiguousarray(image))).decode("ascii") for image in images
                ],
                "mask": {**mask, "bytes": encoded(first[y : y + down, x : x + across])},
                "size": [width, height],
                "small": [256, round(256 * height / width)],
            },
        )
    moved = iou(in_frame(told["mask"], first.shape), last)
    assert moved > iou(first, last) + 0.1
    assert moved > 0.8
    assert told["again"], "asked again for the same picture, a mask stays where it is"
    assert told["gone"] == [None], "from a picture that is not known any more nothing can be moved"
    assert np.hypot(*np.subtract(told["back"], told["middle"])) < 0.05 * width


@pytest.mark.parametrize("moving", [True, False])
def test_what_is_selected_stays_on_a_thing_between_encodings(server: Server, moving: bool) -> None:
    """Every encoding takes six frames, in which the ball moves by up to its own radius."""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{server.url}healthz")
        told = page.evaluate(SESSION, {"moving": moving, "lag": 6, "frames": 60})
    assert told["problems"] == []
    assert told["encodings"] >= 5
    assert len(told["found"]) > 40
    if moving:
        assert statistics.fmean(told["found"]) > 0.9
        assert told["beside"] == 0, "the eye's place is brought back to the picture that is decoded"
    else:
        assert statistics.fmean(told["found"]) < 0.75
