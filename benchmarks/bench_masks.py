"""Run lengths and polygons of masks of 1920x1080, beside pycocotools, in one run.

    python benchmarks/bench_masks.py [--rounds 60]

Everything takes turns. Texts and masks are compared before they are timed: they must be the same, byte for byte.
"""

from __future__ import annotations

import argparse
import platform
import time
import warnings
from collections.abc import Callable
from importlib import metadata

from endings import end_without, run_script

try:
    import cv2
    import numpy as np
    from numpy.typing import NDArray
    from pycocotools import mask as pycoco

    from sam_edge.masks import Rle, fill_holes, mask_to_polygons, polygons_to_mask, remove_islands
    from sam_edge.media.environment import cpu_name
except ImportError as error:
    end_without(error)

SIZE = (1080, 1920)


def discs(count: int, radius_px: int) -> NDArray[np.bool_]:
    """Make a mask of discs of random places and sizes."""
    generator = np.random.default_rng(0)
    canvas = np.zeros(SIZE, np.uint8)
    for _ in range(count):
        x, y, radius = (
            int(generator.integers(low, high)) for low, high in ((0, 1920), (0, 1080), (3, radius_px))
        )
        cv2.circle(canvas, (x, y), radius, 1, -1)
    return canvas > 0


def calls(mask: NDArray[np.bool_]) -> dict[str, Callable[[], object]]:
    """Say what is timed on a mask, ours and theirs, checked against each other."""

    def theirs() -> dict[str, object]:
        made: dict[str, object] = pycoco.encode(np.asfortranarray(mask.view(np.uint8)))
        return made

    ours, their = Rle.from_mask(mask), theirs()
    outlines = mask_to_polygons(mask)
    if ours.text.encode() != their["counts"] or not np.array_equal(ours.mask(), mask):
        raise SystemExit("run lengths are not those of pycocotools")
    if not np.array_equal(polygons_to_mask(outlines, SIZE), mask):
        raise SystemExit("polygons do not give the mask back")
    return {
        "encode": lambda: Rle.from_mask(mask),
        "encode, pycocotools": theirs,
        "decode": ours.mask,
        "decode, pycocotools": lambda: pycoco.decode(their),
        "to polygons": lambda: mask_to_polygons(mask),
        "from polygons": lambda: polygons_to_mask(outlines, SIZE),
        "without islands and holes": lambda: fill_holes(remove_islands(mask)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=60)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
    cv2.setNumThreads(1)
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("numpy", "opencv-python", "pycocotools")
    )
    print(f"{cpu_name()}, 1 thread, Python {platform.python_version()}, {versions}")
    print(f"{'milliseconds':<52}{'median':>9}{'p95':>9}{'best':>9}")
    for name, mask in (
        ("one disc", discs(1, 400)),
        ("40 discs", discs(40, 150)),
        ("1000 specks", discs(1000, 8)),
        ("everything", np.ones(SIZE, np.bool_)),
    ):
        timed = calls(mask)
        times: dict[str, list[float]] = {what: [] for what in timed}
        for _ in range(args.rounds):
            for what, call in timed.items():
                begun = time.perf_counter()
                call()
                times[what].append(1e3 * (time.perf_counter() - begun))
        print(f"-- {name}: {len(Rle.from_mask(mask).counts)} runs")
        for what, found in times.items():
            print(f"{what:<52}{np.median(found):>9.2f}{np.percentile(found, 95):>9.2f}{min(found):>9.2f}")


if __name__ == "__main__":
    run_script(main)
