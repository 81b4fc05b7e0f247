"""Click on an object in a picture to cut it out.

    python examples/image_click.py [PICTURE] [--out out/cut_out.png]

Expect: a window with the picture; one line with the size of each cut-out that you write.

A click adds a point on the object, a right click one off it; s or Return writes the outlined object as a picture with
a transparent background, r starts again, q or Esc ends. Without a picture it takes a frame of the demo's clip.
`--point X,Y`, once or more, clicks without a window.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    import cv2
    import numpy as np

    import sam_edge
    from sam_edge.cutouts import write_cutout
    from sam_edge.errors import SamEdgeError, SessionError
    from sam_edge.masks import masks_to_boxes, remove_islands
    from sam_edge.media.frames import open_frames
    from sam_edge.media.images import read_image
    from sam_edge.media.outputs import Output, prepare_outputs
    from sam_edge.media.overlay import draw_selection
    from sam_edge.media.screen import check_screen
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e .")
except KeyboardInterrupt:
    sys.exit(130)

CLIP = Path(sam_edge.__file__).parent / "assets" / "demo" / "clip.mp4"
WINDOW = "sam-edge: click on an object; s writes it, r starts again, q ends"
ENDS, WRITES = (ord("q"), 27), (ord("s"), 13)


class Clicks:
    """The points of one thing, and the mask that follows from them."""

    def __init__(self, model: sam_edge.Segmenter, image: np.ndarray) -> None:
        self.image = image
        self._model = model
        self._embedding = model.encode(image)
        self.clear()

    def clear(self) -> None:
        self.points: list[tuple[float, float]] = []
        self.labels: list[int] = []
        self.mask: np.ndarray | None = None
        self.score = 0.0

    def add(self, x: float, y: float, *, beside: bool = False) -> None:
        """Decode once more, with one point more: the picture was encoded once and for all."""
        self.points.append((x, y))
        self.labels.append(0 if beside else 1)
        masks = self._model.decode(self._embedding, points=self.points, labels=self.labels)
        # SAM's masks have small islands here and there.
        self.mask, self.score = remove_islands(masks.best), float(masks.scores[0])

    def cut_out(self) -> np.ndarray:
        """The thing alone: RGBA."""
        assert self.mask is not None
        x0, y0, x1, y1 = (int(value) for value in masks_to_boxes(self.mask[None])[0])
        return np.dstack([self.image, self.mask * np.uint8(255)])[y0:y1, x0:x1]


def write(clicks: Clicks, out: str) -> None:
    if clicks.mask is None or not clicks.mask.any():
        print("nothing is selected")
        return
    cut = clicks.cut_out()
    write_cutout(out, cut)
    print(f"{out}: {cut.shape[1]}x{cut.shape[0]} pixels, predicted IoU {clicks.score:.2f}")


def interact(clicks: Clicks, out: str) -> None:
    def happened(event: int, x: int, y: int, _flags: int, _data: object) -> None:
        if event in (cv2.EVENT_LBUTTONDOWN, cv2.EVENT_RBUTTONDOWN):
            clicks.add(x + 0.5, y + 0.5, beside=event == cv2.EVENT_RBUTTONDOWN)

    cv2.namedWindow(WINDOW)
    cv2.setMouseCallback(WINDOW, happened)
    key = -1
    while key not in ENDS:
        caption = [f"predicted IoU {clicks.score:.2f}"] if clicks.mask is not None else []
        shown = draw_selection(clicks.image, mask=clicks.mask, caption=caption)
        cv2.imshow(WINDOW, cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(20) & 0xFF
        if key in WRITES:
            write(clicks, out)
        elif key == ord("r"):
            clicks.clear()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", help="a picture file")
    parser.add_argument("--out", default="out/cut_out.png", help="PNG to write (default: out/cut_out.png)")
    parser.add_argument("--point", action="append", metavar="X,Y", help="click here, without a window")
    args = parser.parse_args()
    if not args.point:
        try:
            check_screen()
        except SessionError as error:
            raise SystemExit(f"{error}; --point X,Y needs no screen") from None
    if args.picture:
        image = read_image(args.picture)
    else:
        with open_frames(CLIP) as frames:
            image = next(frame.image for frame in frames if frame.index == 40)
    with prepare_outputs(Output("--out", Path(args.out), endings=(".png",))), sam_edge.load() as model:
        clicks = Clicks(model, image)
        if args.point:
            for point in args.point:
                x, _, y = point.partition(",")
                clicks.add(float(x), float(y))
            write(clicks, args.out)
        else:
            interact(clicks, args.out)


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
