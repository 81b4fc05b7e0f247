"""A simulated headset: its camera plays a video, its eyes follow a recording, its wearer pinches.

    sam-edge serve &
    python examples/headset_client.py [ws://127.0.0.1:8765] [--gaze rays|pixels|pinch]

Expect: the server's name, one line for each change of the selection, and the latency at the end.

What a headset's program does, step by step: greet, keep the clocks related (the client does), send gaze as rays from
the eyes (or pixels, or nothing but a point at the moment of a pinch), send the newest frame while the server wants one,
and draw what comes back. Plays the demo, or --video VIDEO with --recording GAZE.csv.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

try:
    import sam_edge
    from sam_edge.client import Client, connect
    from sam_edge.errors import SamEdgeError
    from sam_edge.gaze.adapters.ray_projection import Pose, RayCamera
    from sam_edge.gaze.recordings import GazeRecording, read
    from sam_edge.gaze.samples import GazeSample
    from sam_edge.media.frames import FrameReader, open_frames
    from sam_edge.wire.messages import FrameSelection, Rays, RaySample
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e '.[serve]'")
except KeyboardInterrupt:
    sys.exit(130)

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo"
CAMERA_ABOVE_EYES_M = 0.04
DEPTH_M = 2.0


def camera_of(size: tuple[int, int], px_per_deg: float) -> RayCamera:
    """Describe the headset's camera: it sits a little above the eyes and looks straight ahead."""
    focal_px = px_per_deg * 180 / math.pi
    above = Pose((0.0, CAMERA_ABOVE_EYES_M, 0.0))
    height, width = size
    return RayCamera(width, height, focal_px, focal_px, width / 2, height / 2, pose=above)


def ray_of(sample: GazeSample, camera: RayCamera) -> RaySample:
    """Return the line of sight from between the eyes to what a pixel shows, 2 m away, in OpenXR's axes."""
    if not sample.valid:
        return RaySample(sample.time_ns, (0, 0, 0), (0, 0, -1), confidence=0.0)
    x = (sample.x_px - camera.cx_px) / camera.fx_px * DEPTH_M
    y = (sample.y_px - camera.cy_px) / camera.fy_px * DEPTH_M
    seen = (x, CAMERA_ABOVE_EYES_M - y, -DEPTH_M)
    return RaySample(sample.time_ns, (0, 0, 0), seen, depth_m=math.hypot(*seen))


def shifted(samples: Iterator[GazeSample], begun_ns: int) -> Iterator[GazeSample]:
    """Move a recording's times to the headset's clock."""
    for sample in samples:
        yield GazeSample(begun_ns + sample.time_ns, sample.x_px, sample.y_px, sample.confidence)


class Headset:
    """Plays video and gaze in their time, and tells what comes back."""

    def __init__(self, client: Client, gaze: str) -> None:
        self.client = client
        self.gaze = gaze
        self.begun_ns = time.monotonic_ns()
        self.sent: dict[int, int] = {}
        self.latencies_ms: list[float] = []
        self.told: tuple[object, ...] = ()
        self.pinned: Future[int] | None = None

    def receive_until(self, due_ns: int) -> None:
        """Take what comes back, until it is time for the next frame."""
        while True:
            left_s = (due_ns - time.monotonic_ns()) / 1e9
            selected = self.client.receive(left_s)
            if selected is None:
                if left_s <= 0:
                    return
                continue
            self.latencies_ms.append((time.monotonic_ns() - self.sent.pop(selected.frame_id)) / 1e6)
            # Here a headset draws the mask: selected.gaze_target.mask(selected.frame_size).
            if (now := summary(selected)) != self.told:
                self.told = now
                seconds = (selected.frame_time_ns - self.begun_ns) / 1e9
                print(f"{seconds:6.2f} s  {describe(selected)}", flush=True)

    def play(self, frames: FrameReader, recording: GazeRecording, seconds: float) -> None:
        """Send everything in its time."""
        camera = camera_of(frames.size, recording.px_per_deg or 15.0)
        self.client.set_camera(camera, distance_m=DEPTH_M)
        gaze = shifted(iter(recording.samples), self.begun_ns)
        waiting = next(gaze, None)
        place = None
        for frame in frames:
            now_ns = self.begun_ns + frame.time_ns
            self.receive_until(now_ns)
            if frame.time_ns > seconds * 1e9:
                break
            since: list[GazeSample] = []
            while waiting is not None and waiting.time_ns <= now_ns:
                since.append(waiting)
                place = (waiting.x_px, waiting.y_px) if waiting.valid else place
                waiting = next(gaze, None)
            if since and self.gaze == "rays":
                self.client.send_rays(Rays(tuple(ray_of(sample, camera) for sample in since)))
            elif since and self.gaze == "pixels":
                self.client.send_gaze(since)
            number = self.client.send_frame(frame.image, now_ns)
            if number is not None:
                self.sent[number] = time.monotonic_ns()
            # The wearer pinches after a second and a half; one who gives no gaze says where.
            if self.pinned is None and frame.time_ns > 1.5e9 and place is not None:
                pinch = self.gaze == "pinch"
                self.pinned = self.client.pin(point_px=place) if pinch else self.client.pin(now_ns)

    def report(self) -> None:
        """Say how it went."""
        took_s = (time.monotonic_ns() - self.begun_ns) / 1e9
        print(f"{len(self.latencies_ms)} selections in {took_s:.1f} s, {self.client.skipped} frames skipped")
        if self.latencies_ms:
            print(
                f"from a frame to its selection {statistics.median(self.latencies_ms):.0f} ms in the middle"
            )
        if (clock := self.client.clock) is not None:
            print(f"the clocks are related to within {clock.uncertainty_ns / 1e6:.2f} ms")
        print(f"the pinch pinned object {self.pinned.result(5) if self.pinned is not None else None}")


def summary(selected: FrameSelection) -> tuple[object, ...]:
    """Return what is worth a line when it changes."""
    target = selected.gaze_target
    pinned = tuple(item.object_id for item in selected.pinned)
    return selected.state, target and target.object_id, pinned


def describe(selected: FrameSelection) -> str:
    """Say what is selected."""
    target, pinned = selected.gaze_target, [item.object_id for item in selected.pinned]
    place = "" if target is None else f"object {target.object_id} at {[round(side) for side in target.box]}"
    return f"{selected.state.value:9} {place} {f'pinned {pinned}' if pinned else ''}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", default="ws://127.0.0.1:8765")
    parser.add_argument("--token", default="")
    parser.add_argument("--gaze", choices=("rays", "pixels", "pinch"), default="rays")
    parser.add_argument("--video", type=Path, default=DEMO / "clip.mp4")
    parser.add_argument("--recording", type=Path, default=DEMO / "gaze.csv")
    parser.add_argument("--seconds", type=float, default=8.0)
    args = parser.parse_args()
    with connect(args.url, token=args.token, name="simulated headset") as client:
        welcome = client.welcome
        print(f"{welcome.server}: {welcome.model} on {welcome.engine} ({welcome.precision})", flush=True)
        headset = Headset(client, args.gaze)
        with open_frames(args.video) as frames:
            headset.play(frames, read(args.recording), args.seconds)
        headset.report()


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
