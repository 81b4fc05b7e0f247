"""Select objects in live video with the mouse as the eye tracker.

    python examples/webcam_mouse.py [CAMERA OR VIDEO] [--px-per-deg 15]

Expect: a window with the video; the object under the resting mouse is outlined; one line at the end.

A click, or the key s, pins the outlined object while you go on to others; a right click, or r, unpins all.

Give the number of a camera (default 0), or a video file, which is played at its own rate. q or Esc ends. The picture
never waits for the encoder, which has a thread of its own. With `--headless` there is no window, and every frame is
processed: a simulated mouse rests in the middle of the picture, or at `--mouse X,Y`; `--frames N --out PICTURE.png`
stops after N frames and writes the last one as it would have been shown.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

try:
    import cv2
    import numpy as np

    import sam_edge
    import sam_edge.gaze
    from sam_edge.errors import SamEdgeError, SessionError
    from sam_edge.gaze.adapters.mouse import MouseSource
    from sam_edge.gaze.samples import GazeSample
    from sam_edge.media.camera import read_camera
    from sam_edge.media.frames import open_frames
    from sam_edge.media.images import write_png
    from sam_edge.media.outputs import Output, prepare_outputs
    from sam_edge.media.overlay import TRAIL_S, draw_selection
    from sam_edge.media.screen import check_screen
    from sam_edge.stream import GazeSession, Selection
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e .")
except KeyboardInterrupt:
    sys.exit(130)

WINDOW = "sam-edge: rest the mouse on an object; click pins it, right click unpins, q ends"
ENDS = (ord("q"), 27)
TREMOR_PX = 1.0


def frames(source: str) -> Iterator[np.ndarray]:
    """Yield RGB frames: those of a camera as they come, those of a file at the times that it states."""
    if not source.isdecimal():
        with open_frames(source) as reader:
            begin = time.monotonic()
            for frame in reader:
                time.sleep(max(0.0, begin + frame.time_ns / 1e9 - time.monotonic()))
                yield frame.image
        return
    for shot in read_camera(int(source)):
        yield shot.image


def drawn(image: np.ndarray, selection: Selection, recent: deque[GazeSample], now_ns: int) -> np.ndarray:
    """Draw what is selected, what is pinned, and the mouse's path on a frame."""
    for pinned in selection.pinned:
        if pinned.object_id != selection.object_id:
            image = draw_selection(image, mask=pinned.mask, box=pinned.box)
    caption = [selection.state.value]
    if selection.score is not None:
        caption.append(f"object {selection.object_id}, predicted IoU {selection.score:.2f}")
    if "total" in selection.timing_ms:
        caption.append(f"{selection.timing_ms['total']:.0f} ms, {selection.origin}")
    trail = [(sample.x_px, sample.y_px, (now_ns - sample.time_ns) / 1e9) for sample in recent if sample.valid]
    return draw_selection(
        image,
        mask=selection.mask,
        box=selection.box,
        gaze_trail=[dot for dot in trail if dot[2] <= TRAIL_S],
        fixation=selection.fixation,
        caption=caption,
    )


def show(picture: np.ndarray, session: GazeSession) -> bool:
    """Show a frame, and do what the pressed key says. Returns whether to go on."""
    cv2.imshow(WINDOW, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    key = cv2.waitKey(1) & 0xFF
    if key == ord("s"):
        session.pin()
    elif key == ord("r"):
        session.unpin()
    return key not in ENDS


def watch(mouse: MouseSource, session: GazeSession) -> None:
    """Follow the mouse in the window; its buttons pin and unpin."""

    def happened(event: int, x: int, y: int, _flags: int, _data: object) -> None:
        mouse.move(x + 0.5, y + 0.5)
        if event == cv2.EVENT_LBUTTONDOWN:
            session.pin(at_ns=time.monotonic_ns())
        elif event == cv2.EVENT_RBUTTONDOWN:
            session.unpin()

    cv2.namedWindow(WINDOW)
    cv2.setMouseCallback(WINDOW, happened)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", nargs="?", default="0", help="number of a camera, or a video file")
    parser.add_argument("--px-per-deg", type=float, default=15.0, help="frame pixels in a degree")
    parser.add_argument("--frames", type=int, default=0, help="stop after so many")
    parser.add_argument("--headless", action="store_true", help="no window")
    parser.add_argument("--mouse", metavar="X,Y", help="where the made-up mouse rests, frame pixels")
    parser.add_argument("--out", metavar="PICTURE.png", help="write the last frame")
    parser.add_argument("--runtime", default="auto")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if not args.headless:
        try:
            check_screen()
        except SessionError as error:
            raise SystemExit(f"{error}; --headless needs no screen") from None
    cv2.setNumThreads(1)  # its threads would compete with the encoder's
    mouse = MouseSource(rate_hz=100)
    recent: deque[GazeSample] = deque(maxlen=100)
    picture, count, selected = None, 0, 0
    output = Output("--out", Path(args.out) if args.out else None, endings=(".png",))
    with (
        prepare_outputs(output),
        sam_edge.load(runtime=args.runtime) as model,
        mouse,
        GazeSession(
            model, px_per_deg=args.px_per_deg, mode="sequential" if args.headless else "live"
        ) as session,
    ):
        if not args.headless:
            watch(mouse, session)
        for image in frames(args.source):
            if count == 0:
                session.warm_up(image)
            if args.headless:
                height, width = image.shape[:2]
                x, y = map(float, args.mouse.split(",")) if args.mouse else (width / 2, height / 2)
                mouse.move(x + TREMOR_PX * math.sin(count), y + TREMOR_PX * math.cos(count))
            samples = mouse.read()
            recent.extend(samples)
            session.feed(samples)
            now_ns = time.monotonic_ns()
            selection = session.step(image, now_ns)
            picture = drawn(image, selection, recent, now_ns)
            count += 1
            selected += selection.mask is not None
            if count == args.frames or not (args.headless or show(picture, session)):
                break
    if picture is None:
        raise SystemExit(f"{args.source}: no camera or video that can be opened, or no frame came from it")
    if args.out:
        write_png(args.out, picture)
    print(f"{count} frames, {selected} with a selection")


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
