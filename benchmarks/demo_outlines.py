"""Outlines of the demo's clip, drawn by hand on every fourth frame: what its masks are held to.

    python benchmarks/demo_outlines.py OUT_DIR

writes each of these frames, enlarged twice, with its outlines drawn on it and a pixel grid along the border, to look
at. `demo_outlines.json` says how they were drawn.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from endings import run_script
from numpy.typing import NDArray

import sam_edge
from sam_edge.masks import polygons_to_mask
from sam_edge.media.frames import open_frames

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo"
FILE = Path(__file__).resolve().parent / "demo_outlines.json"
ZOOM, BORDER_PX, GRID_PX = 2, 40, 40

Ring: TypeAlias = Sequence[tuple[float, float]]
"""Vertices x, y of a closed line in frame pixels: pixel (row i, column j) covers [j, j + 1] x [i, i + 1]."""


@dataclass(frozen=True)
class OutlinedFrame:
    """What is right on one frame of the clip."""

    index: int
    """Number of the frame, from 0."""
    objects: Mapping[str, Sequence[Ring]]
    """Objects that the gaze means by then, and their outlines; a second ring is a hole. Empty: nothing is meant yet.
    Two objects in the first 100 ms after a landing: the new one, and the one before."""
    size: tuple[int, int]
    """(height, width) of the frame, pixels."""

    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """Return the mask of each object, bool (H, W)."""
        return {name: self._fill(rings) for name, rings in self.objects.items()}

    def _fill(self, rings: Sequence[Ring]) -> NDArray[np.bool_]:
        mask = np.zeros(self.size, np.bool_)
        for ring in rings:
            mask ^= polygons_to_mask([ring], self.size)
        return mask


def read_outlines(path: Path = FILE) -> list[OutlinedFrame]:
    """Return the frames with outlines, in order."""
    content = json.loads(path.read_text(encoding="utf-8"))
    size = (content["height_px"], content["width_px"])
    return [OutlinedFrame(int(index), objects, size) for index, objects in content["frames"].items()]


def draw(image: NDArray[np.uint8], outlined: OutlinedFrame) -> NDArray[np.uint8]:
    """Return the enlarged frame with its outlines, uint8 RGB, in a border with a pixel grid."""
    large = cv2.resize(image, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
    for rings in outlined.objects.values():
        for ring in rings:
            line = np.rint(np.array(ring) * ZOOM).astype(np.int32)
            cv2.polylines(large, [line], True, (255, 0, 255), 1, cv2.LINE_AA)
            for x, y in line.tolist():
                cv2.circle(large, (x, y), 2, (255, 255, 0), -1)
    framed: NDArray[np.uint8] = np.full(np.add(large.shape, (2 * BORDER_PX, 2 * BORDER_PX, 0)), 255, np.uint8)
    framed[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = large
    _draw_grid(framed, outlined.size)
    return framed


def _draw_grid(framed: NDArray[np.uint8], size: tuple[int, int]) -> None:
    for x in range(0, size[1] + 1, GRID_PX):
        for top in (BORDER_PX - 8, BORDER_PX + ZOOM * size[0]):
            cv2.line(framed, (BORDER_PX + ZOOM * x, top), (BORDER_PX + ZOOM * x, top + 8), (0, 0, 0))
        _write(framed, str(x), (BORDER_PX + ZOOM * x - 12, 22))
    for y in range(0, size[0] + 1, GRID_PX):
        for left in (BORDER_PX - 8, BORDER_PX + ZOOM * size[1]):
            cv2.line(framed, (left, BORDER_PX + ZOOM * y), (left + 8, BORDER_PX + ZOOM * y), (0, 0, 0))
        _write(framed, str(y), (2, BORDER_PX + ZOOM * y + 4))


def _write(framed: NDArray[np.uint8], text: str, at: tuple[int, int]) -> None:
    cv2.putText(framed, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)


def main() -> None:
    """Write a picture of each frame that has outlines."""
    parser = argparse.ArgumentParser(description="Draw the outlines of the demo's clip, to look at.")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="folder to write")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    frames = {outlined.index: outlined for outlined in read_outlines()}
    with open_frames(DEMO / "clip.mp4") as reader:
        for index, frame in enumerate(reader):
            if index in frames:
                picture = cv2.cvtColor(draw(frame.image, frames[index]), cv2.COLOR_RGB2BGR)
                cv2.imwrite(str(out / f"{index:05d}.jpg"), picture)
    print(f"{out}: {len(frames)} pictures")


if __name__ == "__main__":
    run_script(main)
