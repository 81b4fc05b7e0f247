"""How long one decode takes in a browser: the decoders of a bundle on onnxruntime-web, in Chromium without a screen.

    python benchmarks/bench_browser.py [--threads 2] [--runs 40] [--published sam_decoder_published.onnx] [--json OUT]

The page's own worker decodes one point on embeddings of 672x448 and 1024x1024, after the seconds that the browser
compiles in; `decoder_points` and, if given, the decoder that others published take their turns in the same browser. The
mask of every decoder is compared with that of ONNX Runtime in Python. Needs Chromium, playwright and
`.ci/fetch_page.py`.
"""

from __future__ import annotations

import argparse
import base64
import json
import platform
import shutil
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from endings import end_without, run_script
from results import Figure, gather

try:
    import numpy as np
    from numpy.typing import NDArray
    from playwright.sync_api import sync_playwright

    from sam_edge.cores import available_cores
    from sam_edge.media.frames import open_frames
    from sam_edge.segmenter import DEFAULT_BUNDLE
    from sam_edge.serve.http.image_requests import describe_embedding
    from sam_edge.serve.models.engines import Engines
    from sam_edge.serve.server import Server
except ImportError as error:
    end_without(error)

CLIP = DEFAULT_BUNDLE.parent / "demo" / "clip.mp4"
SIZES = ((672, 448), (1024, 1024))
"""Width and height of the encoder's input."""
POINT = (0.35, 0.5)
"""On the rabbit: shares of the picture's sides."""
WARM_UP_MS = 5000
"""Browsers compile WebAssembly twice, the second time beside what already runs."""
ORDER = ("wasm", "points", "published")
ASKED_MS = {(672, 448): 25.0, (1024, 1024): 50.0}
"""Medians asked of the page's decoder with two threads, by the encoder's input."""
LEAST_IOU = 0.98

MEASURE = """async ({embedding, told, point, runs, warm, threads, graph}) => {
    const {Decoder} = await import("/assets/decoder.js");
    const info = await (await fetch("/api/info")).json();
    if (graph === "points") info.decoder.for_wasm = null;
    const decoder = await Decoder.open(info, {provider: "wasm", threads});
    const data = Uint8Array.from(atob(embedding), (one) => one.charCodeAt(0)).buffer;
    const view = await decoder.embed(data, told);
    const times = [];
    let mask = null;
    const ready = performance.now() + warm;
    while (times.length < runs) {
        const made = await decoder.decode(view, {points: [point]});
        if (performance.now() > ready) times.push(made.decodeMs);
        mask = made.mask;
    }
    decoder.close();
    const {x, y, width, height} = mask;
    const bytes = btoa(mask.bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
    return {times, mask: {x, y, width, height, bytes}, threads: decoder.threads, isolated: crossOriginIsolated};
}"""
PUBLISHED = """async ({graph, point, runs, warm, threads}) => {
    const ort = await import("/vendor/ort.wasm.min.mjs");
    ort.env.wasm.wasmPaths = new URL("/vendor/", location).href;
    ort.env.wasm.numThreads = threads;
    const bytes = Uint8Array.from(atob(graph), (one) => one.charCodeAt(0));
    const session = await ort.InferenceSession.create(bytes, {executionProviders: ["wasm"]});
    const floats = (values, shape) => new ort.Tensor("float32", Float32Array.from(values), shape);
    const noise = new Float32Array(256 * 64 * 64).map(() => Math.random() - 0.5);
    const feed = {
        image_embeddings: new ort.Tensor("float32", noise, [1, 256, 64, 64]),
        point_coords: floats([...point, 0, 0], [1, 2, 2]),
        point_labels: floats([1, -1], [1, 2]),
        mask_input: new ort.Tensor("float32", new Float32Array(65536), [1, 1, 256, 256]),
        has_mask_input: floats([0], [1]),
        orig_im_size: floats([1024, 1024], [2]),
    };
    const times = [];
    const ready = performance.now() + warm;
    while (times.length < runs) {
        const begun = performance.now();
        await session.run(feed);
        if (begun > ready) times.push(performance.now() - begun);
    }
    return {times};
}"""


@dataclass(frozen=True, slots=True)
class Row:
    """One decoder at one size."""

    decoder: str
    """`wasm`: the page's; `points`: the bundle's for points; `published`: somebody else's."""
    size: tuple[int, int]
    """Encoder's input, width and height."""
    median_ms: float
    least_ms: float
    p95_ms: float
    iou: float | None
    """With the mask of ONNX Runtime in Python; None where the input is noise."""


@contextmanager
def opened_page(server: Server, program: str) -> Iterator[Any]:
    """A page of the server in Chromium."""
    flags = ["--no-sandbox", "--disable-breakpad", "--disable-crash-reporter"]
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=program, args=flags)
        try:
            page = browser.new_page()
            page.goto(f"{server.url}healthz")
            yield page
        finally:
            browser.close()


def mask_of(told: dict[str, Any], frame_size: tuple[int, int]) -> NDArray[np.bool_]:
    """The page's mask in the frame."""
    part = np.frombuffer(base64.b64decode(told["bytes"]), np.uint8).reshape(told["height"], told["width"])
    mask = np.zeros(frame_size, np.bool_)
    mask[told["y"] : told["y"] + told["height"], told["x"] : told["x"] + told["width"]] = part == 1
    return mask


def measured(page: Any, engines: Engines, args: argparse.Namespace) -> list[Row]:
    """Let every decoder take its turn at every size."""
    with open_frames(CLIP) as frames:
        image = next(frames).image
    height, width = image.shape[:2]
    point = [POINT[0] * width, POINT[1] * height]
    common = {"runs": args.runs, "warm": WARM_UP_MS, "threads": args.threads}
    model, rows = engines.segmenter(), []
    for size in SIZES:
        encoded = model.encode(image, size=size[::-1])
        expected = model.decode(encoded, points=[point]).best
        told_of_it = describe_embedding(encoded, "float32")
        data = base64.b64encode(encoded.data.tobytes()).decode()
        for graph in ("wasm", "points"):
            options = {**common, "embedding": data, "told": told_of_it, "point": point, "graph": graph}
            told = page.evaluate(MEASURE, options)
            if args.threads > 1 and not told["isolated"]:
                sys.exit("the page is not isolated: there are no threads")
            mask = mask_of(told["mask"], (height, width))
            iou = float((mask & expected).sum() / (mask | expected).sum())
            rows.append(row_of(graph, size, told["times"], iou))
    if args.published is not None:
        graph = base64.b64encode(args.published.read_bytes()).decode()
        told = page.evaluate(PUBLISHED, {**common, "graph": graph, "point": [300, 400]})
        rows.append(row_of("published", (1024, 1024), told["times"], None))
    return sorted(rows, key=lambda row: (row.size, ORDER.index(row.decoder)))


def row_of(decoder: str, size: tuple[int, int], times: list[float], iou: float | None) -> Row:
    """Sum up."""
    return Row(
        decoder=decoder,
        size=size,
        median_ms=round(statistics.median(times), 1),
        least_ms=round(min(times), 1),
        p95_ms=round(float(np.percentile(times, 95)), 1),
        iou=None if iou is None else round(iou, 4),
    )


def main() -> int:
    """Measure and print. Returns 1 where a mask is not Python's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="of WebAssembly (default: 2)")
    parser.add_argument("--runs", type=int, default=40, help="decodes that are timed (default: 40)")
    parser.add_argument("--published", type=Path, help="the decoder that .ci/fetch_models.py brings")
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="write the figures for docs/reference/benchmarks.md"
    )
    args = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("Chromium is not here: apt install chromium")
    with (
        Engines(runtime="onnxruntime", threads=1) as engines,
        Server(engines, port=0) as server,
        opened_page(server, program) as page,
    ):
        version = page.context.browser.version
        rows = measured(page, engines, args)
    print(
        f"Chromium {version}, {args.threads} threads of WebAssembly, {available_cores()} cores, {platform.machine()}"
    )
    print(
        f"{'decoder':<10} {'input':<10} {'asked':>7} {'median':>8} {'least':>8} {'p95':>8}   IoU with Python"
    )
    for row in rows:
        size = "x".join(map(str, row.size))
        asked = f"{ASKED_MS[row.size]:g}" if row.decoder == ORDER[0] else ""
        iou = "" if row.iou is None else f"{row.iou:.4f}"
        print(
            f"{row.decoder:<10} {size:<10} {asked:>7} {row.median_ms:>8} {row.least_ms:>8} {row.p95_ms:>8}   {iou}"
        )
    if args.results is not None:
        published = next((row.median_ms for row in rows if row.decoder == "published"), None)
        figures = [
            Figure(
                f"browser_{row.size[0]}x{row.size[1]}",
                f"decode one point in the browser, {row.size[0]}x{row.size[1]}, {args.threads} threads of WebAssembly",
                "ms",
                row.median_ms,
                published,
            )
            for row in rows
            if row.decoder == ORDER[0]
        ]
        peer_is = f"the published decoder at 1024x1024 in the same browser, Chromium {version}"
        gather("In the browser", figures, threads=args.threads, peer=peer_is).write(args.results)
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.iou is None or row.iou > LEAST_IOU for row in rows) else 1


if __name__ == "__main__":
    run_script(main)
