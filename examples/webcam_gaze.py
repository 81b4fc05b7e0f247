"""Select objects on the screen by looking at them: an ordinary webcam is the eye tracker.

    python examples/webcam_gaze.py [--eye 0] [--scene VIDEO OR CAMERA] [--screen 1920x1080] [--screen-mm 530]

Expect: nine targets on the full screen, then the scene with the object that you look at outlined; one line at the end.

`--eye` is the camera that looks at you (or a video of you), `--scene` what is shown to you: a second camera or a video
(default: the demo's clip). Look at each target until it has shrunk. Then look at an object for half a second. Space, or
s, pins the selected object and corrects the drift, as you were looking at it; so does a click on what you look at.
r unpins, c calibrates again, q or Esc ends.

`--save me.json` keeps the calibration, `--calibration me.json` uses it again: sit as you sat then. With `--headless`
there is no window: `--eye` is a video, and so is `--scene`; `--frames N --out PICTURE.png` stops after N frames and
writes the last.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

try:
    import cv2
    import numpy as np

    import sam_edge
    import sam_edge.gaze
    from sam_edge.errors import SamEdgeError
    from sam_edge.gaze.calibration import FullScreen, calibrate_on_screen
    from sam_edge.gaze.samples import GazeSample
    from sam_edge.gaze.webcam.source import WebcamSource
    from sam_edge.media.camera import read_camera
    from sam_edge.media.frames import open_frames
    from sam_edge.media.images import write_png
    from sam_edge.media.outputs import Output, prepare_outputs
    from sam_edge.media.overlay import TRAIL_S, draw_selection
    from sam_edge.stream import GazeSession, Selection
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e .")
except KeyboardInterrupt:
    sys.exit(130)

CLIP = Path(sam_edge.__file__).parent / "assets" / "demo" / "clip.mp4"
WINDOW = "sam-edge: look at an object; space pins it, c calibrates, q ends"
ENDS = (ord("q"), 27)
EYE_TO_SCREEN_MM = 600.0
STEADY_DEG = 4.0


class Stage:
    """Where the scene's picture stands on the screen: as large as it fits, in the middle."""

    def __init__(self, screen: tuple[int, int], scene: tuple[int, int]) -> None:
        self.screen, self.scene = screen, scene
        self.scale = min(screen[0] / scene[0], screen[1] / scene[1])
        self.left = (screen[1] - scene[1] * self.scale) / 2
        self.top = (screen[0] - scene[0] * self.scale) / 2

    def in_scene(self, sample: GazeSample) -> GazeSample:
        """Take a sample from the screen's pixels to the scene's."""
        spread = sample.covariance_px2
        if spread is not None:
            xx, xy, yy = (value / self.scale**2 for value in spread)
            spread = (xx, xy, yy)
        x, y = (sample.x_px - self.left) / self.scale, (sample.y_px - self.top) / self.scale
        return replace(sample, x_px=x, y_px=y, covariance_px2=spread)

    def on_screen(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Take a place in the scene to the screen."""
        return x_px * self.scale + self.left, y_px * self.scale + self.top

    def show(self, picture: np.ndarray) -> int:
        """Show a picture of the scene on the whole screen, and return the key pressed since."""
        height, width = round(self.scene[0] * self.scale), round(self.scene[1] * self.scale)
        whole = np.zeros((*self.screen, 3), np.uint8)
        top, left = round(self.top), round(self.left)
        whole[top : top + height, left : left + width] = cv2.resize(picture[..., ::-1], (width, height))
        cv2.imshow(WINDOW, whole)
        return cv2.waitKey(1) & 0xFF


def frames(scene: str, *, in_time: bool) -> Iterator[tuple[np.ndarray, int]]:
    """Yield RGB frames and their times from the first: of a camera as they come, of a file when they are due."""
    begin_ns = time.monotonic_ns()
    if not scene.isdecimal():
        with open_frames(scene) as reader:
            for frame in reader:
                if in_time:
                    time.sleep(max(0.0, (begin_ns + frame.time_ns - time.monotonic_ns()) / 1e9))
                yield frame.image, frame.time_ns
        return
    for shot in read_camera(int(scene)):
        yield shot.image, shot.time_ns - begin_ns


def drawn(image: np.ndarray, selection: Selection, recent: deque[GazeSample], now_ns: int) -> np.ndarray:
    """Draw what is selected and the path of the gaze on a frame."""
    trail = [(sample.x_px, sample.y_px, (now_ns - sample.time_ns) / 1e9) for sample in recent if sample.valid]
    caption = [selection.state.value]
    if selection.score is not None:
        caption.append(f"object {selection.object_id}, predicted IoU {selection.score:.2f}")
    return draw_selection(
        image,
        mask=selection.mask,
        box=selection.box,
        gaze_trail=[dot for dot in trail if dot[2] <= TRAIL_S],
        fixation=selection.fixation,
        caption=caption,
    )


def calibrate(source: WebcamSource, size: tuple[int, int], px_per_deg: float, save: str | None) -> None:
    """Show the targets, and use what comes of it from now on."""
    source.estimator.calibration = None
    display = FullScreen()
    try:
        outcome = calibrate_on_screen(
            source, display, size=size, px_per_deg=px_per_deg, steady_deg=STEADY_DEG
        )
    finally:
        display.close()
    print(
        f"accuracy {outcome.after.accuracy_deg:.1f} degrees, it was {outcome.before.accuracy_deg:.1f} before"
    )
    source.estimator.calibration = outcome.calibration
    if save:
        outcome.calibration.save(save)


def keep(source: WebcamSource, session: GazeSession, stage: Stage, selection: Selection) -> None:
    """Keep what is selected. It was looked at: that corrects the drift, the more the smaller it is."""
    session.pin()
    if selection.box is not None:
        x0, y0, x1, y1 = selection.box
        middle = stage.on_screen((x0 + x1) / 2, (y0 + y1) / 2)
        source.record_click(middle, size_px=stage.scale * max(x1 - x0, y1 - y0))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--eye", default="0", help="number of the camera that looks at you, or a video of you"
    )
    parser.add_argument("--scene", default=str(CLIP), help="number of a second camera, or a video")
    parser.add_argument("--screen", default="1920x1080", help="the screen's size in pixels, width x height")
    parser.add_argument("--screen-mm", type=float, default=530.0, help="the screen's width in millimetres")
    parser.add_argument("--fov-deg", type=float, default=78.0, help="how wide the camera sees, diagonally")
    parser.add_argument("--calibration", metavar="FILE", help="use this calibration")
    parser.add_argument("--save", metavar="FILE", help="keep the calibration")
    parser.add_argument("--frames", type=int, default=0, help="stop after so many")
    parser.add_argument("--headless", action="store_true", help="no window")
    parser.add_argument("--out", metavar="PICTURE.png", help="write the last frame")
    parser.add_argument("--runtime", default="auto")
    return parser.parse_args()


def opened(args: argparse.Namespace) -> WebcamSource:
    options: dict[str, object] = {
        "screen": args.screen,
        "screen_mm": args.screen_mm,
        "fov_deg": args.fov_deg,
    }
    if args.calibration:
        options["calibration"] = args.calibration
    source = sam_edge.gaze.open(f"webcam:{args.eye}", pace="none" if args.headless else "real", **options)
    assert isinstance(source, WebcamSource)
    return source


def main() -> None:
    args = arguments()
    cv2.setNumThreads(1)  # its threads would compete with the encoder's
    recent: deque[GazeSample] = deque(maxlen=60)
    picture, count, selected = None, 0, 0
    outputs = [Output("--out", Path(args.out) if args.out else None, endings=(".png",))]
    outputs.append(Output("--save", Path(args.save) if args.save else None))
    with prepare_outputs(*outputs), opened(args) as source, sam_edge.load(runtime=args.runtime) as model:
        screen = source.estimator.screen
        px_per_deg = screen.px_per_deg(EYE_TO_SCREEN_MM)
        # Without a window both videos are stepped through together: each sample is fed when its frame is shown.
        waiting = deque(source) if args.headless else deque()
        begun_ns = waiting[0].time_ns if waiting else 0
        if not (args.headless or args.calibration):
            calibrate(source, screen.size, px_per_deg, args.save)
        session = None
        for image, time_ns in frames(args.scene, in_time=not args.headless):
            now_ns = begun_ns + time_ns if args.headless else time.monotonic_ns()
            if session is None:
                stage = Stage(screen.size, image.shape[:2])
                session = GazeSession(
                    model,
                    px_per_deg=px_per_deg / stage.scale,
                    mode="sequential" if args.headless else "live",
                )
                session.warm_up(image)
                if not args.headless:
                    cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL)
                    cv2.setWindowProperty(WINDOW, cv2.WND_PROP_FULLSCREEN, cv2.WINDOW_FULLSCREEN)
                    cv2.setMouseCallback(WINDOW, clicks(source))
            if not args.headless:
                waiting.extend(source.read())
            due = []
            while waiting and waiting[0].time_ns <= now_ns:
                due.append(stage.in_scene(waiting.popleft()))
            recent.extend(due)
            session.feed(due)
            selection = session.step(image, now_ns)
            picture = drawn(image, selection, recent, now_ns)
            count += 1
            selected += selection.mask is not None
            if count == args.frames:
                break
            if args.headless:
                continue
            key = stage.show(picture)
            if key in ENDS:
                break
            if key in (ord("s"), ord(" ")):
                keep(source, session, stage, selection)
            elif key == ord("r"):
                session.unpin()
            elif key == ord("c"):
                calibrate(source, screen.size, px_per_deg, args.save)
        if session is not None:
            session.close()
    if picture is None:
        raise SystemExit(f"{args.scene}: no camera or video that can be opened, or no frame came from it")
    if args.out:
        write_png(args.out, picture)
    print(f"{count} frames, {selected} with a selection")


def clicks(source: WebcamSource) -> Callable[..., None]:
    """Tell the source of each click in the window: who clicks looks there."""

    def happened(event: int, x: int, y: int, _flags: int, _data: object) -> None:
        if event == cv2.EVENT_LBUTTONDOWN:
            source.record_click((x + 0.5, y + 0.5))

    return happened


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
