"""What motion in the page is worth: masks moved from an older picture to a newer one, in Chromium without a screen.

    python benchmarks/bench_motion.py --data DAVIS [--apart 2 4 8]

DAVIS is a folder with JPEGImages/SEQUENCE/*.jpg and Annotations/SEQUENCE/*.png. The page's own worker gets every
picture at the size that the page gives it, and the true mask of one; its mask some pictures later is compared with the
true one there. Beside it the mask that stands still: what would be shown until the next picture is encoded.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from endings import end_without, run_script

try:
    import cv2
    import numpy as np
    from numpy.typing import NDArray
    from playwright.sync_api import sync_playwright

    from sam_edge.masks import iou
    from sam_edge.serve.models.engines import Engines
    from sam_edge.serve.server import Server
except ImportError as error:
    end_without(error)

SEQUENCES = ("blackswan", "dog", "car-shadow", "horsejump-high")
SMALL = 256
"""The longer side of the pictures that motion is found on, as in the page."""
STARTS = 6
"""Masks of a sequence that are moved."""
CARRY = """async ({pictures, mask, size, small}) => {
    const {WorkerRpc} = await import("/assets/worker-rpc.js");
    const worker = new WorkerRpc("./motion-worker.js", "motion");
    const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const decoded = {...mask, bytes: bytes(mask.bytes)};
    const masks = [];
    const times = [];
    for (const [index, picture] of pictures.entries()) {
        const blob = new Blob([bytes(picture)], {type: "image/jpeg"});
        const shape = {resizeWidth: small[0], resizeHeight: small[1], resizeQuality: "medium"};
        const bitmap = await createImageBitmap(blob, shape);
        const begun = performance.now();
        await worker.call("addImage", {key: index + 1, image: bitmap}, [bitmap]);
        const tracks = [{id: 1, from: 1, mask: index ? null : decoded}];
        const [moved] = await worker.call("moveMasks", {tracks, to: index + 1, size});
        times.push(performance.now() - begun);
        const told = moved && btoa(moved.bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
        masks.push(moved && {...moved, bytes: told});
    }
    worker.close();
    return {masks, times: times.slice(1)};
}"""


def truth_of(data: Path, picture: Path) -> NDArray[np.bool_]:
    """Read the mask of a picture."""
    path = data / "Annotations" / picture.parent.name / f"{picture.stem}.png"
    label = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    return np.asarray((np.atleast_3d(label) > 0).any(axis=2), np.bool_)


def told(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask as the page has it."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    part = mask[y : y + height, x : x + width].astype(np.uint8)
    return {
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "bytes": base64.b64encode(part.tobytes()).decode(),
    }


def read(made: dict[str, Any] | None, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """The page's mask in the frame."""
    found = np.zeros(size, np.bool_)
    if made is not None:
        x, y, width, height = (made[side] for side in ("x", "y", "width", "height"))
        part = np.frombuffer(base64.b64decode(made["bytes"]), np.uint8).reshape(height, width)
        found[y : y + height, x : x + width] = part > 0
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder like DAVIS")
    parser.add_argument(
        "--apart", type=int, nargs="+", default=[2, 4, 8], help="pictures between (default: 2 4 8)"
    )
    parser.add_argument("--sequences", nargs="+", default=SEQUENCES)
    args = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("Chromium is not here: apt install chromium")
    times: list[float] = []
    with (
        Engines(runtime="fake") as engines,
        Server(engines, port=0) as server,
        sync_playwright() as tool,
    ):
        browser = tool.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{server.url}healthz")
        print(f"Chromium {browser.version}; IoU with the true mask, moved / standing still")
        print(f"{'pictures later':<16}" + "".join(f"{apart:>14}" for apart in args.apart))
        for name in args.sequences:
            pictures = sorted((args.data / "JPEGImages" / name).glob("*.jpg"))
            most = max(args.apart)
            found: dict[int, list[tuple[float, float]]] = {apart: [] for apart in args.apart}
            for start in np.linspace(0, len(pictures) - most - 1, STARTS).astype(int):
                several = pictures[start : start + most + 1]
                first = truth_of(args.data, several[0])
                if not first.any():
                    continue
                height, width = first.shape
                answer = page.evaluate(
                    CARRY,
                    {
                        "pictures": [base64.b64encode(one.read_bytes()).decode() for one in several],
                        "mask": told(first),
                        "size": [width, height],
                        "small": [SMALL, round(SMALL * height / width)],
                    },
                )
                times += answer["times"]
                for apart in args.apart:
                    true = truth_of(args.data, several[apart])
                    moved = read(answer["masks"][apart], first.shape)
                    found[apart].append((float(iou(moved, true)), float(iou(first, true))))
            cells = (
                f"{statistics.fmean(one for one, _ in pairs):>7.2f} / {statistics.fmean(two for _, two in pairs):.2f}"
                for pairs in found.values()
            )
            print(f"{name:<16}" + "".join(f"{cell:>14}" for cell in cells))
        browser.close()
    print(
        "ms a picture and thing, median / 95th percentile: "
        f"{np.percentile(times, 50):.1f} / {np.percentile(times, 95):.1f}"
    )


if __name__ == "__main__":
    run_script(main)
