"""Gaze over the Lab Streaming Layer: send it from one program, select with it in another.

    pip install -e '.[gaze]'
    python examples/lsl_stream.py send [GAZE.csv]       # plays a recording as an LSL stream, over and over
    python examples/lsl_stream.py select [VIDEO]        # reads the stream and selects in the video

Expect: `send` prints one line and runs until Ctrl+C; `select` prints one line for each change of the selection.

Without a file both take the demo. Any other sender of type `Gaze` works as well, such as an eye tracker's own LSL
connector: give its name with `--name`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

try:
    import pylsl

    import sam_edge
    import sam_edge.gaze
    from sam_edge.errors import SamEdgeError
    from sam_edge.gaze.recordings import read
    from sam_edge.media.frames import open_frames
    from sam_edge.stream import GazeSession
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e '.[gaze]'")
except KeyboardInterrupt:
    sys.exit(130)

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo"
PX_PER_DEG = 28.0


def send(path: Path, name: str, times: int) -> None:
    """Send a recording's samples at their own pace: confidence, x and y in pixels."""
    recording = read(path)
    info = pylsl.StreamInfo(name, "Gaze", 3, pylsl.IRREGULAR_RATE, pylsl.cf_double64, f"sam-edge {name}")
    channels = info.desc().append_child("channels")
    for label, unit in (("confidence", "fraction"), ("x", "pixels"), ("y", "pixels")):
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", unit)
        if label != "confidence":
            channel.append_child_value("type", f"Screen{label.upper()}")
    outlet = pylsl.StreamOutlet(info)
    print(f"sending {len(recording.samples)} samples as {name!r}", flush=True)
    for _ in range(times):
        begun = pylsl.local_clock()
        for sample in recording.samples:
            due = begun + sample.time_ns / 1e9
            time.sleep(max(0.0, due - pylsl.local_clock()))
            outlet.push_sample([sample.confidence, sample.x_px, sample.y_px], due)


def select(video: Path, name: str, runtime: str) -> None:
    """Play a video in its own time and select by the stream's gaze."""
    before, count = None, 0
    with (
        open_frames(video) as frames,
        sam_edge.load(runtime=runtime) as model,
        sam_edge.gaze.open(f"lsl://?name={name}", size=frames.size) as gaze,
        GazeSession(model, px_per_deg=PX_PER_DEG) as session,
    ):
        begin = time.monotonic()
        for frame in frames:
            if count == 0:
                session.warm_up(frame.image)
                begin = time.monotonic()
            time_s = frame.time_ns / 1e9
            time.sleep(max(0.0, begin + time_s - time.monotonic()))
            count += 1
            session.feed(gaze.read())
            selection = session.step(frame.image, time.monotonic_ns())
            if selection.object_id != before:
                before = selection.object_id
                print(f"{time_s:6.2f} s  object {selection.object_id}  box {selection.box}", flush=True)
        report = gaze.stats
    print(f"{count} frames, {report.received} gaze samples, {report.gaps} gaps")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("role", choices=("send", "select"))
    parser.add_argument(
        "file", nargs="?", type=Path, help="a gaze recording to send, or a video to select in"
    )
    parser.add_argument("--name", default="sam-edge-demo", help="the stream's name")
    parser.add_argument("--times", type=int, default=1000, help="send the recording so often")
    parser.add_argument("--runtime", default="auto")
    args = parser.parse_args()
    if args.role == "send":
        send(args.file or DEMO / "gaze.csv", args.name, args.times)
    else:
        select(args.file or DEMO / "clip.mp4", args.name, args.runtime)


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
