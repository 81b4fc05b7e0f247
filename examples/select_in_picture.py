"""Select a thing in a picture by a point, and cut it out.

    python examples/select_in_picture.py photo.jpg 320 200 cut_out.png

Without arguments it takes the rabbit of the demo's clip.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

import sam_edge
from sam_edge.masks import boxes_of, without_islands
from sam_edge.media.frames import open_frames
from sam_edge.media.images import read_image

CLIP = Path(sam_edge.__file__).parent / "assets" / "demo" / "clip.mp4"


def main(arguments: list[str]) -> None:
    if arguments:
        image = read_image(arguments[0])
        point = (float(arguments[1]), float(arguments[2]))
    else:
        with open_frames(CLIP) as frames:
            image = next(frame.image for frame in frames if frame.index == 40)
        point = (520.0, 400.0)
    out = arguments[3] if len(arguments) > 3 else "cut_out.png"

    with sam_edge.load() as model:
        masks = model.segment(image, points=[point], labels=[1])

    # SAM's masks have small islands here and there.
    mask = without_islands(masks.best)
    x0, y0, x1, y1 = (int(value) for value in boxes_of(mask[None])[0])
    cut = np.dstack([image, mask * np.uint8(255)])[y0:y1, x0:x1]
    cv2.imwrite(out, cv2.cvtColor(cut, cv2.COLOR_RGBA2BGRA))
    print(f"{out}: {x1 - x0}x{y1 - y0} pixels, predicted IoU {masks.scores[0]:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
