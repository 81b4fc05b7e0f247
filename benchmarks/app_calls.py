"""Calls as an app makes them: a decode with its masks, a start of the command, everything mode."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import sam_edge
from sam_edge.everything import STANDARD, generate_masks
from sam_edge.media.images import read_image

PHOTOGRAPH = Path(sam_edge.__file__).parent / "assets" / "labelled" / "images" / "astronaut.jpg"
MASK_SIZE = (480, 720)
"""(height, width) of the frame whose masks the decoders are timed with; the peer's are of the same size."""
STARTS = 4
"""Starts of the command on each engine; the first fills the cache of compiled models and does not count."""
COMMAND = "import sys; from sam_edge.cli import main; sys.exit(main())"


def decode_with_masks(model: sam_edge.Segmenter, size: tuple[int, int]) -> Callable[[], NDArray[np.bool_]]:
    """Return a decode of one point, with four masks of `MASK_SIZE`."""
    image = np.asarray(cv2.resize(read_image(PHOTOGRAPH), MASK_SIZE[::-1]), np.uint8)
    embedding = model.encode(image, size=size)
    return lambda: model.decode(embedding, points=[(360.0, 240.0)]).masks


def start_s(runtime: str) -> float:
    """Return the median time from the start of `sam-edge segment` to its mask on disk, seconds."""
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SAM_EDGE_CACHE": str(Path(folder) / "cache")}
        given = ["segment", str(PHOTOGRAPH), "--point", "200,200", "--runtime", runtime]
        command = [sys.executable, "-c", COMMAND, *given, "--out", str(Path(folder) / "mask.png")]
        for _ in range(STARTS):
            begun = time.perf_counter()
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            spent.append(time.perf_counter() - begun)
    return float(np.median(spent[1:]))


def everything_s(model: sam_edge.Segmenter) -> float:
    """Return the median time of everything mode, `STANDARD`, on one photograph, seconds."""
    image = read_image(PHOTOGRAPH)
    spent = []
    for _ in range(3):
        begun = time.perf_counter()
        generate_masks(model, image, config=STANDARD)
        spent.append(time.perf_counter() - begun)
    return float(np.median(spent[1:]))
