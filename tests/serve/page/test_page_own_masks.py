"""Masks that the browser computes itself: they agree with Python's, and missing memory is survived."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_edge.media.images import read_image
from sam_edge.serve.http.routes import PAGE
from sam_edge.serve.models.engines import Engines
from tests.serve.page.driver import (
    SWINGING,
    outlines_a_ball,
    pinned,
    point_at,
    start_camera,
    wait_for,
    watch_it_swing,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

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
REFUSE_MEMORY = """
const RealMemory = WebAssembly.Memory;
let refusals = %d;
WebAssembly.Memory = function (wanted) {
  if (wanted.shared && refusals-- > 0) throw new RangeError("Out of memory");
  return new RealMemory(wanted);
};
"""
"""What a phone does that is short of memory: the allocation of shared memory fails a number of times."""


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
